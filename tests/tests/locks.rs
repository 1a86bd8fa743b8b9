//! Byte-range locks are real: between processes of one client, between sessions, and with
//! programs of the host.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use virtfs_proto::{LockStatus, LockType};
use virtfs_tests::errno::{EBADF, EINVAL};
use virtfs_tests::{Lock, PATIENCE, Raw, Served};

const RD: LockType = LockType::RDLCK;
const WR: LockType = LockType::WRLCK;
const UN: LockType = LockType::UNLCK;
const SUCCESS: Result<LockStatus, u32> = Ok(LockStatus::SUCCESS);
const BLOCKED: Result<LockStatus, u32> = Ok(LockStatus::BLOCKED);

fn lock(kind: LockType, start: u64, length: u64, proc_id: u32) -> Lock<'static> {
    Lock {
        kind,
        start,
        length,
        proc_id,
        client_id: "client",
    }
}

/// Runs a test on a file in memory and on one of the host.
fn both(test: impl Fn(&Served)) {
    test(&Served::memory());
    let dir = tempfile::tempdir().unwrap();
    test(&Served::local(dir.path()));
}

/// A session with the file `f` open as fid 1.
fn session(served: &Served) -> Raw {
    let mut client = served.session();
    client.walk(0, 1, &[]).unwrap();
    client.lcreate(1, "f", 2, 0o644).unwrap();
    client
}

/// Waits until a lock is granted: what a session held goes a moment after its client.
fn granted_soon(client: &mut Raw, lock: Lock<'_>) -> bool {
    let until = std::time::Instant::now() + PATIENCE;
    while std::time::Instant::now() < until {
        if client.lock(1, lock) == SUCCESS {
            return true;
        }
    }
    false
}

#[test]
fn two_sessions_exclude_each_other() {
    both(|served| {
        let (mut a, mut b) = (session(served), session(served));
        assert_eq!(a.lock(1, lock(WR, 0, 10, 1)), SUCCESS);
        // Even with the same names for client and process.
        for kind in [RD, WR] {
            assert_eq!(b.lock(1, lock(kind, 9, 1, 1)), BLOCKED);
            assert_eq!(b.lock(1, lock(kind, 0, 0, 1)), BLOCKED);
        }
        assert_eq!(b.lock(1, lock(WR, 10, 5, 1)), SUCCESS);
        assert_eq!(a.lock(1, lock(WR, 0, 11, 1)), BLOCKED);
        assert_eq!(a.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
        assert_eq!(b.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
    });
}

#[test]
fn readers_share() {
    both(|served| {
        let (mut a, mut b) = (session(served), session(served));
        assert_eq!(a.lock(1, lock(RD, 0, 0, 1)), SUCCESS);
        assert_eq!(b.lock(1, lock(RD, 0, 0, 1)), SUCCESS);
        assert_eq!(b.lock(1, lock(WR, 5, 1, 1)), BLOCKED);
        assert_eq!(a.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
        assert_eq!(b.lock(1, lock(WR, 5, 1, 1)), SUCCESS);
    });
}

#[test]
fn processes_of_one_session_exclude_each_other() {
    both(|served| {
        let mut client = session(served);
        client.walk(0, 2, &["f"]).unwrap();
        client.lopen(2, 2).unwrap();
        assert_eq!(client.lock(1, lock(WR, 0, 10, 1)), SUCCESS);
        assert_eq!(client.lock(1, lock(WR, 5, 1, 2)), BLOCKED);
        assert_eq!(client.lock(2, lock(RD, 5, 1, 2)), BLOCKED);
        let other_client = Lock {
            client_id: "another",
            ..lock(RD, 5, 1, 1)
        };
        assert_eq!(client.lock(1, other_client), BLOCKED);
        // An unlock by somebody else changes nothing.
        assert_eq!(client.lock(2, lock(UN, 0, 0, 2)), SUCCESS);
        assert_eq!(client.lock(2, lock(RD, 5, 1, 2)), BLOCKED);
    });
}

#[test]
fn an_owner_never_excludes_itself() {
    both(|served| {
        let mut client = session(served);
        client.walk(0, 2, &["f"]).unwrap();
        client.lopen(2, 0).unwrap();
        assert_eq!(client.lock(1, lock(WR, 0, 10, 1)), SUCCESS);
        assert_eq!(client.lock(1, lock(RD, 5, 10, 1)), SUCCESS);
        assert_eq!(client.lock(2, lock(WR, 0, 0, 1)), SUCCESS);
        assert_eq!(client.getlock(2, lock(WR, 0, 0, 1)).unwrap().0, UN);
    });
}

#[test]
fn a_part_that_is_unlocked_is_free_and_the_rest_is_not() {
    both(|served| {
        let (mut a, mut b) = (session(served), session(served));
        assert_eq!(a.lock(1, lock(WR, 0, 100, 1)), SUCCESS);
        assert_eq!(a.lock(1, lock(UN, 40, 20, 1)), SUCCESS);
        assert_eq!(b.lock(1, lock(WR, 39, 1, 1)), BLOCKED);
        assert_eq!(b.lock(1, lock(WR, 60, 1, 1)), BLOCKED);
        assert_eq!(b.lock(1, lock(WR, 40, 20, 1)), SUCCESS);
        assert_eq!(a.lock(1, lock(WR, 0, 100, 1)), BLOCKED);
        // A refused lock leaves what was held.
        assert_eq!(b.lock(1, lock(RD, 0, 1, 1)), BLOCKED);
        assert_eq!(b.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
        assert_eq!(a.lock(1, lock(WR, 40, 20, 1)), SUCCESS);
        assert_eq!(b.lock(1, lock(WR, 50, 1, 1)), BLOCKED);
    });
}

#[test]
fn a_downgrade_of_a_part_lets_readers_in_there_alone() {
    both(|served| {
        let (mut a, mut b) = (session(served), session(served));
        assert_eq!(a.lock(1, lock(WR, 0, 100, 1)), SUCCESS);
        assert_eq!(a.lock(1, lock(RD, 20, 10, 1)), SUCCESS);
        assert_eq!(b.lock(1, lock(RD, 20, 10, 1)), SUCCESS);
        assert_eq!(b.lock(1, lock(RD, 20, 11, 1)), BLOCKED);
        assert_eq!(b.lock(1, lock(WR, 25, 1, 1)), BLOCKED);
    });
}

#[test]
fn a_clunk_drops_what_was_taken_through_that_fid_alone() {
    both(|served| {
        let (mut a, mut b) = (session(served), session(served));
        a.walk(0, 2, &["f"]).unwrap();
        a.lopen(2, 2).unwrap();
        assert_eq!(a.lock(1, lock(WR, 0, 10, 1)), SUCCESS);
        assert_eq!(a.lock(2, lock(WR, 20, 10, 1)), SUCCESS);
        a.walk(0, 3, &["f"]).unwrap();
        a.lopen(3, 0).unwrap();
        a.clunk(3).unwrap();
        assert_eq!(b.lock(1, lock(WR, 0, 1, 1)), BLOCKED);
        a.clunk(2).unwrap();
        assert_eq!(b.lock(1, lock(WR, 20, 10, 1)), SUCCESS);
        assert_eq!(b.lock(1, lock(WR, 0, 10, 1)), BLOCKED);
        a.clunk(1).unwrap();
        assert_eq!(b.lock(1, lock(WR, 0, 10, 1)), SUCCESS);
    });
}

#[test]
fn a_client_that_hangs_up_or_begins_anew_holds_nothing() {
    both(|served| {
        let mut b = session(served);
        let mut a = session(served);
        assert_eq!(a.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
        assert_eq!(b.lock(1, lock(WR, 0, 0, 1)), BLOCKED);
        drop(a);
        assert!(granted_soon(&mut b, lock(WR, 0, 0, 1)));
        assert_eq!(b.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
        let mut a = session(served);
        assert_eq!(a.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
        a.start();
        assert!(granted_soon(&mut b, lock(WR, 0, 0, 1)));
    });
}

#[test]
fn getlock_names_who_is_in_the_way() {
    both(|served| {
        let (mut a, mut b) = (session(served), session(served));
        let free = b.getlock(1, lock(WR, 3, 4, 9)).unwrap();
        assert_eq!(free, (UN, 3, 4, 9, b"client".to_vec()));
        let held = Lock {
            client_id: "host-a",
            ..lock(RD, 10, 20, 77)
        };
        assert_eq!(a.lock(1, held), SUCCESS);
        let found = b.getlock(1, lock(WR, 0, 0, 9)).unwrap();
        assert_eq!(found, (RD, 10, 20, 77, b"host-a".to_vec()));
        assert_eq!(b.getlock(1, lock(RD, 0, 0, 9)).unwrap().0, UN);
        assert_eq!(b.getlock(1, lock(WR, 30, 0, 9)).unwrap().0, UN);
        // Another process of the same session, too.
        assert_eq!(a.getlock(1, lock(WR, 0, 0, 78)).unwrap().3, 77);
        assert_eq!(a.lock(1, lock(WR, 50, 0, 77)), SUCCESS);
        let to_the_end = b.getlock(1, lock(RD, 60, 1, 9)).unwrap();
        assert_eq!((to_the_end.0, to_the_end.1, to_the_end.2), (WR, 50, 0));
    });
}

/// Linux asks with type UNLCK whatever the program asked: `F_GETLK` of sqlite's WAL, for one.
#[test]
fn getlock_of_unlck_names_whoever_holds_anything_there() {
    both(|served| {
        let (mut a, mut b) = (session(served), session(served));
        let free = b.getlock(1, lock(UN, 128, 1, 9)).unwrap();
        assert_eq!(free, (UN, 128, 1, 9, b"client".to_vec()));
        assert_eq!(a.lock(1, lock(RD, 128, 1, 77)), SUCCESS);
        assert_eq!(a.lock(1, lock(WR, 200, 10, 77)), SUCCESS);
        let reader = b.getlock(1, lock(UN, 120, 10, 9)).unwrap();
        assert_eq!(reader, (RD, 128, 1, 77, b"client".to_vec()));
        let writer = b.getlock(1, lock(UN, 209, 0, 9)).unwrap();
        assert_eq!(writer, (WR, 200, 10, 77, b"client".to_vec()));
        assert_eq!(b.getlock(1, lock(UN, 129, 71, 9)).unwrap().0, UN);
        // Another process of the same session, too; but nobody is in his own way.
        assert_eq!(a.getlock(1, lock(UN, 0, 0, 78)).unwrap().3, 77);
        assert_eq!(a.getlock(1, lock(UN, 0, 0, 77)).unwrap().0, UN);
        // To ask takes nothing.
        assert_eq!(a.lock(1, lock(WR, 0, 0, 77)), SUCCESS);
    });
}

#[test]
fn what_cannot_be_a_lock_is_refused() {
    both(|served| {
        let mut client = session(served);
        for (start, length) in [
            (1 << 63, 0),
            (1 << 63, 1),
            (u64::MAX, 0),
            (u64::MAX, u64::MAX),
            (1, u64::MAX),
            ((1 << 63) - 1, 2),
        ] {
            for kind in [RD, WR, UN] {
                assert_eq!(client.lock(1, lock(kind, start, length, 1)), Err(EINVAL));
            }
            for kind in [RD, WR, UN] {
                let test = client.getlock(1, lock(kind, start, length, 1));
                assert_eq!(test, Err(EINVAL));
            }
        }
        assert_eq!(client.lock(1, lock(WR, (1 << 63) - 1, 1, 1)), SUCCESS);
        assert_eq!(client.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
        for kind in [3, 4, 255] {
            assert_eq!(client.lock(1, lock(LockType(kind), 0, 0, 1)), Err(EINVAL));
            let test = client.getlock(1, lock(LockType(kind), 0, 0, 1));
            assert_eq!(test, Err(EINVAL));
        }
        // The name of a client is kept with each of its locks.
        let named = |client_id| Lock {
            client_id,
            ..lock(WR, 0, 0, 1)
        };
        let (longest, longer) = ("c".repeat(1024), "c".repeat(1025));
        assert_eq!(client.lock(1, named(&longer)), Err(EINVAL));
        assert_eq!(client.lock(1, named(&longest)), SUCCESS);
        let unlock = Lock {
            kind: UN,
            ..named(&longest)
        };
        assert_eq!(client.lock(1, unlock), SUCCESS);
        // Nothing can be reclaimed; unknown flags are none.
        for flags in [2, 3, 4, 1 << 31] {
            let refused = client.lock_flags(1, lock(WR, 0, 0, 1), flags);
            assert_eq!(refused, Err(EINVAL), "{flags}");
        }
        assert_eq!(client.lock_flags(1, lock(WR, 0, 0, 1), 1), SUCCESS);
        client.walk(0, 2, &["f"]).unwrap();
        assert_eq!(client.lock(2, lock(WR, 0, 0, 1)), Err(EBADF));
        assert_eq!(client.getlock(2, lock(WR, 0, 0, 1)), Err(EBADF));
    });
}

#[test]
fn a_lock_that_may_wait_is_blocked_or_granted_never_faked() {
    both(|served| {
        let (mut a, mut b) = (session(served), session(served));
        assert_eq!(a.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
        assert_eq!(b.lock_flags(1, lock(WR, 0, 0, 1), 1), BLOCKED);
        assert_eq!(a.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
        assert_eq!(b.lock_flags(1, lock(WR, 0, 0, 1), 1), SUCCESS);
    });
}

#[test]
fn a_file_opened_for_reading_can_be_locked_for_writing() {
    both(|served| {
        let mut a = session(served);
        a.walk(0, 2, &["f"]).unwrap();
        a.lopen(2, 0).unwrap();
        assert_eq!(a.lock(2, lock(WR, 0, 0, 1)), SUCCESS);
        let mut b = session(served);
        assert_eq!(b.lock(1, lock(RD, 0, 1, 1)), BLOCKED);
    });
}

#[test]
fn directories_are_locked_as_a_whole() {
    both(|served| {
        let (mut a, mut b) = (served.session(), served.session());
        for client in [&mut a, &mut b] {
            client.walk(0, 1, &[]).unwrap();
            client.lopen(1, 0).unwrap();
        }
        assert_eq!(a.lock(1, lock(RD, 0, 10, 1)), SUCCESS);
        assert_eq!(b.lock(1, lock(RD, 50, 10, 1)), SUCCESS);
        assert_eq!(b.lock(1, lock(WR, 50, 10, 1)), BLOCKED);
        assert_eq!(a.getlock(1, lock(WR, 0, 0, 1)).unwrap().0, RD);
        assert_eq!(a.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
        assert_eq!(b.lock(1, lock(WR, 50, 10, 1)), SUCCESS);
        assert_eq!(a.lock(1, lock(RD, 0, 10, 1)), BLOCKED);
        b.clunk(1).unwrap();
        assert_eq!(a.lock(1, lock(WR, 0, 10, 1)), SUCCESS);
    });
}

#[test]
fn a_host_program_and_a_client_exclude_each_other_on_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::local(dir.path());
    let mut client = served.session();
    client.walk(0, 1, &[]).unwrap();
    client.lopen(1, 0).unwrap();
    let host = std::fs::File::open(dir.path()).unwrap();
    host.try_lock().unwrap();
    assert_eq!(client.lock(1, lock(RD, 0, 0, 1)), BLOCKED);
    host.unlock().unwrap();
    assert_eq!(client.lock(1, lock(RD, 0, 0, 1)), SUCCESS);
    assert!(host.try_lock().is_err());
    assert!(host.try_lock_shared().is_ok());
}

/// A program of the host that holds a POSIX lock on a file, until dropped.
struct Holder {
    child: Child,
    _stdout: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Holder {
    fn new(path: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "in_a_child_lock_a_file", "--nocapture"])
            .env("LOCK_THIS", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("locked")));
        Self {
            child,
            _stdout: lines,
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Does nothing unless it is the child of another test.
#[test]
fn in_a_child_lock_a_file() {
    let Some(path) = std::env::var_os("LOCK_THIS") else {
        return;
    };
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let operation = rustix::fs::FlockOperation::NonBlockingLockExclusive;
    rustix::fs::fcntl_lock(&file, operation).unwrap();
    println!("locked");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

#[test]
fn a_posix_lock_of_a_host_program_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::local(dir.path());
    let mut client = session(&served);
    let holder = Holder::new(&dir.path().join("f"));
    assert_eq!(client.lock(1, lock(RD, 0, 1, 1)), BLOCKED);
    let found = client.getlock(1, lock(RD, 0, 1, 1)).unwrap();
    assert_eq!((found.0, found.1), (WR, 0));
    assert_eq!(client.getlock(1, lock(UN, 0, 1, 1)).unwrap().0, WR);
    drop(holder);
    assert_eq!(client.getlock(1, lock(UN, 0, 1, 1)).unwrap().0, UN);
    assert_eq!(client.lock(1, lock(WR, 0, 1, 1)), SUCCESS);
}
