//! Lists of directories.

use std::collections::BTreeSet;

use super::Fixture;
use super::ops::{Listed, READ, fails};
use crate::{Errno, FileKind, Node, Open, Removal};

/// A directory with this many files, open.
fn filled(t: &Fixture, count: usize) -> (Node, Open) {
    let dir = t.dir(t.root(), "filled");
    for at in 0..count {
        t.file(&dir, &format!("file{at}"), b"");
    }
    let open = t.open(&dir, READ).unwrap();
    (dir, open)
}

/// All of it, some entries at a time.
#[track_caller]
fn in_steps(t: &Fixture, open: &Open, step: usize) -> Vec<Listed> {
    let mut all: Vec<Listed> = Vec::new();
    loop {
        let cookie = all.last().map_or(0, |entry| entry.next);
        let part = t.list(open, cookie, step);
        if part.is_empty() {
            return all;
        }
        all.extend(part);
        assert!(all.len() < 100_000, "a list without end");
    }
}

fn names(entries: &[Listed]) -> BTreeSet<Vec<u8>> {
    entries.iter().map(|entry| entry.name.clone()).collect()
}

pub(super) fn an_empty_directory_holds_the_dots(t: &Fixture) {
    let (_, open) = filled(t, 0);
    let mut all: Vec<_> = t.list(&open, 0, 99).into_iter().map(|e| e.name).collect();
    all.sort();
    assert_eq!(all, [&b"."[..], b".."]);
}

pub(super) fn an_entry_tells_what_its_file_is(t: &Fixture) {
    let dir = t.dir(t.root(), "d");
    t.file(&dir, "f", b"");
    t.dir(&dir, "d");
    t.symlink(&dir, "l", b"f");
    let open = t.open(&dir, READ).unwrap();
    for entry in t.list(&open, 0, 99) {
        let name = String::from_utf8(entry.name).unwrap();
        let attr = t.stat(&t.walk(&dir, &name).unwrap());
        assert_eq!(entry.qid.path, attr.qid.path, "{name}");
        let kind = FileKind::from_mode(attr.mode).unwrap();
        assert!(
            entry.kind == 0 || entry.kind == kind.dirent_type(),
            "{name}"
        );
        assert!(entry.qid.kind.is_none_or(|it| it == kind), "{name}");
    }
}

pub(super) fn the_parent_of_the_root_is_the_root_in_its_list(t: &Fixture) {
    let open = t.open(t.root(), READ).unwrap();
    for entry in t.list(&open, 0, 99) {
        assert_eq!(entry.qid.path, t.root_qid().path);
    }
}

pub(super) fn a_list_goes_on_behind_every_cookie(t: &Fixture) {
    let (_, open) = filled(t, 30);
    let all = t.list(&open, 0, usize::MAX);
    assert_eq!(all.len(), 32);
    for (at, entry) in all.iter().enumerate() {
        assert_ne!(entry.next, 0);
        assert_eq!(t.list(&open, entry.next, usize::MAX), all[at + 1..]);
    }
    // In any order, too.
    for at in [20, 3, 31, 0, 17] {
        assert_eq!(t.list(&open, all[at].next, usize::MAX), all[at + 1..]);
    }
}

pub(super) fn an_entry_that_was_refused_is_not_lost(t: &Fixture) {
    let (_, open) = filled(t, 20);
    let all = t.list(&open, 0, usize::MAX);
    for step in [1, 2, 3, 7] {
        assert_eq!(in_steps(t, &open, step), all);
    }
    assert!(t.list(&open, 0, 0).is_empty());
    assert_eq!(t.list(&open, 0, 1), all[..1]);
}

pub(super) fn two_lists_of_one_open_directory_do_not_meet(t: &Fixture) {
    let (_, open) = filled(t, 20);
    let all = t.list(&open, 0, usize::MAX);
    let (mut a, mut b): (Vec<Listed>, Vec<Listed>) = (Vec::new(), Vec::new());
    while a.len() < all.len() || b.len() < all.len() {
        let before = a.len() + b.len();
        a.extend(t.list(&open, a.last().map_or(0, |e| e.next), 1));
        b.extend(t.list(&open, b.last().map_or(0, |e| e.next), 3));
        assert!(a.len() + b.len() > before);
    }
    assert_eq!(a, all);
    assert_eq!(b, all);
}

pub(super) fn a_thousand_entries_are_listed_once_each(t: &Fixture) {
    let (dir, open) = filled(t, 1000);
    for step in [11, 400, usize::MAX] {
        let all = in_steps(t, &open, step);
        assert_eq!(all.len(), 1002);
        assert_eq!(names(&all).len(), 1002);
    }
    assert_eq!(t.names(&dir).len(), 1000);
}

pub(super) fn changes_during_a_list_lose_nothing_that_stays(t: &Fixture) {
    let (dir, open) = filled(t, 300);
    let mut all: Vec<Listed> = Vec::new();
    let mut round = 0;
    loop {
        let cookie = all.last().map_or(0, |entry| entry.next);
        let part = t.list(&open, cookie, 10);
        if part.is_empty() {
            break;
        }
        all.extend(part);
        // Files 0 to 99 go one by one, others come.
        if round < 100 {
            t.remove(&dir, &format!("file{round}"), Removal::File)
                .unwrap();
            t.file(&dir, &format!("new{round}"), b"");
        }
        round += 1;
    }
    let seen = names(&all);
    for at in 100..300 {
        let called = format!("file{at}").into_bytes();
        assert!(seen.contains(&called), "file{at} was lost");
        let times = all.iter().filter(|entry| entry.name == called).count();
        assert_eq!(times, 1, "file{at}");
    }
}

pub(super) fn removing_all_that_was_listed_empties_a_directory(t: &Fixture) {
    let (dir, open) = filled(t, 200);
    let mut cookie = 0;
    loop {
        let part = t.list(&open, cookie, 16);
        let Some(last) = part.last() else { break };
        cookie = last.next;
        for entry in part.iter().filter(|e| e.name != b"." && e.name != b"..") {
            t.remove(&dir, &entry.name, Removal::File).unwrap();
        }
    }
    assert!(t.names(&dir).is_empty());
}

pub(super) fn a_list_from_the_start_shows_what_is_new(t: &Fixture) {
    let (dir, open) = filled(t, 3);
    assert_eq!(t.list(&open, 0, 99).len(), 5);
    t.file(&dir, "new", b"");
    t.remove(&dir, "file0", Removal::File).unwrap();
    let again = names(&t.list(&open, 0, 99));
    assert!(again.contains(&b"new"[..]));
    assert!(!again.contains(&b"file0"[..]));
}

pub(super) fn long_names_are_listed_whole(t: &Fixture) {
    let dir = t.dir(t.root(), "d");
    let mut all = Vec::new();
    for at in 0..40_u8 {
        let mut called = vec![b'a' + at % 26; 255];
        called[254] = b'0' + at / 26;
        t.file(&dir, &called, b"");
        all.push(called);
    }
    all.sort();
    assert_eq!(t.names(&dir), all);
}

pub(super) fn an_open_directory_moves_along(t: &Fixture) {
    let (dir, open) = filled(t, 2);
    let other = t.dir(t.root(), "other");
    t.rename((t.root(), "filled"), (&other, "moved")).unwrap();
    t.file(&dir, "new", b"");
    assert_eq!(t.list(&open, 0, 99).len(), 5);
    fails(t.walk(t.root(), "filled"), &[Errno::ENOENT]);
}
