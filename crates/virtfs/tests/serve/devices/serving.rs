//! Guests at work.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use virtfs_tests::PATIENCE;
use virtfs_tests::errno::ENOENT;
use virtfs_tests::virtio::VhostUser;

use super::guest::{driver, guest, unstarted};
use super::{device, spec, start};
use crate::processes::{below, beside_the_worker, descriptors, named};
use crate::running::{Running, serve, unix, unix_client};
use crate::sandbox::{has_only_what_it_needs, status_of_every_thread};

#[test]
fn a_guest_and_a_client_share_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let sockets = tempfile::tempdir().unwrap();
    let (vm, client) = (sockets.path().join("vm"), sockets.path().join("9p"));
    let mut command = device(dir.path(), &vm);
    let server = Running::start(command.args(["--listen", &unix(&client)]));
    server.line("listens for VMMs at ");
    let (mut guest, mut client) = (guest(&vm), unix_client(&client));
    guest.mkdir(1, "from-the-guest", 0o755).unwrap();
    client.walk(1, 2, &["from-the-guest"]).unwrap();
    client.mkdir(2, "from-the-client", 0o755).unwrap();
    guest
        .walk(1, 2, &["from-the-guest", "from-the-client"])
        .unwrap();
}

#[test]
fn a_device_of_one_export_serves_no_other() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sockets = tempfile::tempdir().unwrap();
    let (all, one) = (sockets.path().join("all"), sockets.path().join("one"));
    std::fs::write(first.path().join("first"), "").unwrap();
    std::fs::write(second.path().join("second"), "").unwrap();
    let export = format!("other={}", second.path().display());
    let mut command = serve(first.path());
    command.args(["--export", &export, "--vhost-user", &spec(&all, "all")]);
    let spec = format!("{},export=other", spec(&one, "one"));
    let _server = start(command.args(["--vhost-user", &spec]));

    let mut client = guest(&all);
    client.walk(1, 2, &["first"]).unwrap();
    client.attach(3, "other").unwrap();
    client.walk(3, 4, &["second"]).unwrap();

    let mut client = guest(&one);
    client.walk(1, 2, &["second"]).unwrap();
    client.mkdir(1, "made", 0o755).unwrap();
    client.attach(3, "other").unwrap();
    let path = first.path().to_str().unwrap();
    assert_eq!(client.attach(4, path), Err(ENOENT));
}

#[test]
fn a_second_vmm_waits_until_the_first_has_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let server = start(&mut device(dir.path(), &path));
    let mut first = guest(&path);
    let (_, driver) = driver();
    let stream = UnixStream::connect(&path).unwrap();
    let second = std::thread::spawn(move || {
        let device = VhostUser::attach(stream, &driver).unwrap();
        device.stop().unwrap()
    });
    first.mkdir(1, "first", 0o755).unwrap();
    let home = below(server.pid());
    let home = home.iter().filter(|process| process.1 == "virtfs-home");
    assert_eq!(home.count(), 2, "the acceptor, and one VMM's process");
    drop(first);
    assert_eq!(second.join().unwrap(), 0);
}

#[test]
fn vmms_that_come_and_go_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let server = start(&mut device(dir.path(), &path));
    let acceptor = named(server.pid(), "virtfs-home");
    let counted = || {
        let processes = [server.worker(), acceptor].map(descriptors);
        (below(server.pid()), processes)
    };
    let round = |number: u32| {
        guest(&path).mkdir(1, &number.to_string(), 0o755).unwrap();
        server.line("home: the VMM has gone");
    };
    let before = counted();
    (0..8).for_each(round);
    // The process is gone when that is told; its socket is closed a moment later.
    let until = Instant::now() + PATIENCE;
    while counted() != before && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(counted(), before);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 9);
}

#[test]
fn all_processes_have_only_the_privileges_they_need() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let server = start(&mut device(dir.path(), &path));
    let mut client = guest(&path);
    client.mkdir(1, "made", 0o755).unwrap();
    let processes = below(server.pid());
    let count = beside_the_worker(&processes);
    assert_eq!(count, 3, "the keeper, the acceptor and the VMM's");
    for (process, _) in processes {
        let threads = status_of_every_thread(process);
        threads
            .iter()
            .for_each(|status| has_only_what_it_needs(status));
    }
}

#[test]
fn a_group_can_be_given_all_sockets_that_are_made() {
    let dir = tempfile::tempdir().unwrap();
    let [vm, more, client] = ["vm", "more", "9p"].map(|name| dir.path().join(name));
    // A group that any user who runs this is in.
    let group = rustix::process::getegid().as_raw();
    let mut command = device(dir.path(), &vm);
    command.args([
        "--vhost-user",
        &spec(&more, "more"),
        "--listen",
        &unix(&client),
    ]);
    command.args(["--socket-group", &group.to_string()]);
    let mut server = start(&mut command);
    for path in [&vm, &more, &client] {
        let metadata = path.symlink_metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o660);
        assert_eq!(metadata.gid(), group);
    }
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(0));
    for path in [vm, more, client] {
        assert!(!path.exists(), "{}", path.display());
    }
}

#[test]
fn a_socket_is_for_its_owner_alone_without_a_group() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let _server = start(&mut device(dir.path(), &path));
    let mode = path.symlink_metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn a_named_group_is_found() {
    if !rustix::process::geteuid().is_root() {
        println!("not run: only root can give a socket to any group");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let _server = start(device(dir.path(), &path).args(["--socket-group", "daemon"]));
    let groups = std::fs::read_to_string("/etc/group").unwrap();
    let daemon = groups.lines().find_map(|line| line.strip_prefix("daemon:"));
    let number = daemon.unwrap().split(':').nth(1).unwrap();
    assert_eq!(path.metadata().unwrap().gid().to_string(), number);
}

#[test]
fn a_client_starts_anew_where_another_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let _server = start(&mut device(dir.path(), &path));
    let mut first = guest(&path);
    first.walk(1, 2, &[]).unwrap();
    first.lcreate(2, "file", 2, 0o644).unwrap();
    first.write(2, 0, b"hello").unwrap();
    drop(first);
    let mut second = unstarted(&path);
    second.start();
    // Fids of the first are gone.
    second.attach(2, "").unwrap();
    second.walk(2, 1, &["file"]).unwrap();
    second.lopen(1, 0).unwrap();
    assert_eq!(second.read(1, 0, 16).unwrap(), b"hello");
}
