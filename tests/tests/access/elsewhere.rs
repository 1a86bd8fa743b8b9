//! The same comparison for servers with other rights of their own. Those belong to a process, so each
//! has one: this program once more, with one test.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::fs::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};
use virtfs_local::{Containment, Options};
use virtfs_tests::{Raw, Served};

use crate::compared::{PEOPLE, compare};
use crate::people::{self, need_root};

/// Set in the second process.
const AGAIN: &str = "VIRTFS_ACCESS_AGAIN";
/// A server's user, who owns nothing.
const SERVER: u32 = 61_099;

fn is_again() -> bool {
    std::env::var_os(AGAIN).is_some()
}

fn again(mut program: Command, test: &str) -> Child {
    need_root();
    program.arg(std::env::current_exe().unwrap());
    program.args([test, "--exact", "--test-threads", "1"]);
    let piped = program.stdout(Stdio::piped()).stderr(Stdio::piped());
    piped.env(AGAIN, "1").spawn().unwrap()
}

fn passes(output: &Output) {
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{errors}");
    assert!(told.contains("1 passed"), "{told}");
}

/// A server on threads of an ordinary user with the two capabilities that it takes, and a client of
/// it.
fn ordinary(dir: &Path, options: Options) -> (Served, Raw) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            set_keep_capabilities(true).unwrap();
            set_thread_groups(&[]).unwrap();
            let (uid, gid) = (Uid::from_raw(SERVER), Gid::from_raw(SERVER));
            set_thread_res_gid(gid, gid, gid).unwrap();
            set_thread_res_uid(uid, uid, uid).unwrap();
            let two = CapabilitySet::SETUID | CapabilitySet::SETGID;
            let sets = CapabilitySets {
                effective: two,
                permitted: two,
                inheritable: CapabilitySet::empty(),
            };
            set_capabilities(None, sets).unwrap();
            let server = people::serve(dir, options);
            let client = server.connect();
            (server, client)
        });
        thread.join().unwrap()
    })
}

#[test]
fn through_an_ordinary_users_server_the_answers_are_the_same() {
    if is_again() {
        return compare(ordinary, Containment::Verify, 700, &PEOPLE);
    }
    let test = "elsewhere::through_an_ordinary_users_server_the_answers_are_the_same";
    // Only to have a program that runs a program.
    let child = again(Command::new("env"), test);
    passes(&child.wait_with_output().unwrap());
}

#[test]
fn in_a_user_namespace_the_answers_are_the_same() {
    if is_again() {
        return compare(people::served, Containment::Verify, 700, &PEOPLE);
    }
    let test = "elsewhere::in_a_user_namespace_the_answers_are_the_same";
    let mut unshare = Command::new("unshare");
    // The numbers are written while it waits; then it is root there.
    unshare.args(["--user", "sh", "-c", "read go && exec \"$@\"", "sh"]);
    let mut child = again(
        {
            unshare.stdin(Stdio::piped());
            unshare
        },
        test,
    );
    let file = |name: &str| format!("/proc/{}/{name}", child.id());
    let ours = std::fs::read_link("/proc/self/ns/user").unwrap();
    while std::fs::read_link(file("ns/user")).unwrap() == ours {
        std::thread::yield_now();
    }
    std::fs::write(file("uid_map"), "0 0 70000").unwrap();
    std::fs::write(file("gid_map"), "0 0 70000").unwrap();
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    passes(&child.wait_with_output().unwrap());
}
