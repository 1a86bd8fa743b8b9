//! Attributes: seen, set, and changed by what is done.

use std::time::{Duration, Instant};

use super::ops::{RDWR, WRITE, fails};
use super::{Fixture, Has};
use crate::{Device, Errno, FileKind, Make, Node, SetAttr, SetTime, StatWant, Time};

const OLD: Time = Time {
    sec: 1_000_000_000,
    nsec: 123_456_789,
};

fn mode(mode: u32) -> SetAttr {
    SetAttr {
        mode: Some(mode),
        ..SetAttr::default()
    }
}

fn size(size: u64) -> SetAttr {
    SetAttr {
        size: Some(size),
        ..SetAttr::default()
    }
}

fn times(atime: Option<SetTime>, mtime: Option<SetTime>) -> SetAttr {
    SetAttr {
        atime,
        mtime,
        ..SetAttr::default()
    }
}

/// That an act, repeated, moves a file's change time: the host's clock may tick slowly.
#[track_caller]
fn moves_ctime(t: &Fixture, node: &Node, mut act: impl FnMut()) {
    let before = t.stat(node).ctime;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        act();
        let now = t.stat(node).ctime;
        assert!(now >= before, "the change time went back");
        if now > before {
            return;
        }
        assert!(Instant::now() < deadline, "the change time stands still");
    }
}

pub(super) fn a_file_is_cut(t: &Fixture) {
    let node = t.file(t.root(), "f", b"0123456789");
    t.set(&node, size(4)).unwrap();
    assert_eq!(t.content(&node), b"0123");
    t.set(&node, size(0)).unwrap();
    assert_eq!(t.stat(&node).size, 0);
}

pub(super) fn a_file_is_extended_by_zeros(t: &Fixture) {
    let node = t.file(t.root(), "f", b"0123456789");
    t.set(&node, size(4)).unwrap();
    t.set(&node, size(10)).unwrap();
    assert_eq!(t.content(&node), b"0123\0\0\0\0\0\0");
    t.set(&node, size(32 << 20)).unwrap();
    let attr = t.stat(&node);
    assert_eq!(attr.size, 32 << 20);
    assert!(attr.blocks * 512 < 32 << 20, "a hole takes no space");
}

pub(super) fn only_files_have_a_length_to_set(t: &Fixture) {
    let errors = [Errno::EISDIR, Errno::EINVAL, Errno::ELOOP, Errno::ENXIO];
    fails(t.set(t.root(), size(0)), &errors);
    let link = t.symlink(t.root(), "l", b"f");
    t.file(t.root(), "f", b"kept");
    fails(t.set(&link, size(0)), &errors);
    assert_eq!(t.content(&t.at("f")), b"kept");
}

pub(super) fn a_length_that_no_file_has_is_refused(t: &Fixture) {
    let node = t.file(t.root(), "f", b"x");
    for bad in [1 << 63, u64::MAX] {
        fails(t.set(&node, size(bad)), &[Errno::EINVAL, Errno::EFBIG]);
    }
    assert_eq!(t.stat(&node).size, 1);
}

pub(super) fn a_write_drops_setuid_and_setgid(t: &Fixture) {
    if !t.has(Has::MODES) {
        return;
    }
    let (node, open) = t.open_file(t.root(), "f", b"x");
    t.set(&node, mode(0o6777)).unwrap();
    assert_eq!(t.stat(&node).mode, 0o106777);
    t.write_all(&open, 0, b"y");
    assert_eq!(t.stat(&node).mode, 0o100777);
}

pub(super) fn a_new_length_drops_setuid_and_setgid(t: &Fixture) {
    if !t.has(Has::MODES) {
        return;
    }
    let node = t.file(t.root(), "f", b"xyz");
    t.set(&node, mode(0o6755)).unwrap();
    t.set(&node, size(1)).unwrap();
    assert_eq!(t.stat(&node).mode, 0o100755);
    t.set(&node, mode(0o6755)).unwrap();
    t.open(&node, WRITE | crate::OpenFlags::TRUNCATE).unwrap();
    assert_eq!(t.stat(&node).mode, 0o100755);
}

pub(super) fn every_permission_bit_is_kept(t: &Fixture) {
    if !t.has(Has::MODES) {
        return;
    }
    let (file, dir) = (t.file(t.root(), "f", b""), t.dir(t.root(), "d"));
    for bits in [0o7777, 0o4000, 0o2010, 0o1000, 0o777, 0o000, 0o644, 0o755] {
        t.set(&file, mode(bits)).unwrap();
        assert_eq!(t.stat(&file).mode, 0o100000 | bits, "{bits:o}");
        t.set(&dir, mode(bits)).unwrap();
        assert_eq!(t.stat(&dir).mode, 0o040000 | bits, "{bits:o}");
    }
}

pub(super) fn type_bits_of_a_new_mode_are_ignored(t: &Fixture) {
    let (file, dir) = (t.file(t.root(), "f", b""), t.dir(t.root(), "d"));
    t.set(&file, mode(0o040755)).unwrap();
    t.set(&dir, mode(0o100700)).unwrap();
    let kind = |node| FileKind::from_mode(t.stat(node).mode);
    assert_eq!(kind(&file), Some(FileKind::Regular));
    assert_eq!(kind(&dir), Some(FileKind::Directory));
}

pub(super) fn the_mode_of_a_fifo_is_set(t: &Fixture) {
    let what = Make::Node {
        kind: FileKind::Fifo,
        mode: 0o644,
        device: Device::default(),
    };
    t.make(t.root(), "p", what).unwrap();
    let fifo = t.at("p");
    t.set(&fifo, mode(0o600)).unwrap();
    let attr = t.stat(&fifo);
    assert_eq!(FileKind::from_mode(attr.mode), Some(FileKind::Fifo));
    if t.has(Has::MODES) {
        assert_eq!(attr.mode & 0o7777, 0o600);
    }
}

pub(super) fn owner_and_group_are_set_apart(t: &Fixture) {
    if !t.has(Has::OWNERS) {
        return;
    }
    let file = t.file(t.root(), "f", b"");
    let dir = t.dir(t.root(), "d");
    let link = t.symlink(t.root(), "l", b"f");
    for node in [&file, &dir, &link] {
        let first = SetAttr {
            uid: Some(11),
            gid: Some(22),
            ..SetAttr::default()
        };
        t.set(node, first).unwrap();
        let uid = SetAttr {
            uid: Some(33),
            ..SetAttr::default()
        };
        t.set(node, uid).unwrap();
        let attr = t.stat(node);
        assert_eq!((attr.uid, attr.gid), (33, 22));
        let gid = SetAttr {
            gid: Some(44),
            ..SetAttr::default()
        };
        t.set(node, gid).unwrap();
        let attr = t.stat(node);
        assert_eq!((attr.uid, attr.gid), (33, 44));
    }
}

pub(super) fn times_are_set_to_the_nanosecond(t: &Fixture) {
    let file = t.file(t.root(), "f", b"");
    let dir = t.dir(t.root(), "d");
    let link = t.symlink(t.root(), "l", b"f");
    let other = Time {
        sec: 1_234_567_890,
        nsec: 999_999_999,
    };
    for node in [&file, &dir, &link] {
        let changes = times(Some(SetTime::At(OLD)), Some(SetTime::At(other)));
        t.set(node, changes).unwrap();
        let attr = t.stat(node);
        assert_eq!((attr.atime, attr.mtime), (OLD, other));
    }
    let attr = t.stat(&file);
    assert!(attr.ctime > other, "the change time is not the client's");
}

pub(super) fn a_time_that_is_not_named_stays(t: &Fixture) {
    let node = t.file(t.root(), "f", b"");
    let both = times(Some(SetTime::At(OLD)), Some(SetTime::At(OLD)));
    t.set(&node, both).unwrap();
    t.set(&node, times(None, Some(SetTime::Now))).unwrap();
    let attr = t.stat(&node);
    assert_eq!(attr.atime, OLD);
    assert!(attr.mtime > OLD);
    t.set(&node, both).unwrap();
    t.set(&node, times(Some(SetTime::Now), None)).unwrap();
    let attr = t.stat(&node);
    assert_eq!(attr.mtime, OLD);
    assert!(attr.atime > OLD);
}

pub(super) fn a_change_of_content_moves_the_modification_time(t: &Fixture) {
    let (node, open) = t.open_file(t.root(), "f", b"xyz");
    let old = times(None, Some(SetTime::At(OLD)));
    t.set(&node, old).unwrap();
    t.write_all(&open, 0, b"y");
    assert!(t.stat(&node).mtime > OLD);
    t.set(&node, old).unwrap();
    t.set(&node, size(1)).unwrap();
    assert!(t.stat(&node).mtime > OLD);
    t.set(&node, old).unwrap();
    t.set(&node, mode(0o600)).unwrap();
    assert_eq!(t.stat(&node).mtime, OLD);
}

pub(super) fn a_change_of_entries_moves_the_modification_time(t: &Fixture) {
    let dir = t.dir(t.root(), "d");
    let old = times(None, Some(SetTime::At(OLD)));
    let moved = |act: &dyn Fn()| {
        t.set(&dir, old).unwrap();
        act();
        assert!(t.stat(&dir).mtime > OLD);
    };
    moved(&|| drop(t.file(&dir, "f", b"")));
    moved(&|| t.link(&t.at("d/f"), &dir, "g").unwrap());
    moved(&|| t.rename((&dir, "g"), (&dir, "h")).unwrap());
    moved(&|| t.remove(&dir, "h", crate::Removal::File).unwrap());
    moved(&|| drop(t.dir(&dir, "sub")));
}

pub(super) fn every_change_moves_the_change_time(t: &Fixture) {
    let (node, open) = t.open_file(t.root(), "f", b"");
    moves_ctime(t, &node, || t.write_all(&open, 0, b"x"));
    moves_ctime(t, &node, || t.set(&node, mode(0o640)).unwrap());
    moves_ctime(t, &node, || t.set(&node, size(3)).unwrap());
    let at = times(None, Some(SetTime::At(OLD)));
    moves_ctime(t, &node, || t.set(&node, at).unwrap());
    let mut called = 0;
    moves_ctime(t, &node, || {
        called += 1;
        t.link(&node, t.root(), &format!("l{called}")).unwrap();
    });
}

pub(super) fn the_change_time_is_moved_by_itself(t: &Fixture) {
    let node = t.file(t.root(), "f", b"x");
    let before = t.stat(&node);
    let alone = SetAttr {
        ctime: true,
        ..SetAttr::default()
    };
    moves_ctime(t, &node, || t.set(&node, alone).unwrap());
    let after = t.stat(&node);
    assert_eq!(
        (after.mode, after.uid, after.gid, after.size, after.mtime),
        (
            before.mode,
            before.uid,
            before.gid,
            before.size,
            before.mtime
        )
    );
}

pub(super) fn nothing_to_set_is_no_error(t: &Fixture) {
    let node = t.file(t.root(), "f", b"x");
    let before = t.stat(&node);
    t.set(&node, SetAttr::default()).unwrap();
    let after = t.stat(&node);
    assert_eq!(
        (after.mode, after.size, after.mtime),
        (before.mode, before.size, before.mtime)
    );
}

pub(super) fn attributes_are_set_together(t: &Fixture) {
    let node = t.file(t.root(), "f", b"0123");
    let changes = SetAttr {
        mode: Some(0o600),
        size: Some(2),
        atime: Some(SetTime::At(OLD)),
        ..SetAttr::default()
    };
    t.set(&node, changes).unwrap();
    let attr = t.stat(&node);
    assert_eq!((attr.size, attr.atime), (2, OLD));
    if t.has(Has::MODES) {
        assert_eq!(attr.mode, 0o100600);
    }
}

/// A size sets the time and takes setuid away, an owner too, unless both are asked for.
pub(super) fn no_attribute_that_is_set_undoes_another(t: &Fixture) {
    let node = t.file(t.root(), "f", b"0123");
    let changes = SetAttr {
        mode: Some(0o4755),
        uid: t.has(Has::OWNERS).then_some(11),
        size: Some(2),
        mtime: Some(SetTime::At(OLD)),
        ..SetAttr::default()
    };
    t.set(&node, changes).unwrap();
    let attr = t.stat(&node);
    assert_eq!((attr.size, attr.mtime), (2, OLD));
    if t.has(Has::MODES) {
        assert_eq!(attr.mode, 0o104755);
    }
}

pub(super) fn size_and_blocks_follow_the_content(t: &Fixture) {
    let (node, open) = t.open_file(t.root(), "f", b"");
    assert_eq!((t.stat(&node).size, t.stat(&node).nlink), (0, 1));
    t.write_all(&open, 0, &[1; 100_000]);
    t.fs().sync(&t.cx(), &open, false).unwrap();
    let attr = t.stat(&node);
    assert_eq!(attr.size, 100_000);
    assert!(attr.blocks > 0);
    assert!(attr.blksize > 0);
}

pub(super) fn a_qid_version_follows_the_content(t: &Fixture) {
    let (node, opened) = t.create(t.root(), "f", RDWR, 0o644).unwrap();
    let mut last = t.stat(&node).qid.version;
    for at in 0..20 {
        assert_ne!(last, 0, "a client would not cache");
        t.write_all(&opened.open, at, b"x");
        let version = t.stat(&node).qid.version;
        assert_ne!(version, last);
        last = version;
    }
}

pub(super) fn a_generation_stays(t: &Fixture) {
    if !t.has(Has::GENERATION) {
        return;
    }
    let node = t.file(t.root(), "f", b"x");
    let want = StatWant::GENERATION;
    let generation = || t.fs().stat(&t.cx(), &node, None, want).unwrap().generation;
    let first = generation();
    assert!(first.is_some());
    t.rename((t.root(), "f"), (t.root(), "g")).unwrap();
    t.set(&node, mode(0o600)).unwrap();
    assert_eq!(generation(), first);
}

pub(super) fn a_birth_time_stays(t: &Fixture) {
    if !t.has(Has::BIRTH_TIME) {
        return;
    }
    let node = t.file(t.root(), "f", b"x");
    let want = StatWant::BTIME;
    let born = || t.fs().stat(&t.cx(), &node, None, want).unwrap().btime;
    let first = born().expect("a birth time");
    assert!(first > OLD);
    let old = times(Some(SetTime::At(OLD)), Some(SetTime::At(OLD)));
    t.set(&node, old).unwrap();
    assert_eq!(born(), Some(first));
}

pub(super) fn an_open_file_has_its_nodes_attributes(t: &Fixture) {
    let (node, open) = t.open_file(t.root(), "f", b"x");
    let by_open = t.fs().stat(&t.cx(), &node, Some(&open), StatWant::empty());
    assert_eq!(by_open.unwrap(), t.stat(&node));
    let changes = size(9);
    t.fs().set(&t.cx(), &node, Some(&open), &changes).unwrap();
    assert_eq!(t.stat(&node).size, 9);
}
