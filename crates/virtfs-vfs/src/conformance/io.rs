//! Open files: reading, writing, appending.

use super::Fixture;
use super::ops::{RDWR, READ, WRITE, fails};
use crate::{DirEntry, Errno, OpenFlags, SetAttr};

pub(super) fn a_read_starts_at_its_offset(t: &Fixture) {
    let (_, open) = t.open_file(t.root(), "f", b"0123456789");
    assert_eq!(t.read(&open, 0, 4).unwrap(), b"0123");
    assert_eq!(t.read(&open, 4, 4).unwrap(), b"4567");
    assert_eq!(t.read(&open, 8, 4).unwrap(), b"89");
    assert_eq!(t.read(&open, 10, 4).unwrap(), b"");
    assert_eq!(t.read(&open, 1 << 40, 4).unwrap(), b"");
    assert_eq!(t.read(&open, 5, 0).unwrap(), b"");
}

pub(super) fn a_write_changes_its_bytes_alone(t: &Fixture) {
    let (node, open) = t.open_file(t.root(), "f", b"0123456789");
    t.write_all(&open, 3, b"abc");
    assert_eq!(t.content(&node), b"012abc6789");
    t.write_all(&open, 8, b"xyz");
    assert_eq!(t.content(&node), b"012abc67xyz");
    assert_eq!(t.stat(&node).size, 11);
}

pub(super) fn an_empty_write_changes_nothing(t: &Fixture) {
    let (node, open) = t.open_file(t.root(), "f", b"x");
    assert_eq!(t.write(&open, 1000, b""), Ok(0));
    assert_eq!(t.stat(&node).size, 1);
}

pub(super) fn a_hole_reads_as_zeros(t: &Fixture) {
    let (node, open) = t.open_file(t.root(), "f", b"a");
    let far = 64 << 20;
    t.write_all(&open, far, b"z");
    let attr = t.stat(&node);
    assert_eq!(attr.size, far + 1);
    assert!(attr.blocks * 512 < far, "a hole takes no space");
    assert_eq!(t.read(&open, 0, 3).unwrap(), b"a\0\0");
    assert_eq!(t.read(&open, far - 2, 9).unwrap(), b"\0\0z");
}

pub(super) fn a_large_file_is_what_was_written(t: &Fixture) {
    let bytes: Vec<u8> = (0..3_000_017_u32)
        .map(|i| (i * 7 + (i >> 9)) as u8)
        .collect();
    let (node, opened) = t.create(t.root(), "f", RDWR, 0o644).unwrap();
    let mut at = 0;
    for chunk in bytes.chunks(700_001) {
        let mut done = 0;
        while done < chunk.len() {
            done += t
                .write(&opened.open, at + done as u64, &chunk[done..])
                .unwrap();
        }
        at += chunk.len() as u64;
    }
    assert_eq!(t.stat(&node).size, bytes.len() as u64);
    let mut got = Vec::new();
    loop {
        let part = t.read(&opened.open, got.len() as u64, 123_457).unwrap();
        if part.is_empty() {
            break;
        }
        got.extend(part);
    }
    assert!(got == bytes);
}

pub(super) fn an_append_goes_to_the_end_whatever_its_offset(t: &Fixture) {
    let (node, _) = t.open_file(t.root(), "f", b"0123");
    let append = t.open(&node, WRITE | OpenFlags::APPEND).unwrap();
    t.write_all(&append, 0, b"ab");
    t.write_all(&append, 1, b"cd");
    assert_eq!(t.content(&node), b"0123abcd");
    let (_, opened) = t
        .create(t.root(), "g", RDWR | OpenFlags::APPEND, 0o644)
        .unwrap();
    t.write_all(&opened.open, 7, b"x");
    assert_eq!(t.read(&opened.open, 0, 9).unwrap(), b"x");
}

pub(super) fn two_appenders_overwrite_nothing(t: &Fixture) {
    let (node, _) = t.open_file(t.root(), "f", b"");
    let flags = WRITE | OpenFlags::APPEND;
    let (a, b) = (t.open(&node, flags).unwrap(), t.open(&node, flags).unwrap());
    for _ in 0..3 {
        t.write_all(&a, 0, b"aa");
        t.write_all(&b, 0, b"bb");
    }
    assert_eq!(t.content(&node), b"aabbaabbaabb");
}

pub(super) fn an_open_that_truncates_leaves_nothing(t: &Fixture) {
    let (node, _) = t.open_file(t.root(), "f", b"old");
    let opened = t.fs().open(&t.cx(), &node, WRITE | OpenFlags::TRUNCATE);
    let opened = opened.unwrap();
    let attr = t.stat(&node);
    assert_eq!(attr.size, 0);
    assert_eq!(opened.qid, attr.qid);
    t.write_all(&opened.open, 0, b"new");
    assert_eq!(t.content(&node), b"new");
}

pub(super) fn a_file_is_used_only_as_it_was_opened(t: &Fixture) {
    let (node, _) = t.open_file(t.root(), "f", b"x");
    let (reader, writer) = (t.open(&node, READ).unwrap(), t.open(&node, WRITE).unwrap());
    fails(t.write(&reader, 0, b"y"), &[Errno::EBADF]);
    fails(t.read(&writer, 0, 1), &[Errno::EBADF]);
    assert_eq!(t.content(&node), b"x");
}

pub(super) fn a_directory_is_opened_for_reading_alone(t: &Fixture) {
    for flags in [WRITE, RDWR, READ | OpenFlags::TRUNCATE] {
        fails(t.open(t.root(), flags), &[Errno::EISDIR]);
        let flags = flags | OpenFlags::DIRECTORY;
        fails(t.open(t.root(), flags), &[Errno::EISDIR, Errno::EINVAL]);
    }
    t.open(t.root(), READ).unwrap();
    t.open(t.root(), READ | OpenFlags::DIRECTORY).unwrap();
}

pub(super) fn a_file_is_not_opened_as_a_directory(t: &Fixture) {
    let file = t.file(t.root(), "f", b"");
    fails(
        t.open(&file, READ | OpenFlags::DIRECTORY),
        &[Errno::ENOTDIR],
    );
}

pub(super) fn a_directory_is_not_read_and_a_file_not_listed(t: &Fixture) {
    let dir = t.open(t.root(), READ).unwrap();
    fails(t.read(&dir, 0, 10), &[Errno::EISDIR]);
    let (_, file) = t.open_file(t.root(), "f", b"x");
    let mut take = |_: &DirEntry<'_>| true;
    let listed = t.fs().list(&t.cx(), &file, 0, &mut take);
    fails(listed, &[Errno::ENOTDIR]);
}

pub(super) fn two_open_files_of_one_file_see_each_other(t: &Fixture) {
    let (node, a) = t.open_file(t.root(), "f", b"old");
    let b = t.open(&node, RDWR).unwrap();
    t.write_all(&a, 0, b"new");
    assert_eq!(t.read(&b, 0, 9).unwrap(), b"new");
    let changes = SetAttr {
        size: Some(1),
        ..SetAttr::default()
    };
    t.set(&node, changes).unwrap();
    assert_eq!(t.read(&a, 0, 9).unwrap(), b"n");
}

pub(super) fn flags_that_concern_storage_are_accepted(t: &Fixture) {
    let (node, _) = t.open_file(t.root(), "f", b"x");
    for flag in [OpenFlags::SYNC, OpenFlags::DSYNC, OpenFlags::NOATIME] {
        let open = t.open(&node, RDWR | flag).unwrap();
        t.write_all(&open, 0, b"y");
        assert_eq!(t.read(&open, 0, 1).unwrap(), b"y");
        t.fs().sync(&t.cx(), &open, true).unwrap();
        t.fs().sync(&t.cx(), &open, false).unwrap();
    }
    let dir = t.open(t.root(), READ).unwrap();
    t.fs().sync(&t.cx(), &dir, false).unwrap();
}

pub(super) fn a_write_where_no_file_reaches_is_refused(t: &Fixture) {
    let (node, open) = t.open_file(t.root(), "f", b"x");
    for offset in [1 << 63, u64::MAX] {
        fails(t.write(&open, offset, b"y"), &[Errno::EINVAL, Errno::EFBIG]);
    }
    assert_eq!(t.stat(&node).size, 1);
}

pub(super) fn an_open_file_outlives_its_node(t: &Fixture) {
    let (node, open) = t.open_file(t.root(), "f", b"x");
    drop(node);
    t.write_all(&open, 1, b"y");
    assert_eq!(t.read(&open, 0, 9).unwrap(), b"xy");
}
