//! Making directories, symbolic links and special files.

use virtfs_client::{LopenFlags as O, QidType};

use super::errno::{EEXIST, EINVAL, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM};
use super::{ANY, content, fails, mkdir, names, put};
use crate::protocol::{Has, Site};

cases! {
    ANY =>
        only_symlinks_are_read_as_such;
    Has::WRITE =>
        a_new_directory_is_empty
        a_new_directory_has_the_mode_that_was_asked_for
        a_symlink_keeps_its_text
        a_symlink_without_text_is_refused
        fifos_and_sockets_are_made
        a_regular_file_is_made_without_opening_it
        other_types_are_not_made_as_nodes
        nothing_is_made_over_what_exists
        something_is_made_in_directories_only
        directories_are_made_as_deep_as_one_likes;
    Has::OWNERS =>
        a_group_is_given_to_what_is_made;
    Has::DEVICE_NODES =>
        device_nodes_keep_their_number;
}

fn only_symlinks_are_read_as_such(site: &Site) {
    fails(site.hello().readlink(), &[EINVAL]);
    fails(site.root().readlink(), &[EINVAL]);
}

fn a_new_directory_is_empty(site: &Site) {
    let qid = site.root().mkdir(b"d", 0o755, 0).unwrap();
    assert_eq!(qid.kind, QidType::DIR);
    let dir = site.root().walk(&["d"]).unwrap();
    assert_eq!(dir.qid().path, qid.path);
    assert!(names(&dir).is_empty());
    let attributes = dir.attributes().unwrap();
    assert_eq!((attributes.mode, attributes.nlink), (0o040755, 2));
}

fn a_new_directory_has_the_mode_that_was_asked_for(site: &Site) {
    for mode in [0o700, 0o777, 0o000, 0o1777, 0o2755, 0o4711] {
        let name = format!("{mode:o}");
        site.root().mkdir(name.as_bytes(), mode, 0).unwrap();
        let made = site.root().stat_at(&[&name]).unwrap().mode;
        assert_eq!(made, 0o040000 | mode, "{mode:o}");
    }
}

fn a_symlink_keeps_its_text(site: &Site) {
    let root = site.root();
    let long = vec![b'l'; 4095];
    let texts = [
        &b"target"[..],
        b"/etc/passwd",
        b"../../..",
        b"\xff\n ",
        b"a//b/",
        &long,
    ];
    for (number, text) in texts.into_iter().enumerate() {
        let name = format!("{number}");
        let qid = root.symlink(name.as_bytes(), text, 0).unwrap();
        assert_eq!(qid.kind, QidType::SYMLINK);
        let link = root.walk(&[&name]).unwrap();
        assert_eq!(link.qid().path, qid.path);
        assert!(link.readlink().unwrap() == text, "{name}");
        let attributes = link.attributes().unwrap();
        assert_eq!(attributes.mode, 0o120777);
        assert_eq!(attributes.size, text.len() as u64);
    }
    fails(root.symlink(b"long", &[b'l'; 4096], 0), &[ENAMETOOLONG]);
}

fn a_symlink_without_text_is_refused(site: &Site) {
    for text in [&b""[..], b"\0", b"a\0b"] {
        fails(site.root().symlink(b"l", text, 0), &[ENOENT, EINVAL]);
    }
    assert!(names(site.root()).is_empty());
}

fn fifos_and_sockets_are_made(site: &Site) {
    for (name, mode) in [("fifo", 0o010640), ("socket", 0o140604)] {
        let qid = site.root().mknod(name.as_bytes(), mode, 0, 0, 0).unwrap();
        let attributes = site.root().stat_at(&[name]).unwrap();
        assert_eq!(attributes.mode, mode);
        assert_eq!(attributes.qid.path, qid.path);
        assert_eq!(attributes.rdev, 0);
    }
}

fn a_regular_file_is_made_without_opening_it(site: &Site) {
    site.root().mknod(b"typed", 0o100640, 0, 0, 0).unwrap();
    site.root().mknod(b"untyped", 0o640, 0, 0, 0).unwrap();
    for name in ["typed", "untyped"] {
        let fid = site.root().walk(&[name]).unwrap();
        assert_eq!(fid.attributes().unwrap().mode, 0o100640);
        let file = fid.open(O::RDWR).unwrap();
        file.write_all_at(b"x", 0).unwrap();
        assert_eq!(content(&fid), b"x");
    }
}

fn other_types_are_not_made_as_nodes(site: &Site) {
    for mode in [0o040755, 0o120777, 0o170000, 0o030000] {
        fails(site.root().mknod(b"n", mode, 0, 0, 0), &[EPERM, EINVAL]);
    }
    assert!(names(site.root()).is_empty());
}

fn nothing_is_made_over_what_exists(site: &Site) {
    let root = site.root();
    put(root, b"f", b"kept");
    mkdir(root, "d");
    root.symlink(b"l", b"nowhere", 0).unwrap();
    for name in [&b"f"[..], b"d", b"l"] {
        fails(root.mkdir(name, 0o755, 0), &[EEXIST]);
        fails(root.symlink(name, b"x", 0), &[EEXIST]);
        fails(root.mknod(name, 0o010644, 0, 0, 0), &[EEXIST]);
        fails(root.mknod(name, 0o100644, 0, 0, 0), &[EEXIST]);
    }
    assert_eq!(content(&root.walk(&["f"]).unwrap()), b"kept");
}

fn something_is_made_in_directories_only(site: &Site) {
    let root = site.root();
    let file = put(root, b"f", b"");
    root.symlink(b"l", b".", 0).unwrap();
    for no_directory in [file, root.walk(&["l"]).unwrap()] {
        fails(no_directory.mkdir(b"x", 0o755, 0), &[ENOTDIR]);
        fails(no_directory.symlink(b"x", b"x", 0), &[ENOTDIR]);
        fails(no_directory.mknod(b"x", 0o010644, 0, 0, 0), &[ENOTDIR]);
    }
}

fn directories_are_made_as_deep_as_one_likes(site: &Site) {
    // Deeper than PATH_MAX: 25 × 200.
    let names = vec![[b'd'; 200]; 25];
    let mut at = site.root().walk::<&[u8]>(&[]).unwrap();
    for name in &names {
        at.mkdir(name, 0o755, 0).unwrap();
        at = at.walk(&[name]).unwrap();
    }
    put(&at, b"f", b"deep");
    let file = site.root().walk(&names).unwrap().walk(&["f"]).unwrap();
    assert_eq!(content(&file), b"deep");
}

fn a_group_is_given_to_what_is_made(site: &Site) {
    let root = site.root();
    root.create(b"f", O::RDWR, 0o644, 11).unwrap();
    root.mkdir(b"d", 0o755, 12).unwrap();
    root.symlink(b"l", b"x", 13).unwrap();
    root.mknod(b"p", 0o010644, 0, 0, 14).unwrap();
    for (name, gid) in [("f", 11), ("d", 12), ("l", 13), ("p", 14)] {
        assert_eq!(root.stat_at(&[name]).unwrap().gid, gid, "{name}");
    }
}

fn device_nodes_keep_their_number(site: &Site) {
    let root = site.root();
    for (name, mode, major, minor, rdev) in [
        ("c", 0o020600, 10, 229, 2789),
        ("b", 0o060640, 8, 1, 2049),
        ("large", 0o020600, 300, 70_000, 0x1111_2c70),
    ] {
        root.mknod(name.as_bytes(), mode, major, minor, 0).unwrap();
        let attributes = root.stat_at(&[name]).unwrap();
        assert_eq!(attributes.mode, mode);
        assert_eq!(attributes.rdev, rdev, "{name}: {:#x}", attributes.rdev);
    }
}
