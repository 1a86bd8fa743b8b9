//! Files that are open and have no name any more.

use super::ops::{RDWR, fails};
use super::{Fixture, Has};
use crate::{
    Attr, DirEntry, Errno, LockKind, LockRange, LockSet, Node, Open, OpenFlags, Qids, Removal,
    SetAttr, SetTime, StatWant, Time, XattrPut,
};

/// A file with some content, open for reading and writing, and removed.
fn unlinked(t: &Fixture) -> (Node, Open) {
    let (node, open) = t.open_file(t.root(), "f", b"content");
    t.remove(t.root(), "f", Removal::File).unwrap();
    (node, open)
}

fn stat(t: &Fixture, node: &Node, open: &Open) -> Attr {
    let want = StatWant::empty();
    t.fs().stat(&t.cx(), node, Some(open), want).unwrap()
}

fn set(t: &Fixture, node: &Node, open: &Open, changes: SetAttr) {
    t.fs().set(&t.cx(), node, Some(open), &changes).unwrap();
}

pub(super) fn an_unlinked_file_is_read_and_written(t: &Fixture) {
    let (_, open) = unlinked(t);
    t.write_all(&open, 7, b" and more");
    assert_eq!(t.read(&open, 0, 99).unwrap(), b"content and more");
    t.fs().sync(&t.cx(), &open, false).unwrap();
}

pub(super) fn the_attributes_of_an_unlinked_file_are_known(t: &Fixture) {
    let (node, open) = unlinked(t);
    let attr = stat(t, &node, &open);
    assert_eq!((attr.nlink, attr.size), (0, 7));
    let mut qids = Qids::new();
    let clone = t.fs().walk(&t.cx(), &node, &[], &mut qids).unwrap();
    assert_eq!(stat(t, &clone, &open).qid.path, attr.qid.path);
}

pub(super) fn an_unlinked_file_is_cut_and_extended(t: &Fixture) {
    let (node, open) = unlinked(t);
    let size = |size| SetAttr {
        size: Some(size),
        ..SetAttr::default()
    };
    set(t, &node, &open, size(3));
    assert_eq!(t.read(&open, 0, 99).unwrap(), b"con");
    set(t, &node, &open, size(5));
    assert_eq!(t.read(&open, 0, 99).unwrap(), b"con\0\0");
}

pub(super) fn mode_and_times_of_an_unlinked_file_are_set(t: &Fixture) {
    let (node, open) = unlinked(t);
    let time = Time { sec: 1000, nsec: 0 };
    let changes = SetAttr {
        mode: Some(0o600),
        atime: Some(SetTime::At(time)),
        mtime: Some(SetTime::At(time)),
        ..SetAttr::default()
    };
    set(t, &node, &open, changes);
    let attr = stat(t, &node, &open);
    assert_eq!((attr.atime, attr.mtime), (time, time));
    if t.has(Has::MODES) {
        assert_eq!(attr.mode, 0o100600);
    }
}

pub(super) fn the_owner_of_an_unlinked_file_is_set(t: &Fixture) {
    if !t.has(Has::OWNERS) {
        return;
    }
    let (node, open) = unlinked(t);
    let changes = SetAttr {
        uid: Some(12),
        gid: Some(34),
        ..SetAttr::default()
    };
    set(t, &node, &open, changes);
    let attr = stat(t, &node, &open);
    assert_eq!((attr.uid, attr.gid), (12, 34));
}

pub(super) fn an_unlinked_file_has_extended_attributes(t: &Fixture) {
    if !t.has(Has::XATTRS) {
        return;
    }
    let (node, open) = unlinked(t);
    let (fs, cx, open) = (t.fs(), t.cx(), Some(&open));
    fs.xattr_put(&cx, &node, open, b"user.a", b"1", XattrPut::Create)
        .unwrap();
    assert_eq!(fs.xattr(&cx, &node, open, b"user.a", 99).unwrap(), b"1");
    assert_eq!(fs.xattr_list(&cx, &node, open, 99).unwrap(), b"user.a\0");
    fs.xattr_remove(&cx, &node, open, b"user.a").unwrap();
    fails(fs.xattr(&cx, &node, open, b"user.a", 99), &[Errno::ENODATA]);
}

pub(super) fn an_unlinked_file_is_locked(t: &Fixture) {
    if !t.has(Has::LOCKS) {
        return;
    }
    let (node, open) = unlinked(t);
    let owner = || t.fs().lock_file(&t.cx(), &node, &open).unwrap();
    let (a, b) = (owner(), owner());
    assert_eq!(a.set(LockKind::Write, LockRange::WHOLE), Ok(LockSet::Done));
    assert_eq!(
        b.set(LockKind::Write, LockRange::WHOLE),
        Ok(LockSet::Refused)
    );
}

pub(super) fn an_unlinked_file_is_opened_once_more(t: &Fixture) {
    let (node, open) = unlinked(t);
    let again = t.open(&node, RDWR).unwrap();
    t.write_all(&again, 0, b"C");
    assert_eq!(t.read(&open, 0, 99).unwrap(), b"Content");
}

pub(super) fn the_successor_of_an_unlinked_file_is_another(t: &Fixture) {
    let (node, open) = unlinked(t);
    let new = t.file(t.root(), "f", b"new");
    assert_ne!(t.stat(&new).qid.path, stat(t, &node, &open).qid.path);
    t.write_all(&open, 0, b"C");
    assert_eq!(t.content(&new), b"new");
    set(
        t,
        &node,
        &open,
        SetAttr {
            size: Some(0),
            ..SetAttr::default()
        },
    );
    assert_eq!(t.content(&t.at("f")), b"new");
}

pub(super) fn a_replaced_file_lives_on(t: &Fixture) {
    let (node, open) = t.open_file(t.root(), "f", b"old");
    t.file(t.root(), "g", b"new");
    t.rename((t.root(), "g"), (t.root(), "f")).unwrap();
    assert_eq!(stat(t, &node, &open).nlink, 0);
    t.write_all(&open, 3, b"er");
    assert_eq!(t.read(&open, 0, 9).unwrap(), b"older");
    assert_eq!(t.content(&t.at("f")), b"new");
}

pub(super) fn an_open_directory_outlives_its_removal(t: &Fixture) {
    let dir = t.dir(t.root(), "d");
    let open = t
        .open(&dir, OpenFlags::READ | OpenFlags::DIRECTORY)
        .unwrap();
    t.remove(t.root(), "d", Removal::Directory).unwrap();
    let mut take = |entry: &DirEntry<'_>| {
        assert!(matches!(entry.name, b"." | b".."));
        true
    };
    match t.fs().list(&t.cx(), &open, 0, &mut take) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(error) => panic!("{error:?}"),
    }
    assert_eq!(stat(t, &dir, &open).qid.path, t.stat(&dir).qid.path);
}
