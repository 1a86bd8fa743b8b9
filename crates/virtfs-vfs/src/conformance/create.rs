//! Regular files, made and opened at once.

use super::ops::{RDWR, READ, WRITE, fails, name};
use super::{Fixture, Has};
use crate::{Cx, Detached, Device, Errno, FileKind, Make, OpenFlags, Removal, SetAttr, User};

pub(super) fn a_created_file_is_open_and_empty(t: &Fixture) {
    let (node, opened) = t.create(t.root(), "f", RDWR, 0o644).unwrap();
    let attr = t.stat(&node);
    assert_eq!(attr.size, 0);
    assert_eq!(attr.nlink, 1);
    assert_eq!(attr.qid.path, opened.qid.path);
    assert_eq!(opened.qid.kind, Some(FileKind::Regular));
    t.write_all(&opened.open, 0, b"hello");
    assert_eq!(t.read(&opened.open, 1, 100).unwrap(), b"ello");
    assert_eq!(t.content(&t.at("f")), b"hello");
}

pub(super) fn a_create_opens_what_exists(t: &Fixture) {
    let old = t.file(t.root(), "f", b"old");
    let (node, opened) = t.create(t.root(), "f", READ, 0o600).unwrap();
    assert_eq!(t.stat(&node).qid.path, t.stat(&old).qid.path);
    assert_eq!(t.stat(&node).mode & 0o777, 0o644);
    assert_eq!(t.read(&opened.open, 0, 100).unwrap(), b"old");
}

pub(super) fn an_exclusive_create_refuses_what_exists(t: &Fixture) {
    t.file(t.root(), "f", b"old");
    t.dir(t.root(), "d");
    t.symlink(t.root(), "l", b"nowhere");
    let flags = RDWR | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE;
    for called in ["f", "d", "l"] {
        fails(t.create(t.root(), called, flags, 0o644), &[Errno::EEXIST]);
    }
    assert_eq!(t.content(&t.at("f")), b"old");
    assert!(!t.exists("nowhere"));
}

pub(super) fn a_create_cuts_what_exists_if_asked(t: &Fixture) {
    t.file(t.root(), "f", b"old");
    let flags = WRITE | OpenFlags::TRUNCATE;
    let (node, _) = t.create(t.root(), "f", flags, 0o644).unwrap();
    assert_eq!(t.stat(&node).size, 0);
}

pub(super) fn a_create_over_a_directory_is_refused(t: &Fixture) {
    t.dir(t.root(), "d");
    fails(t.create(t.root(), "d", RDWR, 0o644), &[Errno::EISDIR]);
}

pub(super) fn a_create_follows_no_symlink(t: &Fixture) {
    t.symlink(t.root(), "dangling", b"target");
    fails(t.create(t.root(), "dangling", RDWR, 0o644), &[Errno::ELOOP]);
    assert!(!t.exists("target"));
    t.file(t.root(), "target", b"old");
    let flags = RDWR | OpenFlags::TRUNCATE;
    fails(
        t.create(t.root(), "dangling", flags, 0o644),
        &[Errno::ELOOP],
    );
    assert_eq!(t.content(&t.at("target")), b"old");
}

pub(super) fn a_create_opens_no_special_file(t: &Fixture) {
    let fifo = Make::Node {
        kind: FileKind::Fifo,
        mode: 0o644,
        device: Device::default(),
    };
    t.make(t.root(), "fifo", fifo).unwrap();
    for flags in [READ, WRITE, RDWR] {
        fails(t.create(t.root(), "fifo", flags, 0o644), &[Errno::ENXIO]);
    }
}

pub(super) fn a_create_needs_a_directory(t: &Fixture) {
    let file = t.file(t.root(), "f", b"");
    fails(t.create(&file, "x", RDWR, 0o644), &[Errno::ENOTDIR]);
    let gone = t.removed_dir();
    fails(t.create(&gone, "x", RDWR, 0o644), &[Errno::ENOENT]);
}

pub(super) fn a_created_file_has_the_mode_that_was_asked_for(t: &Fixture) {
    if !t.has(Has::MODES) {
        return;
    }
    for mode in [0o644, 0o777, 0o666, 0o600, 0o4755, 0o2711, 0o7777] {
        let called = format!("{mode:o}");
        let (node, _) = t.create(t.root(), &called, RDWR, mode).unwrap();
        assert_eq!(t.stat(&node).mode, 0o100000 | mode, "{mode:o}");
    }
}

pub(super) fn a_new_file_is_open_though_its_mode_forbids_it(t: &Fixture) {
    let (node, opened) = t.create(t.root(), "f", RDWR, 0o000).unwrap();
    t.write_all(&opened.open, 0, b"x");
    assert_eq!(t.read(&opened.open, 0, 9).unwrap(), b"x");
    // So that whoever cleans up can.
    let changes = SetAttr {
        mode: Some(0o644),
        ..SetAttr::default()
    };
    t.set(&node, changes).unwrap();
}

pub(super) fn what_is_made_belongs_to_user_and_group(t: &Fixture) {
    if !t.has(Has::OWNERS) {
        return;
    }
    let cx = Cx::new(User { uid: 1234 }, &Detached);
    let (fs, root) = (t.fs(), t.root());
    let link = Make::Symlink { target: b"x" };
    let dir = Make::Directory { mode: 0o750 };
    let fifo = Make::Node {
        kind: FileKind::Fifo,
        mode: 0o640,
        device: Device::default(),
    };
    fs.create(&cx, root, name("f"), RDWR, 0o4755, 5678).unwrap();
    fs.make(&cx, root, name("d"), dir, 5678).unwrap();
    fs.make(&cx, root, name("l"), link, 5678).unwrap();
    fs.make(&cx, root, name("p"), fifo, 5678).unwrap();
    for called in ["f", "d", "l", "p"] {
        let attr = t.stat(&t.at(called));
        assert_eq!((attr.uid, attr.gid), (1234, 5678), "{called}");
    }
    if t.has(Has::MODES) {
        assert_eq!(t.stat(&t.at("f")).mode, 0o104755);
        assert_eq!(t.stat(&t.at("d")).mode, 0o040750);
        assert_eq!(t.stat(&t.at("p")).mode, 0o010640);
    }
}

pub(super) fn odd_names_are_names(t: &Fixture) {
    let long = [b'x'; 255];
    let odd: [&[u8]; 9] = [
        b" ",
        b"...",
        b"-rf",
        b"a\nb",
        b"\\",
        b"\xff\xfe",
        b"*?[",
        b"\x01",
        &long,
    ];
    for called in odd {
        let (node, opened) = t.create(t.root(), called, RDWR, 0o644).unwrap();
        t.write_all(&opened.open, 0, called);
        assert_eq!(t.content(&node), called);
    }
    let mut sorted = odd.map(<[u8]>::to_vec);
    sorted.sort();
    assert_eq!(t.names(t.root()), sorted);
    for called in odd {
        t.remove(t.root(), called, Removal::File).unwrap();
    }
    assert!(t.names(t.root()).is_empty());
}

pub(super) fn names_that_differ_in_case_are_two(t: &Fixture) {
    t.file(t.root(), "name", b"lower");
    t.file(t.root(), "NAME", b"upper");
    assert_eq!(t.content(&t.at("name")), b"lower");
    assert_eq!(t.content(&t.at("NAME")), b"upper");
}
