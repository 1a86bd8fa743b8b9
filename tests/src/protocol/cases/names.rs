//! What can be a name.

use virtfs_client::{LopenFlags as O, UnlinkFlags};

use super::errno::{EEXIST, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOTEMPTY};
use super::{content, fails, names, put};
use crate::protocol::{Has, Site};

cases! {
    Has::WRITE =>
        odd_names_are_names
        names_that_differ_in_case_are_two
        a_name_has_255_bytes_at_most
        what_is_no_name_is_not_made
        dots_are_not_made_moved_or_removed;
}

fn odd_names_are_names(site: &Site) {
    let root = site.root();
    let mut odd: Vec<Vec<u8>> = [
        &b" "[..],
        b"\n",
        b"\\",
        b"...",
        b"-rf",
        b"~",
        b"*",
        b"a b\tc",
        b"\x01",
        b"\x7f",
        b"\xff\xfe",
        b"\xc3\x28",
        "ümlaut 🦀".as_bytes(),
        b".hidden",
        b"trailing.",
        b"C:",
    ]
    .map(<[u8]>::to_vec)
    .into();
    for name in &odd {
        put(root, name, name);
    }
    odd.sort();
    assert_eq!(names(root), odd);
    for name in &odd {
        assert_eq!(content(&root.walk(&[name]).unwrap()), *name);
        root.rename_at(name, root, b"plain").unwrap();
        root.rename_at(b"plain", root, name).unwrap();
        root.unlink_at(name, UnlinkFlags::empty()).unwrap();
    }
    assert!(names(root).is_empty());
}

fn names_that_differ_in_case_are_two(site: &Site) {
    let root = site.root();
    let (lower, upper) = (put(root, b"name", b"1"), put(root, b"NAME", b"2"));
    assert_ne!(lower.qid().path, upper.qid().path);
    assert_eq!(content(&root.walk(&["name"]).unwrap()), b"1");
    fails(root.walk(&["Name"]), &[ENOENT]);
}

fn a_name_has_255_bytes_at_most(site: &Site) {
    let root = site.root();
    let (longest, longer) = ([b'x'; 255], [b'x'; 256]);
    let fid = put(root, &longest, b"x");
    assert_eq!(names(root), [longest]);
    let too_long = &[ENAMETOOLONG];
    fails(root.create(&longer, O::RDWR, 0o644, 0), too_long);
    fails(root.mkdir(&longer, 0o755, 0), too_long);
    fails(root.symlink(&longer, b"x", 0), too_long);
    fails(root.mknod(&longer, 0o010644, 0, 0, 0), too_long);
    fails(root.link(&longer, &fid), too_long);
    fails(root.rename_at(&longest, root, &longer), too_long);
    fails(root.rename_at(&longer, root, b"y"), too_long);
    fails(fid.rename(root, &longer), too_long);
    fails(root.unlink_at(&longer, UnlinkFlags::empty()), too_long);
    assert_eq!(names(root), [longest]);
}

fn what_is_no_name_is_not_made(site: &Site) {
    let root = site.root();
    let fid = put(root, b"f", b"");
    for name in [&b""[..], b"/", b"a/b", b"f/", b"a\0b", b"\0"] {
        let none = &[ENOENT];
        fails(root.create(name, O::RDWR, 0o644, 0), none);
        fails(root.mkdir(name, 0o755, 0), none);
        fails(root.symlink(name, b"x", 0), none);
        fails(root.mknod(name, 0o010644, 0, 0, 0), none);
        fails(root.link(name, &fid), none);
        fails(root.rename_at(b"f", root, name), none);
        fails(root.rename_at(name, root, b"g"), none);
        fails(fid.rename(root, name), none);
        fails(root.unlink_at(name, UnlinkFlags::empty()), none);
    }
    assert_eq!(names(root), [b"f"]);
}

fn dots_are_not_made_moved_or_removed(site: &Site) {
    let root = site.root();
    let fid = put(root, b"f", b"");
    for dots in [&b"."[..], b".."] {
        fails(root.create(dots, O::RDWR, 0o644, 0), &[EEXIST]);
        fails(root.mkdir(dots, 0o755, 0), &[EEXIST]);
        fails(root.symlink(dots, b"x", 0), &[EEXIST]);
        fails(root.mknod(dots, 0o010644, 0, 0, 0), &[EEXIST]);
        fails(root.link(dots, &fid), &[EEXIST]);
        fails(root.rename_at(b"f", root, dots), &[EISDIR]);
        fails(root.rename_at(dots, root, b"g"), &[EISDIR]);
        fails(fid.rename(root, dots), &[EISDIR]);
    }
    for flags in [UnlinkFlags::empty(), UnlinkFlags::REMOVEDIR] {
        fails(root.unlink_at(b".", flags), &[EINVAL]);
        fails(root.unlink_at(b"..", flags), &[ENOTEMPTY]);
    }
    assert_eq!(names(root), [b"f"]);
}
