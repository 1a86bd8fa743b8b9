//! Renames.

use super::ops::{RDWR, fails};
use super::{Fixture, Has};
use crate::{Errno, FileKind, Removal};

/// Some file systems say it this way, some that.
const NOT_EMPTY: [Errno; 2] = [Errno::ENOTEMPTY, Errno::EEXIST];

pub(super) fn a_renamed_file_keeps_all_but_its_name(t: &Fixture) {
    let (node, opened) = t.create(t.root(), "a", RDWR, 0o640).unwrap();
    t.write_all(&opened.open, 0, b"content");
    let before = t.stat(&node);
    t.rename((t.root(), "a"), (t.root(), "b")).unwrap();
    assert!(!t.exists("a"));
    let after = t.stat(&t.at("b"));
    assert_eq!(
        (
            after.qid.path,
            after.mode,
            after.uid,
            after.gid,
            after.nlink,
            after.size
        ),
        (
            before.qid.path,
            before.mode,
            before.uid,
            before.gid,
            before.nlink,
            before.size
        )
    );
    assert_eq!(after.mtime, before.mtime);
    assert_eq!(t.content(&t.at("b")), b"content");
    assert_eq!(t.read(&opened.open, 0, 99).unwrap(), b"content");
}

pub(super) fn a_file_moves_between_directories(t: &Fixture) {
    let (a, b) = (t.dir(t.root(), "a"), t.dir(t.root(), "b"));
    t.file(&a, "f", b"x");
    t.rename((&a, "f"), (&b, "g")).unwrap();
    assert!(t.names(&a).is_empty());
    assert_eq!(t.names(&b), [b"g"]);
    assert_eq!(t.content(&t.at("b/g")), b"x");
}

pub(super) fn a_rename_replaces_a_file(t: &Fixture) {
    t.file(t.root(), "a", b"new");
    let (_, old) = t.open_file(t.root(), "b", b"old");
    t.rename((t.root(), "a"), (t.root(), "b")).unwrap();
    assert_eq!(t.names(t.root()), [b"b"]);
    assert_eq!(t.content(&t.at("b")), b"new");
    assert_eq!(t.read(&old, 0, 9).unwrap(), b"old");
}

pub(super) fn a_rename_replaces_an_empty_directory(t: &Fixture) {
    let a = t.dir(t.root(), "a");
    t.file(&a, "f", b"");
    let b = t.dir(t.root(), "b");
    t.rename((t.root(), "a"), (t.root(), "b")).unwrap();
    assert_eq!(t.names(t.root()), [b"b"]);
    assert_eq!(t.names(&t.at("b")), [b"f"]);
    fails(t.create(&b, "x", RDWR, 0o644), &[Errno::ENOENT]);
}

pub(super) fn a_rename_replaces_no_directory_that_is_not_empty(t: &Fixture) {
    t.dir(t.root(), "a");
    let b = t.dir(t.root(), "b");
    t.file(&b, "f", b"");
    fails(t.rename((t.root(), "a"), (t.root(), "b")), &NOT_EMPTY);
    assert_eq!(t.names(t.root()), [b"a", b"b"]);
    assert_eq!(t.names(&b), [b"f"]);
}

pub(super) fn a_directory_does_not_replace_a_file(t: &Fixture) {
    t.dir(t.root(), "d");
    t.file(t.root(), "f", b"kept");
    t.symlink(t.root(), "l", b"d");
    for called in ["f", "l"] {
        fails(
            t.rename((t.root(), "d"), (t.root(), called)),
            &[Errno::ENOTDIR],
        );
    }
    assert_eq!(t.content(&t.at("f")), b"kept");
    assert_eq!(t.names(t.root()).len(), 3);
}

pub(super) fn a_file_does_not_replace_a_directory(t: &Fixture) {
    let dir = t.dir(t.root(), "d");
    t.file(t.root(), "f", b"kept");
    t.symlink(t.root(), "l", b"f");
    for called in ["f", "l"] {
        fails(
            t.rename((t.root(), called), (t.root(), "d")),
            &[Errno::EISDIR],
        );
    }
    assert_eq!(t.stat(&t.at("d")).qid.path, t.stat(&dir).qid.path);
    assert_eq!(t.names(t.root()).len(), 3);
}

pub(super) fn a_directory_does_not_move_below_itself(t: &Fixture) {
    let a = t.dir(t.root(), "a");
    let b = t.dir(&a, "b");
    fails(t.rename((t.root(), "a"), (&a, "x")), &[Errno::EINVAL]);
    fails(t.rename((t.root(), "a"), (&b, "x")), &[Errno::EINVAL]);
    fails(t.rename_node(&a, (&b, "x")), &[Errno::EINVAL]);
    assert!(t.exists("a/b"));
    assert!(t.names(&b).is_empty());
}

pub(super) fn nothing_replaces_a_directory_that_it_is_in(t: &Fixture) {
    let a = t.dir(t.root(), "a");
    let b = t.dir(&a, "b");
    t.dir(&b, "c");
    t.file(&b, "f", b"");
    fails(t.rename((&b, "c"), (t.root(), "a")), &NOT_EMPTY);
    fails(
        t.rename((&b, "f"), (t.root(), "a")),
        &[Errno::ENOTEMPTY, Errno::EISDIR],
    );
    assert!(t.exists("a/b/c"));
    assert!(t.exists("a/b/f"));
}

pub(super) fn what_is_missing_is_not_renamed(t: &Fixture) {
    t.file(t.root(), "f", b"kept");
    fails(
        t.rename((t.root(), "missing"), (t.root(), "f")),
        &[Errno::ENOENT],
    );
    assert_eq!(t.content(&t.at("f")), b"kept");
}

pub(super) fn two_names_of_one_file_stay(t: &Fixture) {
    let file = t.file(t.root(), "f", b"x");
    t.link(&file, t.root(), "g").unwrap();
    t.rename((t.root(), "f"), (t.root(), "g")).unwrap();
    assert_eq!(t.names(t.root()), [b"f", b"g"]);
    assert_eq!(t.stat(&file).nlink, 2);
}

pub(super) fn a_rename_to_the_same_name_changes_nothing(t: &Fixture) {
    t.file(t.root(), "f", b"x");
    t.dir(t.root(), "d");
    t.rename((t.root(), "f"), (t.root(), "f")).unwrap();
    t.rename((t.root(), "d"), (t.root(), "d")).unwrap();
    assert_eq!(t.content(&t.at("f")), b"x");
    assert_eq!(t.names(t.root()), [b"d", b"f"]);
}

pub(super) fn a_rename_needs_a_directory_that_is_there(t: &Fixture) {
    t.file(t.root(), "f", b"x");
    let other = t.file(t.root(), "g", b"");
    fails(t.rename((t.root(), "f"), (&other, "x")), &[Errno::ENOTDIR]);
    fails(t.rename((&other, "f"), (t.root(), "x")), &[Errno::ENOTDIR]);
    let gone = t.removed_dir();
    fails(t.rename((t.root(), "f"), (&gone, "x")), &[Errno::ENOENT]);
    assert_eq!(t.content(&t.at("f")), b"x");
}

pub(super) fn a_symlink_moves_and_not_its_target(t: &Fixture) {
    t.file(t.root(), "f", b"x");
    t.symlink(t.root(), "l", b"f");
    t.rename((t.root(), "l"), (t.root(), "m")).unwrap();
    assert_eq!(t.readlink(&t.at("m")).unwrap(), b"f");
    assert_eq!(t.content(&t.at("f")), b"x");
    t.rename((t.root(), "f"), (t.root(), "m")).unwrap();
    assert_eq!(t.stat(&t.at("m")).qid.kind, Some(FileKind::Regular));
    assert_eq!(t.names(t.root()), [b"m"]);
}

pub(super) fn a_node_is_renamed_wherever_it_has_moved(t: &Fixture) {
    let (a, b) = (t.dir(t.root(), "a"), t.dir(t.root(), "b"));
    let file = t.file(&a, "f", b"x");
    t.rename((&a, "f"), (&b, "g")).unwrap();
    t.rename((t.root(), "b"), (&a, "b")).unwrap();
    t.rename_node(&file, (t.root(), "h")).unwrap();
    assert!(t.names(&b).is_empty());
    assert_eq!(t.content(&t.at("h")), b"x");
    t.rename_node(&file, (t.root(), "i")).unwrap();
    assert_eq!(t.names(t.root()), [b"a", b"i"]);
}

pub(super) fn of_two_names_the_one_that_was_walked_is_renamed(t: &Fixture) {
    let (a, b) = (t.dir(t.root(), "a"), t.dir(t.root(), "b"));
    let file = t.file(&a, "same", b"x");
    t.link(&file, &b, "same").unwrap();
    let second = t.at("b/same");
    t.rename_node(&second, (t.root(), "moved")).unwrap();
    assert_eq!(t.names(&a), [b"same"]);
    assert!(t.names(&b).is_empty());
    t.rename_node(&file, (&b, "back")).unwrap();
    assert!(t.names(&a).is_empty());
    assert!(t.exists("moved"));
}

pub(super) fn nodes_below_a_directory_move_along(t: &Fixture) {
    let (a, b) = (t.dir(t.root(), "a"), t.dir(t.root(), "b"));
    let deep = t.dir(&t.dir(&a, "x"), "y");
    let file = t.file(&deep, "f", b"1");
    t.rename((t.root(), "a"), (&b, "c")).unwrap();
    t.file(&deep, "g", b"2");
    assert_eq!(t.content(&t.at("b/c/x/y/g")), b"2");
    t.rename_node(&file, (&deep, "h")).unwrap();
    assert_eq!(t.content(&t.at("b/c/x/y/h")), b"1");
    // Another tree at the old place changes nothing.
    let other = t.dir(&t.dir(&t.dir(t.root(), "a"), "x"), "y");
    t.file(&other, "h", b"other");
    t.remove_node(&file, Removal::File).unwrap();
    assert_eq!(t.content(&t.at("a/x/y/h")), b"other");
    assert_eq!(t.names(&deep), [b"g"]);
}

pub(super) fn a_replaced_node_does_not_rename_its_successor(t: &Fixture) {
    let old = t.file(t.root(), "f", b"old");
    t.file(t.root(), "g", b"new");
    t.rename((t.root(), "g"), (t.root(), "f")).unwrap();
    fails(
        t.rename_node(&old, (t.root(), "x")),
        &[Errno::ENOENT, Errno::ESTALE],
    );
    assert_eq!(t.content(&t.at("f")), b"new");
    assert_eq!(t.names(t.root()), [b"f"]);
}

pub(super) fn the_root_is_not_renamed(t: &Fixture) {
    let dir = t.dir(t.root(), "d");
    assert!(t.rename_node(t.root(), (&dir, "x")).is_err());
    assert!(t.rename_node(t.root(), (t.root(), "x")).is_err());
    assert_eq!(t.names(t.root()), [b"d"]);
}

pub(super) fn special_files_keep_kind_and_mode_over_a_rename(t: &Fixture) {
    let what = crate::Make::Node {
        kind: FileKind::Fifo,
        mode: 0o620,
        device: Default::default(),
    };
    t.make(t.root(), "p", what).unwrap();
    let d = t.dir(t.root(), "d");
    t.rename((t.root(), "p"), (&d, "q")).unwrap();
    let attr = t.stat(&t.at("d/q"));
    assert_eq!(FileKind::from_mode(attr.mode), Some(FileKind::Fifo));
    if t.has(Has::MODES) {
        assert_eq!(attr.mode & 0o7777, 0o620);
    }
}
