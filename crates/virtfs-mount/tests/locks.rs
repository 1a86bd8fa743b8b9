//! Locks: between processes of one mount, between mounts, and with programs of the host.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::helper::{self, Helper};
use common::sys::{How, READ, UNLOCK, WRITE, lock};
use common::{Served, mounted};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

/// Not a test but what a helper does: opens the file twice, then obeys.
#[test]
fn helper_entry() {
    let Some(path) = helper::file() else { return };
    let mut open = [open(Path::new(&path)), open(Path::new(&path))].map(Some);
    for line in io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<_> = line.split(' ').collect();
        let file = |at: usize| open[words[at].parse::<usize>().unwrap()].as_ref().unwrap();
        let number = |at: usize| words[at].parse::<i64>().unwrap();
        let result = match words[0] {
            "read" => lock(file(1), How::Try, READ, number(2), number(3)).map(|_| ()),
            "write" => lock(file(1), How::Try, WRITE, number(2), number(3)).map(|_| ()),
            "wait" => lock(file(1), How::Wait, WRITE, number(2), number(3)).map(|_| ()),
            "unlock" => lock(file(1), How::Try, UNLOCK, number(2), number(3)).map(|_| ()),
            "ofd" => lock(file(1), How::TryOpenFile, WRITE, number(2), number(3)).map(|_| ()),
            "flock" => flock(file(1), FlockOperation::NonBlockingLockExclusive).map_err(Into::into),
            "close" => {
                open[words[1].parse::<usize>().unwrap()] = None;
                Ok(())
            }
            other => panic!("{other}?"),
        };
        match result {
            Ok(()) => helper::say("ok"),
            Err(error) => helper::say(&format!("{}", error.raw_os_error().unwrap())),
        }
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap()
}

fn helper(file: &Path) -> Helper {
    Helper::start("helper_entry", file)
}

/// The answer of a helper whose lock is refused.
fn refused() -> String {
    Errno::AGAIN.raw_os_error().to_string()
}

#[test]
fn ranges_exclude_other_processes_other_mounts_and_the_host() {
    let served = Served::new();
    let (one, two) = (served.mount(""), served.mount(""));
    fs::write(served.host("file"), "").unwrap();
    let mut holder = helper(&one.path("file"));
    assert_eq!(holder.ask("write 0 10 10"), "ok");
    for other in [one.path("file"), two.path("file"), served.host("file")] {
        let mut other = helper(&other);
        assert_eq!(other.ask("write 0 15 1"), refused());
        assert_eq!(other.ask("read 0 19 1"), refused());
        assert_eq!(other.ask("write 0 20 1"), "ok");
        assert_eq!(other.ask("write 0 9 1"), "ok");
    }
    assert_eq!(holder.ask("unlock 0 12 2"), "ok");
    let mut other = helper(&two.path("file"));
    assert_eq!(other.ask("write 0 12 2"), "ok");
    assert_eq!(other.ask("write 0 14 1"), refused());
    assert_eq!(other.ask("write 0 11 1"), refused());
}

#[test]
fn a_reader_is_asked_about_by_its_process() {
    let (_served, mount) = mounted("");
    let path = mount.path("file");
    fs::write(&path, "").unwrap();
    let mut holder = helper(&path);
    assert_eq!(holder.ask("read 0 5 5"), "ok");
    let file = open(&path);
    let found = lock(&file, How::Ask, WRITE, 0, 0).unwrap();
    assert_eq!(found, (READ, holder.child.id() as i32));
    assert_eq!(lock(&file, How::Ask, READ, 0, 0).unwrap().0, UNLOCK);
    assert_eq!(lock(&file, How::Ask, WRITE, 10, 0).unwrap().0, UNLOCK);
}

#[test]
fn closing_any_descriptor_of_a_file_releases_the_process_s_locks() {
    let (_served, mount) = mounted("");
    let path = mount.path("file");
    fs::write(&path, "").unwrap();
    let (mut holder, mut other) = (helper(&path), helper(&path));
    assert_eq!(holder.ask("write 0 0 0"), "ok");
    assert_eq!(other.ask("write 0 0 0"), refused());
    assert_eq!(holder.ask("close 1"), "ok");
    assert_eq!(other.ask("write 0 0 0"), "ok");
    // And only those: the other's stay though the holder closes the rest.
    assert_eq!(holder.ask("close 0"), "ok");
    let mut third = helper(&path);
    assert_eq!(third.ask("read 0 0 0"), refused());
}

#[test]
fn one_owner_s_release_leaves_another_s_locks() {
    let (_served, mount) = mounted("");
    let path = mount.path("file");
    fs::write(&path, "").unwrap();
    let (mut one, mut two, mut third) = (helper(&path), helper(&path), helper(&path));
    assert_eq!(one.ask("read 0 0 0"), "ok");
    assert_eq!(two.ask("read 0 0 0"), "ok");
    assert_eq!(one.ask("unlock 0 0 0"), "ok");
    assert_eq!(third.ask("write 0 0 0"), refused());
    assert_eq!(two.ask("unlock 0 0 0"), "ok");
    assert_eq!(third.ask("write 0 0 0"), "ok");
}

#[test]
fn a_lock_of_an_open_file_excludes_even_its_own_process_until_it_is_closed() {
    let (_served, mount) = mounted("");
    let path = mount.path("file");
    fs::write(&path, "").unwrap();
    let mut holder = helper(&path);
    assert_eq!(holder.ask("ofd 0 0 0"), "ok");
    assert_eq!(holder.ask("ofd 1 0 0"), refused());
    assert_eq!(holder.ask("close 0"), "ok");
    // The kernel tells of the last close without waiting for the answer.
    while holder.ask("ofd 1 0 0") != "ok" {
        thread::yield_now();
    }
}

#[test]
fn flock_excludes_and_ends_with_the_open_file() {
    let served = Served::new();
    let (one, two) = (served.mount(""), served.mount(""));
    fs::write(served.host("file"), "").unwrap();
    let mut holder = helper(&one.path("file"));
    assert_eq!(holder.ask("flock 0"), "ok");
    assert_eq!(holder.ask("flock 1"), refused());
    let other = open(&two.path("file"));
    let tried = flock(&other, FlockOperation::NonBlockingLockShared);
    assert_eq!(tried, Err(Errno::AGAIN));
    assert_eq!(holder.ask("close 0"), "ok");
    flock(&other, FlockOperation::LockExclusive).unwrap();
    assert_eq!(holder.ask("flock 1"), refused());
    flock(&other, FlockOperation::Unlock).unwrap();
    assert_eq!(holder.ask("flock 1"), "ok");
}

#[test]
fn a_process_that_ends_lets_go() {
    let (_served, mount) = mounted("");
    let path = mount.path("file");
    fs::write(&path, "").unwrap();
    let (mut holder, mut other) = (helper(&path), helper(&path));
    assert_eq!(holder.ask("write 0 0 0"), "ok");
    other.tell("wait 0 0 0");
    drop(holder);
    assert_eq!(other.hear().as_deref(), Some("ok"));
}

#[test]
fn a_waiter_gets_what_another_mount_or_the_host_releases() {
    let served = Served::new();
    let (one, two) = (served.mount(""), served.mount(""));
    fs::write(served.host("file"), "").unwrap();
    for holder in [two.path("file"), served.host("file")] {
        let (mut holder, mut waiter) = (helper(&holder), helper(&one.path("file")));
        assert_eq!(holder.ask("write 0 0 0"), "ok");
        waiter.tell("wait 0 0 0");
        assert_eq!(holder.ask("unlock 0 0 0"), "ok");
        assert_eq!(waiter.hear().as_deref(), Some("ok"));
    }
}

#[test]
fn sixty_four_waiters_are_all_served_by_four_threads() {
    let (_served, mount) = mounted("threads=4");
    let path = mount.path("file");
    fs::write(&path, "").unwrap();
    let mut holder = helper(&path);
    assert_eq!(holder.ask("write 0 0 0"), "ok");
    let mut waiters: Vec<_> = (0..64).map(|_| helper(&path)).collect();
    for waiter in &mut waiters {
        waiter.tell("wait 0 0 0");
    }
    // None of them holds up anything else.
    fs::write(mount.path("other"), "x").unwrap();
    assert_eq!(fs::read(mount.path("other")).unwrap(), b"x");
    assert_eq!(holder.ask("unlock 0 0 0"), "ok");
    let (sender, served) = mpsc::channel();
    thread::scope(|scope| {
        for mut waiter in waiters {
            let sender = sender.clone();
            scope.spawn(move || {
                let got = waiter.hear();
                // Whoever has the lock is alone; it ends with its process.
                drop(waiter);
                sender.send(got).unwrap();
            });
        }
    });
    drop(sender);
    assert_eq!(
        served
            .iter()
            .filter(|got| got.as_deref() == Some("ok"))
            .count(),
        64
    );
}

#[test]
fn a_waiter_that_is_killed_ends_and_the_others_go_on_waiting() {
    let (_served, mount) = mounted("threads=4");
    let path = mount.path("file");
    fs::write(&path, "").unwrap();
    let mut holder = helper(&path);
    assert_eq!(holder.ask("write 0 0 0"), "ok");
    let mut waiters: Vec<_> = (0..12).map(|_| helper(&path)).collect();
    for waiter in &mut waiters {
        // An answer shows that it has started; then it waits.
        assert_eq!(waiter.ask("read 0 0 1"), refused());
        waiter.tell("wait 0 0 0");
    }
    let mut last = waiters.pop().unwrap();
    for mut waiter in waiters {
        let pid = Pid::from_child(&waiter.child);
        kill_process(pid, Signal::KILL).unwrap();
        assert!(
            ends(&mut waiter),
            "a killed process ends though nobody unlocks"
        );
    }
    assert_eq!(holder.ask("unlock 0 0 0"), "ok");
    assert_eq!(last.hear().as_deref(), Some("ok"));
}

/// Whether a process ends, long before the lock could be had.
fn ends(helper: &mut Helper) -> bool {
    (0..1000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        helper.child.try_wait().unwrap().is_some()
    })
}
