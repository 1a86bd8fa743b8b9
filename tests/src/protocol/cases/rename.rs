//! Moving entries: `Trenameat`, and `Trename` of a fid.

use virtfs_client::{Fid, LopenFlags as O, UnlinkFlags};

use super::errno::{EBUSY, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY};
use super::{content, fails, mkdir, names, put, read};
use crate::protocol::{Has, Site};

cases! {
    Has::WRITE =>
        a_renamed_file_keeps_all_but_its_name
        an_entry_moves_between_directories
        a_fid_is_renamed_wherever_it_is
        a_rename_replaces_a_file
        a_rename_replaces_an_empty_directory
        a_rename_replaces_no_directory_that_is_not_empty
        files_and_directories_do_not_replace_each_other
        a_directory_does_not_move_below_itself
        nothing_replaces_a_directory_that_it_is_in
        what_is_missing_is_not_renamed
        a_rename_needs_directories
        two_names_of_one_file_stay
        a_rename_to_the_same_name_changes_nothing
        a_symlink_moves_and_not_its_target
        the_root_is_not_renamed
        an_open_file_is_renamed
        of_two_names_the_one_that_was_walked_is_renamed
        renames_of_two_clients_end_with_one_name;
}

/// `Trenameat`, and `Trename` of what is there: both must do the same.
type Rename = fn(&Fid, &str, &Fid, &str) -> Result<(), virtfs_client::Error>;

const BOTH: [Rename; 2] = [
    |dir, name, to, as_| dir.rename_at(name.as_bytes(), to, as_.as_bytes()),
    |dir, name, to, as_| dir.walk(&[name]).unwrap().rename(to, as_.as_bytes()),
];

/// A directory for each of the two.
fn each(site: &Site, run: impl Fn(&Fid, Rename)) {
    for (number, rename) in BOTH.into_iter().enumerate() {
        run(&mkdir(site.root(), &format!("site{number}")), rename);
    }
}

fn a_renamed_file_keeps_all_but_its_name(site: &Site) {
    each(site, |root, rename| {
        let fid = put(root, b"f", b"kept");
        let before = fid.attributes().unwrap();
        rename(root, "f", root, "g").unwrap();
        assert_eq!(names(root), [b"g"]);
        fails(root.walk(&["f"]), &[ENOENT]);
        let moved = root.walk(&["g"]).unwrap();
        let after = moved.attributes().unwrap();
        assert_eq!(after.qid.path, before.qid.path);
        assert_eq!((after.mode, after.mtime), (before.mode, before.mtime));
        assert_eq!(content(&moved), b"kept");
        assert_eq!(content(&fid), b"kept");
    });
}

fn an_entry_moves_between_directories(site: &Site) {
    each(site, |root, rename| {
        let (a, b) = (mkdir(root, "a"), mkdir(root, "b"));
        put(&mkdir(&a, "d"), b"f", b"below");
        rename(&a, "d", &b, "e").unwrap();
        assert!(names(&a).is_empty());
        assert_eq!(content(&b.walk(&["e", "f"]).unwrap()), b"below");
        let up = b.walk(&["e", ".."]).unwrap();
        assert_eq!(up.qid().path, b.qid().path);
    });
}

fn a_fid_is_renamed_wherever_it_is(site: &Site) {
    let root = site.root();
    let (a, b) = (mkdir(root, "a"), mkdir(root, "b"));
    let fid = put(root, b"f", b"x");
    fid.rename(&a, b"1").unwrap();
    fid.rename(&b, b"2").unwrap();
    root.rename_at(b"b", &a, b"c").unwrap();
    fid.rename(root, b"3").unwrap();
    assert_eq!(names(root), [&b"3"[..], b"a"]);
    assert_eq!(content(&fid), b"x");
}

fn a_rename_replaces_a_file(site: &Site) {
    each(site, |root, rename| {
        put(root, b"f", b"new");
        let old = put(root, b"g", b"old");
        let open = old.open(O::RDONLY).unwrap();
        rename(root, "f", root, "g").unwrap();
        assert_eq!(names(root), [b"g"]);
        assert_eq!(content(&root.walk(&["g"]).unwrap()), b"new");
        assert_eq!(read(&open, 0, 10), b"old");
        root.symlink(b"l", b"g", 0).unwrap();
        rename(root, "g", root, "l").unwrap();
        assert_eq!(content(&root.walk(&["l"]).unwrap()), b"new");
    });
}

fn a_rename_replaces_an_empty_directory(site: &Site) {
    each(site, |root, rename| {
        put(&mkdir(root, "d"), b"f", b"x");
        mkdir(root, "e");
        rename(root, "d", root, "e").unwrap();
        assert_eq!(names(root), [b"e"]);
        assert_eq!(content(&root.walk(&["e", "f"]).unwrap()), b"x");
    });
}

fn a_rename_replaces_no_directory_that_is_not_empty(site: &Site) {
    each(site, |root, rename| {
        mkdir(root, "d");
        put(&mkdir(root, "e"), b"f", b"x");
        fails(rename(root, "d", root, "e"), &[ENOTEMPTY, EEXIST]);
        assert_eq!(names(root), [b"d", b"e"]);
        assert_eq!(content(&root.walk(&["e", "f"]).unwrap()), b"x");
    });
}

fn files_and_directories_do_not_replace_each_other(site: &Site) {
    each(site, |root, rename| {
        put(root, b"f", b"x");
        mkdir(root, "d");
        fails(rename(root, "f", root, "d"), &[EISDIR]);
        fails(rename(root, "d", root, "f"), &[ENOTDIR]);
        assert_eq!(names(root), [b"d", b"f"]);
    });
}

fn a_directory_does_not_move_below_itself(site: &Site) {
    each(site, |root, rename| {
        let dir = mkdir(root, "d");
        let below = mkdir(&dir, "e");
        fails(rename(root, "d", &dir, "x"), &[EINVAL]);
        fails(rename(root, "d", &below, "x"), &[EINVAL]);
        fails(rename(root, "d", &dir, "e"), &[EINVAL]);
        assert_eq!(names(&dir), [b"e"]);
    });
}

fn nothing_replaces_a_directory_that_it_is_in(site: &Site) {
    each(site, |root, rename| {
        let dir = mkdir(root, "d");
        put(&dir, b"f", b"");
        mkdir(&dir, "e");
        fails(rename(&dir, "e", root, "d"), &[ENOTEMPTY, EEXIST]);
        fails(rename(&dir, "f", root, "d"), &[ENOTEMPTY, EEXIST, EISDIR]);
        assert_eq!(names(&dir), [b"e", b"f"]);
    });
}

fn what_is_missing_is_not_renamed(site: &Site) {
    let root = site.root();
    let dir = mkdir(root, "d");
    fails(root.rename_at(b"missing", root, b"x"), &[ENOENT]);
    fails(root.rename_at(b"missing", &dir, b"x"), &[ENOENT]);
    let fid = put(root, b"f", b"");
    root.unlink_at(b"f", UnlinkFlags::empty()).unwrap();
    put(root, b"f", b"successor");
    // Never the file that has the name now.
    fails(fid.rename(root, b"g"), &[ENOENT, super::errno::ESTALE]);
    assert_eq!(names(root), [b"d", b"f"]);
}

fn a_rename_needs_directories(site: &Site) {
    let root = site.root();
    let (file, other) = (put(root, b"f", b""), put(root, b"o", b""));
    fails(root.rename_at(b"o", &file, b"x"), &[ENOTDIR]);
    fails(file.rename_at(b"x", root, b"y"), &[ENOTDIR]);
    fails(other.rename(&file, b"x"), &[ENOTDIR]);
    let gone = mkdir(root, "gone");
    root.unlink_at(b"gone", UnlinkFlags::REMOVEDIR).unwrap();
    fails(root.rename_at(b"o", &gone, b"x"), &[ENOENT]);
    assert_eq!(names(root), [b"f", b"o"]);
}

fn two_names_of_one_file_stay(site: &Site) {
    each(site, |root, rename| {
        let fid = put(root, b"f", b"x");
        root.link(b"g", &fid).unwrap();
        rename(root, "f", root, "g").unwrap();
        assert_eq!(names(root), [b"f", b"g"]);
    });
}

fn a_rename_to_the_same_name_changes_nothing(site: &Site) {
    each(site, |root, rename| {
        put(root, b"f", b"x");
        mkdir(root, "d");
        rename(root, "f", root, "f").unwrap();
        rename(root, "d", root, "d").unwrap();
        assert_eq!(names(root), [b"d", b"f"]);
        assert_eq!(content(&root.walk(&["f"]).unwrap()), b"x");
    });
}

fn a_symlink_moves_and_not_its_target(site: &Site) {
    each(site, |root, rename| {
        put(root, b"f", b"");
        root.symlink(b"l", b"f", 0).unwrap();
        rename(root, "l", root, "m").unwrap();
        assert_eq!(names(root), [b"f", b"m"]);
        assert_eq!(root.walk(&["m"]).unwrap().readlink().unwrap(), b"f");
    });
}

fn the_root_is_not_renamed(site: &Site) {
    let root = site.root();
    let dir = mkdir(root, "d");
    fails(root.rename(&dir, b"x"), &[EBUSY, EINVAL]);
    fails(root.rename(root, b"x"), &[EBUSY, EINVAL]);
    assert_eq!(names(root), [b"d"]);
}

fn an_open_file_is_renamed(site: &Site) {
    let root = site.root();
    let file = put(root, b"f", b"open").open(O::RDWR).unwrap();
    root.rename_at(b"f", &mkdir(root, "d"), b"g").unwrap();
    file.write_all_at(b"O", 0).unwrap();
    assert_eq!(content(&root.walk(&["d", "g"]).unwrap()), b"Open");
}

fn of_two_names_the_one_that_was_walked_is_renamed(site: &Site) {
    let root = site.root();
    let first = put(root, b"a", b"");
    root.link(b"b", &first).unwrap();
    let second = root.walk(&["b"]).unwrap();
    second.rename(root, b"c").unwrap();
    assert_eq!(names(root), [b"a", b"c"]);
    first.rename(root, b"d").unwrap();
    assert_eq!(names(root), [b"c", b"d"]);
}

fn renames_of_two_clients_end_with_one_name(site: &Site) {
    let (first, second) = (site.root(), &site.second());
    put(first, b"f", b"x");
    std::thread::scope(|scope| {
        for (root, other) in [(first, &b"g"[..]), (second, b"h")] {
            scope.spawn(move || {
                for _ in 0..100 {
                    for (from, to) in [(&b"f"[..], other), (other, b"f")] {
                        if let Err(error) = root.rename_at(from, root, to) {
                            fails::<()>(Err(error), &[ENOENT]);
                        }
                    }
                }
            });
        }
    });
    assert_eq!(names(first).len(), 1);
}
