//! The first process and the worker, and how one ends with the other.

use std::os::unix::process::CommandExt;

use rustix::process::{Signal, kill_process, kill_process_group};

use crate::ordinary::Ordinary;
use crate::processes::{Watched, below};
use crate::running::{Running, serve, unix, unix_client};
use crate::{is_root, soon, status};

#[test]
fn sigkill_of_the_supervisor_ends_the_worker() {
    let place = Ordinary::new();
    let mut server = Running::start(place.serve().args(["--sandbox", "namespace"]));
    server.line("listening on ");
    let _client = unix_client(&place.socket);
    let processes = Watched::below(server.pid());
    server.signal(Signal::KILL);
    server.end();
    processes.end();
    assert!(!place.socket.exists(), "the keeper removes the socket");
}

/// At a terminal Ctrl-C reaches all processes of the group: twice would end it at once.
#[test]
fn ctrl_c_at_a_terminal_reaches_the_worker_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let mut command = serve(dir.path());
    command.process_group(0).args(["--listen", &unix(&path)]);
    let mut server = Running::start(&mut command);
    server.line("listening on ");
    let mut client = unix_client(&path);
    kill_process_group(server.pid(), Signal::INT).unwrap();
    server.line("finishing");
    assert_eq!(server.end().code(), Some(0));
    assert!(client.ends());
    assert!(!path.exists());
}

/// As systemd stops a service.
#[test]
fn sigterm_to_all_processes_ends_it_in_order() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let mut command = serve(dir.path());
    let mut server = Running::start(command.args(["--listen", &unix(&path)]));
    server.line("listening on ");
    let mut client = unix_client(&path);
    for (process, _) in below(server.pid()) {
        kill_process(process, Signal::TERM).unwrap();
    }
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(0));
    assert!(client.ends());
    assert!(!path.exists());
}

#[test]
fn a_worker_that_was_killed_is_an_error() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let mut command = serve(dir.path());
    let server = Running::start(command.args(["--listen", &unix(&path)]));
    server.line("listening on ");
    kill_process(server.worker(), Signal::KILL).unwrap();
    let (code, said) = server.failure();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("process was killed by signal 9"), "{said}");
    assert!(!path.exists());
}

#[test]
fn the_supervisor_holds_nothing_of_the_clients_and_no_privilege() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let mut command = serve(dir.path());
    let server = Running::start(command.args(["--listen", &unix(&path)]));
    server.line("listening on ");
    soon("it keeps its privileges", || {
        status(server.pid(), "CapPrm") == "0000000000000000"
    });
    let fds = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    for fd in fds {
        let target = std::fs::read_link(fd.unwrap().path()).unwrap();
        let target = target.to_str().unwrap();
        let harmless = [
            "/dev/null",
            "pipe:",
            "anon_inode:[signalfd]",
            "anon_inode:[pidfd]",
            "pidfd:",
        ];
        assert!(
            harmless.iter().any(|start| target.starts_with(start)),
            "{target}"
        );
    }
}

/// The kernel forgets to end a process with its parent when it becomes another user, which the worker's
/// first thread does not.
#[test]
fn sigkill_of_the_supervisor_ends_a_worker_that_acts_as_users() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let mut command = serve(dir.path());
    command.args(["--access", "user", "--squash", "none"]);
    let mut server = Running::start(command.args(["--listen", &unix(&path)]));
    server.line("listening on ");
    // Attached as nobody, it has become that user and the server again.
    let _client = unix_client(&path);
    let processes = Watched::below(server.pid());
    server.signal(Signal::KILL);
    server.end();
    processes.end();
    assert!(!path.exists());
}
