//! Removals.

use super::Fixture;
use super::ops::fails;
use crate::{Errno, Removal};

const NOT_EMPTY: [Errno; 2] = [Errno::ENOTEMPTY, Errno::EEXIST];
/// Nothing there, or something else.
const GONE: [Errno; 2] = [Errno::ENOENT, Errno::ESTALE];

pub(super) fn a_file_is_removed_once(t: &Fixture) {
    t.file(t.root(), "f", b"");
    t.remove(t.root(), "f", Removal::File).unwrap();
    assert!(!t.exists("f"));
    for kind in [Removal::File, Removal::Directory, Removal::Either] {
        fails(t.remove(t.root(), "f", kind), &[Errno::ENOENT]);
    }
}

pub(super) fn a_directory_is_not_removed_as_a_file(t: &Fixture) {
    let dir = t.dir(t.root(), "d");
    fails(t.remove(t.root(), "d", Removal::File), &[Errno::EISDIR]);
    fails(t.remove_node(&dir, Removal::File), &[Errno::EISDIR]);
    assert!(t.exists("d"));
}

pub(super) fn a_file_is_not_removed_as_a_directory(t: &Fixture) {
    t.dir(t.root(), "d");
    let file = t.file(t.root(), "f", b"");
    let link = t.symlink(t.root(), "l", b"d");
    for (called, node) in [("f", &file), ("l", &link)] {
        fails(
            t.remove(t.root(), called, Removal::Directory),
            &[Errno::ENOTDIR],
        );
        fails(t.remove_node(node, Removal::Directory), &[Errno::ENOTDIR]);
    }
    assert_eq!(t.names(t.root()).len(), 3);
}

pub(super) fn only_empty_directories_are_removed(t: &Fixture) {
    let dir = t.dir(t.root(), "d");
    t.file(&dir, "f", b"");
    for kind in [Removal::Directory, Removal::Either] {
        fails(t.remove(t.root(), "d", kind), &NOT_EMPTY);
        fails(t.remove_node(&dir, kind), &NOT_EMPTY);
    }
    t.remove(&dir, "f", Removal::File).unwrap();
    t.remove(t.root(), "d", Removal::Directory).unwrap();
    assert!(!t.exists("d"));
}

pub(super) fn either_removes_whatever_it_is(t: &Fixture) {
    t.file(t.root(), "f", b"");
    t.dir(t.root(), "d");
    t.symlink(t.root(), "l", b"d");
    let node = t.file(t.root(), "n", b"");
    let dir = t.dir(t.root(), "e");
    for called in ["f", "l", "d"] {
        t.remove(t.root(), called, Removal::Either).unwrap();
    }
    t.remove_node(&node, Removal::Either).unwrap();
    t.remove_node(&dir, Removal::Either).unwrap();
    assert!(t.names(t.root()).is_empty());
}

pub(super) fn a_symlink_is_removed_and_not_its_target(t: &Fixture) {
    t.file(t.root(), "f", b"kept");
    let link = t.symlink(t.root(), "l", b"f");
    t.remove_node(&link, Removal::File).unwrap();
    assert_eq!(t.names(t.root()), [b"f"]);
}

pub(super) fn of_two_names_the_one_that_was_walked_is_removed(t: &Fixture) {
    let (a, b) = (t.dir(t.root(), "a"), t.dir(t.root(), "b"));
    let first = t.file(&a, "same", b"x");
    t.link(&first, &b, "same").unwrap();
    let second = t.at("b/same");
    t.remove_node(&second, Removal::File).unwrap();
    assert_eq!(t.names(&a), [b"same"]);
    assert!(t.names(&b).is_empty());
    t.remove_node(&first, Removal::File).unwrap();
    assert!(t.names(&a).is_empty());
}

pub(super) fn of_two_names_in_one_directory_the_right_one_is_removed(t: &Fixture) {
    let first = t.file(t.root(), "a", b"x");
    t.link(&first, t.root(), "b").unwrap();
    let second = t.at("b");
    t.remove_node(&second, Removal::File).unwrap();
    assert_eq!(t.names(t.root()), [b"a"]);
    fails(t.remove_node(&second, Removal::File), &GONE);
    assert_eq!(t.names(t.root()), [b"a"]);
}

pub(super) fn a_node_is_removed_where_it_has_moved(t: &Fixture) {
    let (a, b) = (t.dir(t.root(), "a"), t.dir(t.root(), "b"));
    let file = t.file(&a, "f", b"moved");
    t.rename((&a, "f"), (&b, "g")).unwrap();
    t.file(&a, "f", b"successor");
    t.remove_node(&file, Removal::File).unwrap();
    assert!(t.names(&b).is_empty());
    assert_eq!(t.content(&t.at("a/f")), b"successor");
}

pub(super) fn a_node_is_removed_though_its_directory_moved(t: &Fixture) {
    let (a, b) = (t.dir(t.root(), "a"), t.dir(t.root(), "b"));
    let (inner, file) = (t.dir(&a, "d"), t.file(&a, "f", b""));
    t.rename((t.root(), "a"), (&b, "a")).unwrap();
    t.remove_node(&file, Removal::File).unwrap();
    t.remove_node(&inner, Removal::Directory).unwrap();
    assert!(t.names(&t.at("b/a")).is_empty());
    t.remove_node(&a, Removal::Directory).unwrap();
    assert!(t.names(&b).is_empty());
}

pub(super) fn a_node_is_removed_once(t: &Fixture) {
    let file = t.file(t.root(), "f", b"");
    let dir = t.dir(t.root(), "d");
    for node in [&file, &dir] {
        t.remove_node(node, Removal::Either).unwrap();
        fails(t.remove_node(node, Removal::Either), &GONE);
    }
}

pub(super) fn a_removed_node_does_not_remove_its_successor(t: &Fixture) {
    let file = t.file(t.root(), "f", b"old");
    t.remove(t.root(), "f", Removal::File).unwrap();
    t.file(t.root(), "f", b"new");
    fails(t.remove_node(&file, Removal::Either), &GONE);
    assert_eq!(t.content(&t.at("f")), b"new");
}

pub(super) fn a_replaced_node_does_not_remove_its_successor(t: &Fixture) {
    let file = t.file(t.root(), "f", b"old");
    t.file(t.root(), "g", b"new");
    t.rename((t.root(), "g"), (t.root(), "f")).unwrap();
    fails(t.remove_node(&file, Removal::Either), &GONE);
    assert_eq!(t.content(&t.at("f")), b"new");
}

pub(super) fn the_root_is_not_removed(t: &Fixture) {
    for kind in [Removal::File, Removal::Directory, Removal::Either] {
        assert!(t.remove_node(t.root(), kind).is_err());
    }
    t.file(t.root(), "f", b"x");
    assert!(t.exists("f"));
}

pub(super) fn nothing_is_removed_from_a_file(t: &Fixture) {
    let file = t.file(t.root(), "f", b"");
    fails(t.remove(&file, "x", Removal::Either), &[Errno::ENOTDIR]);
}

pub(super) fn a_removed_directory_holds_nothing(t: &Fixture) {
    let gone = t.removed_dir();
    fails(t.walk(&gone, "x"), &[Errno::ENOENT]);
    fails(t.remove(&gone, "x", Removal::File), &[Errno::ENOENT]);
    let again = t.dir(t.root(), "removed");
    t.file(&again, "x", b"");
    fails(t.walk(&gone, "x"), &[Errno::ENOENT]);
}
