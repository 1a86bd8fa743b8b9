//! Removing entries: `Tunlinkat`, and `Tremove` of a fid.

use virtfs_client::UnlinkFlags;

use super::errno::{EBUSY, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, ESTALE};
use super::{content, fails, mkdir, names, put};
use crate::protocol::{Has, Site};

cases! {
    Has::WRITE =>
        a_file_is_removed_once
        what_is_removed_must_be_what_was_said
        only_empty_directories_are_removed
        a_remove_takes_whatever_it_is
        a_symlink_is_removed_and_not_its_target
        special_files_are_removed
        a_fid_is_removed_where_it_has_moved
        of_two_names_the_one_that_was_walked_is_removed
        a_successor_is_not_removed
        the_root_is_not_removed
        nothing_is_removed_from_a_file
        flags_that_do_not_exist_are_refused;
}

const FILE: UnlinkFlags = UnlinkFlags::empty();
const DIRECTORY: UnlinkFlags = UnlinkFlags::REMOVEDIR;

fn a_file_is_removed_once(site: &Site) {
    let root = site.root();
    put(root, b"f", b"");
    root.unlink_at(b"f", FILE).unwrap();
    fails(root.unlink_at(b"f", FILE), &[ENOENT]);
    fails(root.unlink_at(b"f", DIRECTORY), &[ENOENT]);
    fails(root.walk(&["f"]), &[ENOENT]);
    assert!(names(&site.second()).is_empty());
}

fn what_is_removed_must_be_what_was_said(site: &Site) {
    let root = site.root();
    put(root, b"f", b"");
    mkdir(root, "d");
    root.symlink(b"l", b"d", 0).unwrap();
    fails(root.unlink_at(b"d", FILE), &[EISDIR]);
    fails(root.unlink_at(b"f", DIRECTORY), &[ENOTDIR]);
    fails(root.unlink_at(b"l", DIRECTORY), &[ENOTDIR]);
    assert_eq!(names(root), [b"d", b"f", b"l"]);
    root.unlink_at(b"d", DIRECTORY).unwrap();
    root.unlink_at(b"f", FILE).unwrap();
    root.unlink_at(b"l", FILE).unwrap();
    assert!(names(root).is_empty());
}

fn only_empty_directories_are_removed(site: &Site) {
    let root = site.root();
    let dir = mkdir(root, "d");
    put(&dir, b"f", b"");
    fails(root.unlink_at(b"d", DIRECTORY), &[ENOTEMPTY]);
    fails(root.walk(&["d"]).unwrap().remove(), &[ENOTEMPTY]);
    dir.unlink_at(b"f", FILE).unwrap();
    root.unlink_at(b"d", DIRECTORY).unwrap();
    assert!(names(root).is_empty());
}

fn a_remove_takes_whatever_it_is(site: &Site) {
    let root = site.root();
    put(root, b"f", b"").remove().unwrap();
    mkdir(root, "d").remove().unwrap();
    assert!(names(root).is_empty());
}

fn a_symlink_is_removed_and_not_its_target(site: &Site) {
    let root = site.root();
    put(root, b"f", b"");
    for name in ["l", "m"] {
        root.symlink(name.as_bytes(), b"f", 0).unwrap();
    }
    root.unlink_at(b"l", FILE).unwrap();
    root.walk(&["m"]).unwrap().remove().unwrap();
    assert_eq!(names(root), [b"f"]);
}

fn special_files_are_removed(site: &Site) {
    let root = site.root();
    root.mknod(b"fifo", 0o010644, 0, 0, 0).unwrap();
    root.mknod(b"socket", 0o140644, 0, 0, 0).unwrap();
    root.unlink_at(b"fifo", FILE).unwrap();
    root.walk(&["socket"]).unwrap().remove().unwrap();
    assert!(names(root).is_empty());
}

fn a_fid_is_removed_where_it_has_moved(site: &Site) {
    let root = site.root();
    let (a, b) = (mkdir(root, "a"), mkdir(root, "b"));
    let file = put(&a, b"f", b"");
    put(&a, b"other", b"");
    a.rename_at(b"f", &b, b"g").unwrap();
    root.rename_at(b"b", &a, b"c").unwrap();
    file.remove().unwrap();
    assert!(names(&b).is_empty());
    assert_eq!(names(&a), [&b"c"[..], b"other"]);
}

fn of_two_names_the_one_that_was_walked_is_removed(site: &Site) {
    let root = site.root();
    let first = put(root, b"a", b"x");
    root.link(b"b", &first).unwrap();
    root.walk(&["b"]).unwrap().remove().unwrap();
    assert_eq!(names(root), [b"a"]);
    assert_eq!(content(&first), b"x");
}

fn a_successor_is_not_removed(site: &Site) {
    let root = site.root();
    let removed = put(root, b"f", b"");
    root.unlink_at(b"f", FILE).unwrap();
    put(root, b"f", b"successor");
    fails(removed.remove(), &[ENOENT, ESTALE]);
    let replaced = put(root, b"g", b"");
    put(root, b"h", b"successor");
    root.rename_at(b"h", root, b"g").unwrap();
    fails(replaced.remove(), &[ENOENT, ESTALE]);
    assert_eq!(names(root), [b"f", b"g"]);
}

fn the_root_is_not_removed(site: &Site) {
    let root = || site.root().walk::<&str>(&[]).unwrap();
    fails(root().remove(), &[EBUSY]);
    put(site.root(), b"f", b"");
    fails(root().remove(), &[EBUSY, ENOTEMPTY]);
    assert_eq!(names(site.root()), [b"f"]);
}

fn nothing_is_removed_from_a_file(site: &Site) {
    let file = put(site.root(), b"f", b"");
    fails(file.unlink_at(b"x", FILE), &[ENOTDIR]);
    fails(file.unlink_at(b"x", DIRECTORY), &[ENOTDIR]);
}

fn flags_that_do_not_exist_are_refused(site: &Site) {
    put(site.root(), b"f", b"");
    for bits in [1, 0x100, 0x201, u32::MAX] {
        let flags = UnlinkFlags::from_bits_retain(bits);
        fails(site.root().unlink_at(b"f", flags), &[EINVAL]);
    }
    assert_eq!(names(site.root()), [b"f"]);
}
