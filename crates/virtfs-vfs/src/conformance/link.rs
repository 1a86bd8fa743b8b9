//! Hard links.

use super::Fixture;
use super::ops::{WRITE, fails};
use crate::{Errno, FileKind, Removal};

pub(super) fn a_link_is_the_same_file(t: &Fixture) {
    let file = t.file(t.root(), "f", b"old");
    let d = t.dir(t.root(), "d");
    t.link(&file, &d, "g").unwrap();
    let other = t.at("d/g");
    assert_eq!(t.stat(&other).qid.path, t.stat(&file).qid.path);
    assert_eq!(t.stat(&file).nlink, 2);
    let open = t.open(&other, WRITE).unwrap();
    t.write_all(&open, 0, b"new");
    assert_eq!(t.content(&file), b"new");
}

pub(super) fn a_link_is_not_made_over_what_exists(t: &Fixture) {
    let file = t.file(t.root(), "f", b"f");
    t.file(t.root(), "g", b"g");
    t.dir(t.root(), "d");
    for called in ["f", "g", "d"] {
        fails(t.link(&file, t.root(), called), &[Errno::EEXIST]);
    }
    assert_eq!(t.content(&t.at("g")), b"g");
    assert_eq!(t.stat(&file).nlink, 1);
}

pub(super) fn a_directory_has_one_name(t: &Fixture) {
    let dir = t.dir(t.root(), "d");
    fails(t.link(&dir, t.root(), "e"), &[Errno::EPERM]);
    assert!(!t.exists("e"));
}

pub(super) fn a_link_to_a_symlink_is_one_to_the_symlink(t: &Fixture) {
    t.file(t.root(), "f", b"f");
    let link = t.symlink(t.root(), "l", b"f");
    t.link(&link, t.root(), "m").unwrap();
    let other = t.at("m");
    assert_eq!(t.stat(&other).qid.kind, Some(FileKind::Symlink));
    assert_eq!(t.readlink(&other).unwrap(), b"f");
    assert_eq!(t.stat(&t.at("f")).nlink, 1);
}

pub(super) fn a_link_is_made_in_directories_only(t: &Fixture) {
    let file = t.file(t.root(), "f", b"");
    let other = t.file(t.root(), "g", b"");
    fails(t.link(&file, &other, "x"), &[Errno::ENOTDIR]);
    let gone = t.removed_dir();
    fails(t.link(&file, &gone, "x"), &[Errno::ENOENT]);
    assert_eq!(t.stat(&file).nlink, 1);
}

pub(super) fn a_removed_file_gets_no_new_name(t: &Fixture) {
    let file = t.file(t.root(), "f", b"");
    t.remove(t.root(), "f", Removal::File).unwrap();
    fails(
        t.link(&file, t.root(), "g"),
        &[Errno::ENOENT, Errno::ESTALE],
    );
    assert!(t.names(t.root()).is_empty());
}

pub(super) fn a_file_lives_until_its_last_name_goes(t: &Fixture) {
    let file = t.file(t.root(), "f", b"kept");
    t.link(&file, t.root(), "g").unwrap();
    t.remove(t.root(), "f", Removal::File).unwrap();
    assert!(!t.exists("f"));
    let other = t.at("g");
    assert_eq!(t.content(&other), b"kept");
    assert_eq!(t.stat(&other).nlink, 1);
}
