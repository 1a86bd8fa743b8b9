//! How devices end, and the processes behind them.

use std::os::unix::net::UnixStream;

use rustix::process::{Signal, kill_process};
use virtfs_proto::Tversion;

use super::guest::{guest, unstarted};
use super::{device, spec, start};
use crate::processes::{Watched, named};
use crate::running::{Running, unix, unix_client};

#[test]
fn sigterm_ends_all_processes_and_removes_all_sockets() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second, third] = ["a", "b", "c"].map(|name| dir.path().join(name));
    let mut command = device(dir.path(), &first);
    command.args(["--vhost-user", &spec(&second, "idle")]);
    command.args(["--listen", &unix(&third)]);
    let mut server = start(&mut command);
    let _guest = guest(&first);
    let _client = unix_client(&third);
    let processes = Watched::below(server.pid());
    assert_eq!(processes.count(), 4, "a keeper, two acceptors, a VMM's");
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(0));
    processes.end();
    for path in [first, second, third] {
        assert!(!path.exists(), "{}", path.display());
    }
}

#[test]
fn sigkill_of_the_first_process_ends_all_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let mut server = start(&mut device(dir.path(), &path));
    let mut client = guest(&path);
    client.mkdir(1, "made", 0o755).unwrap();
    let processes = Watched::below(server.pid());
    assert_eq!(processes.count(), 3);
    server.signal(Signal::KILL);
    server.end();
    processes.end();
    assert!(!path.exists(), "the keeper removes the socket");
}

#[test]
fn what_a_guest_asked_before_the_signal_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let mut server = start(&mut device(dir.path(), &path));
    let mut client = unstarted(&path);
    let (msize, version) = (8192, &b"9P2000.L"[..]);
    client.send(u16::MAX, Tversion { msize, version });
    // The line tells that it arrived.
    server.line("asked for messages of 8192 bytes");
    server.signal(Signal::TERM);
    assert_eq!(client.receive().tag, u16::MAX);
    assert_eq!(server.end().code(), Some(0));
}

#[test]
fn once_means_that_it_ends_with_the_vmm() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let mut server = start(device(dir.path(), &path).arg("--once"));
    guest(&path).mkdir(1, "made", 0o755).unwrap();
    assert_eq!(server.end().code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn once_does_not_count_who_goes_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let mut server = start(device(dir.path(), &path).arg("--once"));
    drop(UnixStream::connect(&path).unwrap());
    guest(&path).mkdir(1, "made", 0o755).unwrap();
    assert_eq!(server.end().code(), Some(0));
}

#[test]
fn sigterm_ends_it_while_somebody_is_connected_who_says_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let mut server = start(&mut device(dir.path(), &path));
    let _silent = UnixStream::connect(&path).unwrap();
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(0));
}

#[test]
fn once_with_several_devices_ends_with_the_last_vmm() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("a"), dir.path().join("b"));
    let mut command = device(dir.path(), &first);
    command.args(["--once", "--vhost-user", &spec(&second, "other")]);
    let mut server = start(&mut command);
    server.line("listens for VMMs at ");
    drop(guest(&first));
    server.line("home: the VMM has gone");
    let mut client = guest(&second);
    client.mkdir(1, "made", 0o755).unwrap();
    drop(client);
    assert_eq!(server.end().code(), Some(0));
}

#[test]
fn once_beside_other_clients_goes_on_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let (vm, client) = (dir.path().join("vm"), dir.path().join("9p"));
    let mut command = device(dir.path(), &vm);
    let mut server = start(command.args(["--once", "--listen", &unix(&client)]));
    drop(guest(&vm));
    server.line("home: the VMM has gone");
    unix_client(&client).mkdir(1, "made", 0o755).unwrap();
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(0));
}

#[test]
fn once_tells_by_its_status_that_the_vmm_broke_the_protocol() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let server = start(device(dir.path(), &path).arg("--once"));
    super::harm::rubbish(&mut UnixStream::connect(&path).unwrap());
    let (status, text) = server.failure();
    assert_eq!(status, Some(1));
    assert!(text.contains("WARN home: the VMM"), "{text}");
}

#[test]
fn a_device_whose_process_was_killed_is_an_error_and_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("a"), dir.path().join("b"));
    let mut command = device(dir.path(), &first);
    command.args(["--vhost-user", &spec(&second, "other")]);
    let server = start(&mut command);
    server.line("listens for VMMs at ");
    let kill = |name| kill_process(named(server.pid(), name), Signal::KILL).unwrap();
    kill("virtfs-home");
    server.line("ERROR home: its process was killed by signal 9");
    assert!(UnixStream::connect(&first).is_err(), "nobody waits in vain");
    guest(&second).mkdir(1, "made", 0o755).unwrap();
    server.line("other: the VMM has gone");
    kill("virtfs-other");
    let (status, text) = server.failure();
    assert_eq!(status, Some(1), "{text}");
    assert!(
        text.contains("ERROR other: its process was killed"),
        "{text}"
    );
}

#[test]
fn a_second_signal_ends_all_processes_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let mut server = start(&mut device(dir.path(), &path));
    let _guest = guest(&path);
    let processes = Watched::below(server.pid());
    // It cannot end in order while it is stopped.
    let vmm = named(server.pid(), "virtfs-home");
    kill_process(vmm, Signal::STOP).unwrap();
    server.signal(Signal::TERM);
    server.line("finishing");
    server.signal(Signal::INT);
    assert_eq!(server.end().code(), Some(128 + 2));
    processes.end();
    assert!(!path.exists());
}

#[test]
fn a_process_that_does_not_end_in_order_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let mut server: Running = start(&mut device(dir.path(), &path));
    let _guest = guest(&path);
    let processes = Watched::below(server.pid());
    kill_process(named(server.pid(), "virtfs-home"), Signal::STOP).unwrap();
    server.signal(Signal::TERM);
    server.line("home: the process that served the VMM was killed by signal 9");
    assert_eq!(server.end().code(), Some(0));
    processes.end();
}

#[test]
fn a_device_that_does_not_end_in_order_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let mut server = start(&mut device(dir.path(), &path));
    let processes = Watched::below(server.pid());
    kill_process(named(server.pid(), "virtfs-home"), Signal::STOP).unwrap();
    server.signal(Signal::TERM);
    server.line("home: its process was killed by signal 9");
    assert_eq!(server.end().code(), Some(0));
    processes.end();
}
