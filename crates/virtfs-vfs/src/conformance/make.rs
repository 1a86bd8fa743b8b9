//! Everything but regular files that are opened at once.

use super::ops::{RDWR, READ, WRITE, fails};
use super::{Fixture, Has};
use crate::{Device, Errno, FileKind, Make, OpenFlags, Removal};

fn node(kind: FileKind, mode: u32, device: Device) -> Make<'static> {
    Make::Node { kind, mode, device }
}

pub(super) fn a_new_directory_is_empty(t: &Fixture) {
    let qid = t
        .make(t.root(), "d", Make::Directory { mode: 0o755 })
        .unwrap();
    assert_eq!(qid.kind, Some(FileKind::Directory));
    let dir = t.at("d");
    assert_eq!(t.stat(&dir).qid.path, qid.path);
    assert_eq!(
        FileKind::from_mode(t.stat(&dir).mode),
        Some(FileKind::Directory)
    );
    assert!(t.names(&dir).is_empty());
}

pub(super) fn a_new_directory_has_the_mode_that_was_asked_for(t: &Fixture) {
    if !t.has(Has::MODES) {
        return;
    }
    for mode in [0o755, 0o777, 0o700, 0o1777] {
        let called = format!("{mode:o}");
        t.make(t.root(), &called, Make::Directory { mode }).unwrap();
        assert_eq!(t.stat(&t.at(&called)).mode, 0o040000 | mode, "{mode:o}");
    }
}

pub(super) fn a_symlink_keeps_its_text(t: &Fixture) {
    let long = vec![b'x'; 1000];
    let texts: [&[u8]; 7] = [
        b"x",
        b"/abs/olute/",
        b"../../..",
        b"a//b/",
        b"\xff\n\x01 ",
        b".",
        &long,
    ];
    for (at, target) in texts.into_iter().enumerate() {
        let called = format!("l{at}");
        let qid = t.make(t.root(), &called, Make::Symlink { target }).unwrap();
        assert_eq!(qid.kind, Some(FileKind::Symlink));
        let link = t.at(&called);
        assert_eq!(t.readlink(&link).unwrap(), target);
        assert_eq!(t.stat(&link).size, target.len() as u64);
    }
}

pub(super) fn only_symlinks_can_be_read_as_such(t: &Fixture) {
    let file = t.file(t.root(), "f", b"target");
    fails(t.readlink(&file), &[Errno::EINVAL]);
    fails(t.readlink(t.root()), &[Errno::EINVAL]);
}

pub(super) fn fifos_and_sockets_can_be_made_and_not_opened(t: &Fixture) {
    let mut kinds = vec![FileKind::Fifo];
    if t.has(Has::SOCKETS) {
        kinds.push(FileKind::Socket);
    }
    for kind in kinds {
        let qid = t
            .make(t.root(), "s", node(kind, 0o640, Device::default()))
            .unwrap();
        assert_eq!(qid.kind, Some(kind));
        let special = t.at("s");
        assert_eq!(FileKind::from_mode(t.stat(&special).mode), Some(kind));
        if t.has(Has::MODES) {
            assert_eq!(t.stat(&special).mode & 0o7777, 0o640);
        }
        for flags in [READ, WRITE, RDWR] {
            fails(t.open(&special, flags), &[Errno::ENXIO]);
        }
        t.remove(t.root(), "s", Removal::File).unwrap();
    }
}

pub(super) fn a_regular_file_can_be_made_without_opening_it(t: &Fixture) {
    let what = node(FileKind::Regular, 0o640, Device::default());
    let qid = t.make(t.root(), "f", what).unwrap();
    assert_eq!(qid.kind, Some(FileKind::Regular));
    let open = t.open(&t.at("f"), RDWR).unwrap();
    t.write_all(&open, 0, b"x");
    assert_eq!(t.content(&t.at("f")), b"x");
}

pub(super) fn device_nodes_keep_their_number_and_are_not_opened(t: &Fixture) {
    if !t.has(Has::DEVICE_NODES) {
        return;
    }
    let device = Device {
        major: 240,
        minor: 70000,
    };
    for kind in [FileKind::CharDevice, FileKind::BlockDevice] {
        let qid = t.make(t.root(), "dev", node(kind, 0o600, device)).unwrap();
        assert_eq!(qid.kind, Some(kind));
        let made = t.at("dev");
        let attr = t.stat(&made);
        assert_eq!(attr.rdev, device);
        assert_eq!(FileKind::from_mode(attr.mode), Some(kind));
        fails(t.open(&made, READ), &[Errno::ENXIO]);
        t.remove_node(&made, Removal::File).unwrap();
    }
}

pub(super) fn nothing_is_made_over_what_exists(t: &Fixture) {
    t.file(t.root(), "f", b"old");
    let d = t.dir(t.root(), "d");
    t.file(&d, "inside", b"");
    t.symlink(t.root(), "l", b"nowhere");
    for called in ["f", "d", "l"] {
        for what in [
            Make::Directory { mode: 0o755 },
            Make::Symlink { target: b"x" },
            node(FileKind::Fifo, 0o644, Device::default()),
            node(FileKind::Regular, 0o644, Device::default()),
        ] {
            fails(t.make(t.root(), called, what), &[Errno::EEXIST]);
        }
    }
    assert_eq!(t.content(&t.at("f")), b"old");
    assert_eq!(t.names(&d), [b"inside"]);
    assert_eq!(t.readlink(&t.at("l")).unwrap(), b"nowhere");
    assert_eq!(t.names(t.root()).len(), 3);
}

pub(super) fn something_is_made_in_directories_only(t: &Fixture) {
    let file = t.file(t.root(), "f", b"");
    let gone = t.removed_dir();
    for what in [
        Make::Directory { mode: 0o755 },
        Make::Symlink { target: b"x" },
        node(FileKind::Fifo, 0o644, Device::default()),
    ] {
        fails(t.make(&file, "x", what), &[Errno::ENOTDIR]);
        fails(t.make(&gone, "x", what), &[Errno::ENOENT]);
    }
}

pub(super) fn a_symlink_is_not_opened(t: &Fixture) {
    t.file(t.root(), "f", b"x");
    let link = t.symlink(t.root(), "l", b"f");
    fails(t.open(&link, READ), &[Errno::ELOOP]);
    fails(t.open(&link, RDWR | OpenFlags::TRUNCATE), &[Errno::ELOOP]);
    assert_eq!(t.content(&t.at("f")), b"x");
}
