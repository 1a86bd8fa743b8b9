//! Where `flock` and `fcntl` differ, and the wire does not tell which it is; who holds what, and
//! what is left of it when somebody dies.

mod lock_site;

use std::io::{BufRead, BufReader};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lock_site::host::{self, Host};
use lock_site::{BLOCKED, Export, RD, SUCCESS, UN, WR, lock, open, session};
use virtfs_proto::LockType;
use virtfs_server::{FdStream, Limits};
use virtfs_tests::errno::ENOLCK;
use virtfs_tests::{Lock, PATIENCE, Raw, Served};

#[test]
fn host_process() {
    host::obey();
}

/// Two sessions with `f` open, the first as fids 1 and 2, on a file in memory and on one of the host.
fn both(test: impl Fn(&mut Raw, &mut Raw)) {
    let export = Export::new();
    for served in [Served::memory(), export.serve()] {
        let (mut a, mut b) = (session(&served), session(&served));
        open(&mut a, 2);
        test(&mut a, &mut b);
    }
}

fn whole(kind: LockType, proc_id: u32) -> Lock<'static> {
    lock(kind, 0, 0, proc_id)
}

/// A lock of a client that tells `fcntl` from `flock`.
fn fcntl(kind: LockType, proc_id: u32) -> Lock<'static> {
    Lock {
        client_id: "client:posix",
        ..whole(kind, proc_id)
    }
}

#[test]
fn of_two_shared_flocks_of_one_process_one_stays_when_the_other_is_closed() {
    both(|a, b| {
        assert_eq!(a.lock(1, whole(RD, 1)), SUCCESS);
        assert_eq!(a.lock(2, whole(RD, 1)), SUCCESS);
        assert_eq!(a.lock(2, whole(UN, 1)), SUCCESS);
        a.clunk(2).unwrap();
        assert_eq!(b.lock(1, whole(WR, 1)), BLOCKED);
        assert_eq!(a.lock(1, whole(UN, 1)), SUCCESS);
        assert_eq!(b.lock(1, whole(WR, 1)), SUCCESS);
    });
}

#[test]
fn a_flock_outlives_another_open_file_of_its_process() {
    both(|a, b| {
        assert_eq!(a.lock(1, whole(WR, 1)), SUCCESS);
        assert_eq!(a.lock(2, whole(UN, 1)), SUCCESS);
        a.clunk(2).unwrap();
        assert_eq!(b.lock(1, whole(RD, 1)), BLOCKED);
        a.clunk(1).unwrap();
        assert_eq!(b.lock(1, whole(RD, 1)), SUCCESS);
    });
}

#[test]
fn fcntl_s_locks_end_with_any_open_file_of_their_process() {
    both(|a, b| {
        assert_eq!(a.lock(1, lock(WR, 1, 0, 1)), SUCCESS);
        assert_eq!(a.lock(2, whole(UN, 1)), SUCCESS);
        assert_eq!(b.lock(1, whole(WR, 1)), SUCCESS);
        assert_eq!(b.lock(1, whole(UN, 1)), SUCCESS);
        // Of the whole, where the client tells them apart.
        assert_eq!(a.lock(1, fcntl(WR, 1)), SUCCESS);
        assert_eq!(a.lock(2, fcntl(UN, 1)), SUCCESS);
        assert_eq!(b.lock(1, whole(WR, 1)), SUCCESS);
    });
}

#[test]
fn a_lock_is_upgraded_through_another_open_file() {
    both(|a, b| {
        for (start, length) in [(0, 0), (5, 5)] {
            assert_eq!(a.lock(1, lock(RD, start, length, 1)), SUCCESS);
            assert_eq!(b.lock(1, lock(RD, 5, 1, 1)), SUCCESS);
            assert_eq!(a.lock(2, lock(WR, start, length, 1)), BLOCKED);
            assert_eq!(b.lock(1, whole(UN, 1)), SUCCESS);
            assert_eq!(a.lock(2, lock(WR, start, length, 1)), SUCCESS);
            assert_eq!(b.lock(1, lock(RD, 5, 1, 1)), BLOCKED);
            assert_eq!(a.lock(1, whole(UN, 1)), SUCCESS);
            assert_eq!(b.lock(1, whole(WR, 1)), SUCCESS);
            assert_eq!(b.lock(1, whole(UN, 1)), SUCCESS);
        }
    });
}

#[test]
fn a_child_that_closes_what_it_inherited_releases_nothing() {
    both(|a, b| {
        for held in [lock(WR, 0, 0, 1), lock(WR, 5, 5, 1)] {
            assert_eq!(a.lock(1, held), SUCCESS);
            assert_eq!(a.lock(1, whole(UN, 2)), SUCCESS);
            assert_eq!(b.lock(1, lock(RD, 5, 1, 1)), BLOCKED);
            assert_eq!(a.lock(1, whole(UN, 1)), SUCCESS);
        }
    });
}

/// A child converts what it inherited: the client has seen to its own processes.
#[test]
fn a_flock_is_taken_over_by_whoever_takes_it_through_the_same_open_file() {
    both(|a, b| {
        assert_eq!(a.lock(1, whole(RD, 1)), SUCCESS);
        assert_eq!(a.lock(1, whole(WR, 2)), SUCCESS);
        assert_eq!(a.lock(1, whole(UN, 3)), SUCCESS);
        assert_eq!(b.lock(1, whole(RD, 1)), BLOCKED);
        assert_eq!(a.lock(1, whole(WR, 4)), SUCCESS);
        // The one before is late to say so.
        assert_eq!(a.lock(1, whole(UN, 2)), SUCCESS);
        assert_eq!(b.getlock(1, whole(RD, 1)).unwrap().3, 4);
        assert_eq!(a.lock(1, whole(UN, 4)), SUCCESS);
        assert_eq!(b.lock(1, whole(RD, 1)), SUCCESS);
        // It does not pass others by.
        assert_eq!(a.lock(1, whole(RD, 5)), SUCCESS);
        assert_eq!(a.lock(1, whole(WR, 6)), BLOCKED);
        assert_eq!(b.lock(1, whole(UN, 1)), SUCCESS);
        assert_eq!(b.lock(1, whole(WR, 1)), BLOCKED);
        // Another open file, and processes of a client that tells, exclude each other.
        assert_eq!(a.lock(2, whole(WR, 7)), BLOCKED);
        a.clunk(1).unwrap();
        assert_eq!(a.lock(2, fcntl(WR, 1)), SUCCESS);
        assert_eq!(a.lock(2, fcntl(WR, 2)), BLOCKED);
    });
}

#[test]
fn a_holder_on_the_host_is_named_by_its_process_if_it_is_one() {
    let export = Export::new();
    let served = export.serve();
    let mut client = session(&served);
    let mut holder = Host::new(&export.path("f"));
    holder.open(0);
    assert!(holder.fcntl(0, WR, 5, 5));
    let found = client.getlock(1, whole(RD, 1)).unwrap();
    assert_eq!(found, (WR, 5, 5, holder.pid(), b"host".to_vec()));
    assert!(holder.fcntl(0, UN, 0, 0));
    assert!(holder.ofd(0, RD, 7, 0));
    assert_eq!(client.getlock(1, whole(RD, 1)).unwrap().0, UN);
    let found = client.getlock(1, whole(WR, 1)).unwrap();
    assert_eq!(found, (RD, 7, 0, 0, b"host".to_vec()));
    // A client of another server is no process either.
    drop(holder);
    let other = export.serve();
    assert_eq!(session(&other).lock(1, whole(WR, 9)), SUCCESS);
    let mut other = session(&other);
    while other.lock(1, whole(WR, 9)) != SUCCESS {}
    let found = client.getlock(1, whole(WR, 1)).unwrap();
    assert_eq!(found, (WR, 0, 0, 0, b"host".to_vec()));
}

#[test]
fn records_are_bounded_and_what_makes_none_is_granted() {
    let mut limits = Limits::default();
    limits.lock_records = 4;
    let served = Served::memory_with(limits);
    let (mut a, mut b) = (session(&served), session(&served));
    assert_eq!(a.lock(1, lock(WR, 0, 100, 1)), SUCCESS);
    for at in [10, 20, 30] {
        assert_eq!(a.lock(1, lock(UN, at, 1, 1)), SUCCESS);
    }
    // An unlock that splits makes one more.
    assert_eq!(a.lock(1, lock(UN, 40, 1, 1)), Err(ENOLCK));
    assert_eq!(a.lock(1, lock(WR, 200, 1, 1)), Err(ENOLCK));
    assert_eq!(b.lock(1, lock(WR, 200, 1, 1)), Err(ENOLCK));
    assert_eq!(b.lock(1, lock(WR, 40, 1, 1)), BLOCKED);
    assert_eq!(a.lock(1, lock(RD, 0, 10, 1)), SUCCESS);
    assert_eq!(a.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
    assert_eq!(a.lock(1, lock(UN, 50, 0, 1)), SUCCESS);
    assert_eq!(b.lock(1, lock(WR, 50, 1, 1)), SUCCESS);
}

/// A server, or a client, in a process of its own, which can be killed.
struct Apart(Child);

impl Apart {
    fn new(role: &str, export: &Path, socket: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "role_of_its_own", "--nocapture"])
            .env("LOCK_ROLE", role)
            .env("LOCK_EXPORT", export)
            .env("LOCK_SOCKET", socket)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("ready")));
        Self(child)
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn connect(socket: &Path) -> Raw {
    let mut client = Raw::socket(UnixStream::connect(socket).unwrap());
    client.start();
    client.attach(0, "").unwrap();
    open(&mut client, 1);
    client
}

/// Does nothing unless it is the child of another test.
#[test]
fn role_of_its_own() {
    let Some(role) = std::env::var_os("LOCK_ROLE") else {
        return;
    };
    let path = |name| PathBuf::from(std::env::var_os(name).unwrap());
    if role == "server" {
        let listener = UnixListener::bind(path("LOCK_SOCKET")).unwrap();
        let served = Served::local(&path("LOCK_EXPORT"));
        println!("ready");
        for stream in listener.incoming() {
            served
                .server
                .serve(FdStream::socket(stream.unwrap()))
                .unwrap();
        }
    }
    let mut client = connect(&path("LOCK_SOCKET"));
    assert_eq!(client.lock(1, whole(WR, 1)), SUCCESS);
    println!("ready");
    loop {
        std::thread::park();
    }
}

/// Waits until a program of the host can have the lock.
fn is_free_soon(host: &mut Host) -> bool {
    let until = std::time::Instant::now() + PATIENCE;
    while std::time::Instant::now() < until {
        if host.fcntl(0, WR, 0, 0) {
            return host.fcntl(0, UN, 0, 0);
        }
    }
    false
}

#[test]
fn all_locks_are_gone_however_their_holder_dies() {
    let (export, sockets) = (Export::new(), tempfile::tempdir().unwrap());
    std::fs::write(export.path("f"), "").unwrap();
    let socket = sockets.path().join("9p");
    let server = Apart::new("server", export.root(), &socket);
    let mut host = Host::new(&export.path("f"));
    host.open(0);

    // A client that is killed, and whoever waits for its lock.
    let client = Apart::new("client", export.root(), &socket);
    assert!(!host.fcntl(0, RD, 0, 0));
    drop(client);
    assert!(is_free_soon(&mut host));

    // A fid that is clunked, and a connection that ends.
    let mut client = connect(&socket);
    assert_eq!(client.lock(1, whole(WR, 1)), SUCCESS);
    assert!(!host.fcntl(0, RD, 0, 0));
    client.clunk(1).unwrap();
    assert!(host.fcntl(0, WR, 0, 0) && host.fcntl(0, UN, 0, 0));
    open(&mut client, 1);
    assert_eq!(client.lock(1, whole(WR, 1)), SUCCESS);
    drop(client);
    assert!(is_free_soon(&mut host));

    // A server that is killed.
    let mut client = connect(&socket);
    assert_eq!(client.lock(1, whole(WR, 1)), SUCCESS);
    assert!(!host.fcntl(0, RD, 0, 0));
    drop(server);
    assert!(host.fcntl(0, WR, 0, 0));

    // And a program of the host.
    let served = export.serve();
    let mut client = session(&served);
    assert_eq!(client.lock(1, whole(RD, 1)), BLOCKED);
    host.kill();
    assert_eq!(client.lock(1, whole(RD, 1)), SUCCESS);
}

/// How many bytes this client can lock, one by one, as as many processes as `processes` says.
fn takes(client: &mut Raw, processes: bool) -> u64 {
    let one = |at: &u64| {
        let process = if processes { *at as u32 } else { 1 };
        client.lock(1, lock(RD, 2 * at, 1, process)) == SUCCESS
    };
    (0..200).take_while(one).count() as u64
}

#[test]
fn who_takes_all_the_locks_it_can_leaves_every_other_client_some() {
    for processes in [false, true] {
        let mut limits = Limits::default();
        limits.sessions = 4;
        if processes {
            // Each has a file to itself.
            limits.lock_files = 40;
        } else {
            limits.lock_records = 40;
        }
        let served = Served::memory_with(limits);
        let mut greedy = session(&served);
        let taken = takes(&mut greedy, processes);
        assert!((10..40).contains(&taken), "{taken}");
        for _ in 0..3 {
            let mut other = session(&served);
            assert!(takes(&mut other, processes) >= 5);
            std::mem::forget(other);
        }
        // What is released can be had again.
        for process in 0..200 {
            assert_eq!(greedy.lock(1, lock(UN, 0, 0, process)), SUCCESS);
        }
        assert!(takes(&mut greedy, processes) >= 5);
    }
}
