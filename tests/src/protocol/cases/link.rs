//! Hard links.

use virtfs_client::{LopenFlags as O, UnlinkFlags};

use super::errno::{EEXIST, ENOENT, ENOTDIR, EPERM};
use super::{content, fails, mkdir, names, put};
use crate::protocol::{Has, Site};

cases! {
    Has::WRITE =>
        a_link_is_the_same_file
        a_link_is_not_made_over_what_exists
        a_directory_has_one_name
        a_link_to_a_symlink_is_one_to_the_symlink
        a_link_is_made_in_directories_only
        a_file_lives_until_its_last_name_goes
        a_removed_file_gets_no_new_name;
}

fn a_link_is_the_same_file(site: &Site) {
    let root = site.root();
    let (fid, dir) = (put(root, b"f", b"same"), mkdir(root, "d"));
    root.link(b"g", &fid).unwrap();
    dir.link(b"h", &fid).unwrap();
    for path in [&["g"][..], &["d", "h"]] {
        let link = root.walk(path).unwrap();
        assert_eq!(link.qid().path, fid.qid().path);
        assert_eq!(link.attributes().unwrap().nlink, 3);
        assert_eq!(content(&link), b"same");
    }
    let link = root.walk(&["g"]).unwrap().open(O::WRONLY).unwrap();
    link.write_all_at(b"S", 0).unwrap();
    assert_eq!(content(&fid), b"Same");
}

fn a_link_is_not_made_over_what_exists(site: &Site) {
    let root = site.root();
    let fid = put(root, b"f", b"1");
    put(root, b"g", b"2");
    mkdir(root, "d");
    for name in [&b"f"[..], b"g", b"d"] {
        fails(root.link(name, &fid), &[EEXIST]);
    }
    assert_eq!(content(&root.walk(&["g"]).unwrap()), b"2");
    assert_eq!(fid.attributes().unwrap().nlink, 1);
}

fn a_directory_has_one_name(site: &Site) {
    let dir = mkdir(site.root(), "d");
    fails(site.root().link(b"e", &dir), &[EPERM]);
    fails(dir.link(b"e", site.root()), &[EPERM]);
    assert_eq!(names(site.root()), [b"d"]);
}

fn a_link_to_a_symlink_is_one_to_the_symlink(site: &Site) {
    let root = site.root();
    put(root, b"f", b"");
    root.symlink(b"l", b"f", 0).unwrap();
    let symlink = root.walk(&["l"]).unwrap();
    root.link(b"m", &symlink).unwrap();
    let link = root.walk(&["m"]).unwrap();
    assert_eq!(link.readlink().unwrap(), b"f");
    assert_eq!(link.qid().path, symlink.qid().path);
}

fn a_link_is_made_in_directories_only(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    fails(fid.link(b"g", &fid), &[ENOTDIR]);
}

fn a_file_lives_until_its_last_name_goes(site: &Site) {
    let root = site.root();
    let fid = put(root, b"f", b"alive");
    root.link(b"g", &fid).unwrap();
    root.unlink_at(b"f", UnlinkFlags::empty()).unwrap();
    assert_eq!(content(&fid), b"alive");
    assert_eq!(content(&root.walk(&["g"]).unwrap()), b"alive");
    root.unlink_at(b"g", UnlinkFlags::empty()).unwrap();
    fails(root.walk(&["g"]), &[ENOENT]);
    assert_eq!(fid.attributes().unwrap().nlink, 0);
}

fn a_removed_file_gets_no_new_name(site: &Site) {
    let root = site.root();
    let fid = put(root, b"f", b"");
    root.unlink_at(b"f", UnlinkFlags::empty()).unwrap();
    fails(root.link(b"g", &fid), &[ENOENT]);
    assert!(names(root).is_empty());
}
