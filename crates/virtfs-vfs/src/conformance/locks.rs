//! Byte-range locks.

use super::ops::{RDWR, READ};
use super::{Fixture, Has};
use crate::{LockFile, LockKind, LockRange, LockSet, Node};

use LockKind::{Read, Unlock, Write};
use LockSet::{Done, Refused};

fn range(start: u64, length: u64) -> LockRange {
    LockRange::new(start, length).unwrap()
}

/// One more owner of locks.
#[track_caller]
fn owner(t: &Fixture, node: &Node) -> Box<dyn LockFile> {
    let open = t.open(node, RDWR).unwrap();
    t.fs().lock_file(&t.cx(), node, &open).unwrap()
}

/// Two owners of locks on one new file.
#[track_caller]
fn two(t: &Fixture) -> (Box<dyn LockFile>, Box<dyn LockFile>) {
    let node = t.file(t.root(), "f", b"0123456789");
    let (a, b) = (owner(t, &node), owner(t, &node));
    assert!(!a.whole_file_only());
    (a, b)
}

pub(super) fn two_owners_exclude_each_other(t: &Fixture) {
    if !t.has(Has::LOCKS) {
        return;
    }
    let (a, b) = two(t);
    assert_eq!(a.set(Write, range(0, 10)), Ok(Done));
    assert_eq!(b.set(Write, range(9, 1)), Ok(Refused));
    assert_eq!(b.set(Read, range(0, 1)), Ok(Refused));
    assert_eq!(a.set(Unlock, range(0, 10)), Ok(Done));
    assert_eq!(b.set(Read, range(0, 10)), Ok(Done));
    assert_eq!(a.set(Write, range(0, 1)), Ok(Refused));
}

pub(super) fn readers_share(t: &Fixture) {
    if !t.has(Has::LOCKS) {
        return;
    }
    let (a, b) = two(t);
    assert_eq!(a.set(Read, LockRange::WHOLE), Ok(Done));
    assert_eq!(b.set(Read, LockRange::WHOLE), Ok(Done));
    assert_eq!(b.test(Read, LockRange::WHOLE), Ok(None));
}

pub(super) fn ranges_that_do_not_meet_do_not_conflict(t: &Fixture) {
    if !t.has(Has::LOCKS) {
        return;
    }
    let (a, b) = two(t);
    assert_eq!(a.set(Write, range(0, 5)), Ok(Done));
    assert_eq!(b.set(Write, range(5, 5)), Ok(Done));
    assert_eq!(a.set(Write, range(4, 2)), Ok(Refused));
    assert_eq!(b.set(Write, range(1 << 40, 0)), Ok(Done));
    assert_eq!(a.set(Read, range(LockRange::MAX, 1)), Ok(Refused));
}

pub(super) fn an_owner_is_not_in_its_own_way(t: &Fixture) {
    if !t.has(Has::LOCKS) {
        return;
    }
    let (a, b) = two(t);
    assert_eq!(a.set(Read, range(0, 10)), Ok(Done));
    assert_eq!(a.set(Write, range(2, 3)), Ok(Done));
    assert_eq!(a.test(Write, LockRange::WHOLE), Ok(None));
    assert_eq!(b.set(Read, range(0, 2)), Ok(Done));
    assert_eq!(b.set(Read, range(2, 1)), Ok(Refused));
    assert_eq!(b.set(Read, range(5, 5)), Ok(Done));
}

pub(super) fn a_lock_that_is_refused_changes_nothing(t: &Fixture) {
    if !t.has(Has::LOCKS) {
        return;
    }
    let (a, b) = two(t);
    assert_eq!(a.set(Read, range(0, 10)), Ok(Done));
    assert_eq!(b.set(Read, range(0, 10)), Ok(Done));
    assert_eq!(a.set(Write, range(0, 10)), Ok(Refused));
    assert_eq!(b.set(Unlock, range(0, 10)), Ok(Done));
    assert_eq!(b.set(Write, range(0, 10)), Ok(Refused));
}

pub(super) fn a_part_is_released(t: &Fixture) {
    if !t.has(Has::LOCKS) {
        return;
    }
    let (a, b) = two(t);
    assert_eq!(a.set(Write, LockRange::WHOLE), Ok(Done));
    assert_eq!(a.set(Unlock, range(100, 10)), Ok(Done));
    assert_eq!(b.set(Write, range(100, 10)), Ok(Done));
    assert_eq!(b.set(Write, range(99, 1)), Ok(Refused));
    assert_eq!(b.set(Write, range(110, 1)), Ok(Refused));
    assert_eq!(b.set(Unlock, LockRange::WHOLE), Ok(Done));
    assert_eq!(b.set(Read, range(1 << 50, 1)), Ok(Refused));
}

pub(super) fn a_release_of_what_is_not_held_is_no_error(t: &Fixture) {
    if !t.has(Has::LOCKS) {
        return;
    }
    let (a, b) = two(t);
    assert_eq!(a.set(Write, range(0, 1)), Ok(Done));
    assert_eq!(b.set(Unlock, LockRange::WHOLE), Ok(Done));
    assert_eq!(b.set(Write, range(0, 1)), Ok(Refused));
}

pub(super) fn a_test_names_what_is_in_the_way(t: &Fixture) {
    if !t.has(Has::LOCKS) {
        return;
    }
    let (a, b) = two(t);
    assert_eq!(b.test(Write, LockRange::WHOLE), Ok(None));
    assert_eq!(a.set(Write, range(10, 20)), Ok(Done));
    let held = b.test(Read, LockRange::WHOLE).unwrap().unwrap();
    assert_eq!((held.kind, held.range), (Write, range(10, 20)));
    assert_eq!(b.test(Write, range(0, 10)), Ok(None));
    assert_eq!(a.set(Unlock, range(10, 20)), Ok(Done));
    assert_eq!(a.set(Read, range(50, 0)), Ok(Done));
    let held = b.test(Write, range(1 << 30, 1)).unwrap().unwrap();
    assert_eq!((held.kind, held.range), (Read, range(50, 0)));
    assert_eq!(b.test(Read, range(1 << 30, 1)), Ok(None));
    // To look is not to take.
    assert_eq!(a.set(Write, LockRange::WHOLE), Ok(Done));
}

pub(super) fn locks_end_with_their_owner(t: &Fixture) {
    if !t.has(Has::LOCKS) {
        return;
    }
    let (a, b) = two(t);
    assert_eq!(a.set(Write, LockRange::WHOLE), Ok(Done));
    assert_eq!(b.set(Write, range(0, 1)), Ok(Refused));
    drop(a);
    assert_eq!(b.set(Write, LockRange::WHOLE), Ok(Done));
}

pub(super) fn locks_outlive_open_files_and_nodes(t: &Fixture) {
    if !t.has(Has::LOCKS) {
        return;
    }
    let (a, b) = two(t);
    assert_eq!(a.set(Write, range(0, 1)), Ok(Done));
    let node = t.at("f");
    drop(t.open(&node, RDWR).unwrap());
    drop(node);
    assert_eq!(b.set(Write, range(0, 1)), Ok(Refused));
}

pub(super) fn a_file_is_locked_by_any_of_its_names(t: &Fixture) {
    if !t.has(Has::LOCKS) {
        return;
    }
    let node = t.file(t.root(), "f", b"");
    t.link(&node, t.root(), "g").unwrap();
    let (a, b) = (owner(t, &node), owner(t, &t.at("g")));
    assert_eq!(a.set(Write, range(0, 1)), Ok(Done));
    assert_eq!(b.set(Write, range(0, 1)), Ok(Refused));
}

pub(super) fn a_file_open_for_reading_is_locked_for_writing(t: &Fixture) {
    if !t.has(Has::LOCKS) {
        return;
    }
    let node = t.file(t.root(), "f", b"");
    let open = t.open(&node, READ).unwrap();
    let lock = t.fs().lock_file(&t.cx(), &node, &open).unwrap();
    assert_eq!(lock.set(Write, LockRange::WHOLE), Ok(Done));
}

pub(super) fn a_directory_is_locked_as_a_whole(t: &Fixture) {
    if !t.has(Has::LOCKS) {
        return;
    }
    let dir = t.dir(t.root(), "d");
    let open = t.open(&dir, READ).unwrap();
    let owner = || t.fs().lock_file(&t.cx(), &dir, &open).unwrap();
    let (a, b) = (owner(), owner());
    assert_eq!(a.set(Read, LockRange::WHOLE), Ok(Done));
    assert_eq!(b.set(Read, LockRange::WHOLE), Ok(Done));
    assert_eq!(b.set(Write, LockRange::WHOLE), Ok(Refused));
    drop(a);
    assert_eq!(b.set(Write, LockRange::WHOLE), Ok(Done));
}
