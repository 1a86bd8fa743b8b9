//! `virtfs serve --sandbox`: what each start gets and says, and what the worker is shut in with.
//!
//! Most tests want root, and the programs setpriv, unshare and mount (util-linux).

#[path = "../serve/devices/guest.rs"]
#[allow(dead_code, reason = "what the other tests need")]
mod guest;
#[path = "../serve/ordinary.rs"]
#[allow(dead_code, reason = "what the other tests need")]
mod ordinary;
#[path = "../serve/processes.rs"]
#[allow(dead_code, reason = "what the other tests need")]
mod processes;
#[path = "../serve/running.rs"]
#[allow(dead_code, reason = "what the other tests need")]
mod running;

mod capabilities;
mod levels;
mod limits;
mod supervisor;
mod walls;

use std::path::PathBuf;

use rustix::process::Pid;

/// Whether this machine lets root make what the tests need; says so if not.
fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("not run: only root can");
    }
    is_root
}

/// Waits until it is so: a process that was just started restricts itself a moment later.
fn soon(what: &str, is_so: impl Fn() -> bool) {
    let until = std::time::Instant::now() + virtfs_tests::PATIENCE;
    while !is_so() {
        assert!(std::time::Instant::now() < until, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// A namespace of a process.
fn namespace(process: Pid, name: &str) -> PathBuf {
    std::fs::read_link(format!("/proc/{process}/ns/{name}")).unwrap()
}

/// A line of `/proc/PID/status`, by its beginning.
fn status(process: Pid, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().trim_start_matches(':').trim().to_owned()
}
