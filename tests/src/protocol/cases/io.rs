//! Reads and writes of open files.

use std::io::{Read, Seek, SeekFrom, Write};

use virtfs_client::{LopenFlags as O, SetAttributes};

use super::errno::{EFBIG, EINVAL, EISDIR};
use super::{ANY, content, create, fails, pattern, put, read};
use crate::protocol::{Has, Site, sample};

cases! {
    ANY =>
        a_read_starts_at_its_offset
        a_read_ends_with_the_file
        a_read_of_nothing_gives_nothing
        a_cursor_reads_on;
    Has::WRITE =>
        a_write_changes_its_bytes_alone
        a_write_of_nothing_changes_nothing
        a_hole_reads_as_zeros
        a_write_where_no_file_reaches_is_refused
        a_file_is_cut_and_extended
        only_files_are_cut
        what_one_writes_the_other_reads
        a_cursor_writes_on
        all_bytes_arrive
        what_was_written_is_synced;
}

fn a_read_starts_at_its_offset(site: &Site) {
    let file = site.numbers().open(O::RDONLY).unwrap();
    let all = pattern(sample::NUMBERS);
    for (offset, count) in [(0, 1), (1, 1), (4095, 3), (100_000, 1000), (32_768, 4096)] {
        assert_eq!(
            read(&file, offset as u64, count),
            all[offset..offset + count]
        );
    }
}

fn a_read_ends_with_the_file(site: &Site) {
    let file = site.hello().open(O::RDONLY).unwrap();
    let size = sample::HELLO.len() as u64;
    assert_eq!(read(&file, 7, 1000), &sample::HELLO[7..]);
    assert_eq!(read(&file, size - 1, 10), b"\n");
    for past in [size, size + 1, 1 << 40, i64::MAX as u64 - 1000] {
        assert_eq!(read(&file, past, 10), b"");
    }
    // Past what any file can be, the end or an error, but no bytes.
    match file.read_at(&mut [0; 10], u64::MAX - 20) {
        Ok(count) => assert_eq!(count, 0),
        error => fails(error, &[EINVAL]),
    }
}

fn a_read_of_nothing_gives_nothing(site: &Site) {
    let file = site.hello().open(O::RDONLY).unwrap();
    assert_eq!(file.read_at(&mut [], 3).unwrap(), 0);
    assert!(file.read_chunk(0, 3).unwrap().is_empty());
}

fn a_cursor_reads_on(site: &Site) {
    let file = site.numbers().open(O::RDONLY).unwrap();
    let mut cursor = file.cursor();
    let mut start = [0; 1000];
    cursor.read_exact(&mut start).unwrap();
    let mut rest = Vec::new();
    cursor.read_to_end(&mut rest).unwrap();
    assert!([&start[..], &rest].concat() == pattern(sample::NUMBERS));
    assert_eq!(
        cursor.seek(SeekFrom::End(-3)).unwrap(),
        sample::NUMBERS as u64 - 3
    );
    assert_eq!(cursor.read(&mut start).unwrap(), 3);
    cursor.seek(SeekFrom::Start(10)).unwrap();
    assert_eq!(cursor.seek(SeekFrom::Current(-4)).unwrap(), 6);
    cursor.read_exact(&mut start[..1]).unwrap();
    assert_eq!(start[0], 42);
    assert!(cursor.seek(SeekFrom::Current(-100)).is_err());
}

fn a_write_changes_its_bytes_alone(site: &Site) {
    let fid = put(site.root(), b"f", b"0123456789");
    let file = fid.open(O::WRONLY).unwrap();
    assert_eq!(file.write_at(b"ab", 3).unwrap(), 2);
    assert_eq!(content(&fid), b"012ab56789");
    assert_eq!(file.write_at(b"cdef", 8).unwrap(), 4);
    assert_eq!(content(&fid), b"012ab567cdef");
}

fn a_write_of_nothing_changes_nothing(site: &Site) {
    let fid = put(site.root(), b"f", b"0123");
    let file = fid.open(O::WRONLY).unwrap();
    assert_eq!(file.write_at(b"", 100).unwrap(), 0);
    file.write_all_at(b"", 2).unwrap();
    assert_eq!(content(&fid), b"0123");
}

fn a_hole_reads_as_zeros(site: &Site) {
    let file = create(site.root(), b"f");
    let far = (5 << 30) + 123;
    assert_eq!(file.write_at(b"end", far).unwrap(), 3);
    assert_eq!(file.write_at(b"start", 0).unwrap(), 5);
    let attributes = file.attributes().unwrap();
    assert_eq!(attributes.size, far + 3);
    assert!(attributes.blocks < 1000, "it is sparse");
    assert_eq!(read(&file, 0, 8), b"start\0\0\0");
    assert!(read(&file, 1 << 30, 100_000) == [0; 100_000]);
    assert_eq!(read(&file, far - 2, 10), b"\0\0end");
}

fn a_write_where_no_file_reaches_is_refused(site: &Site) {
    let file = create(site.root(), b"f");
    for offset in [i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX - 10] {
        fails(file.write_at(b"0123456789", offset), &[EINVAL, EFBIG]);
    }
    assert_eq!(file.attributes().unwrap().size, 0);
}

fn a_file_is_cut_and_extended(site: &Site) {
    let to = |size| SetAttributes {
        size: Some(size),
        ..Default::default()
    };
    let fid = put(site.root(), b"f", b"0123456789");
    fid.setattr(&to(4)).unwrap();
    assert_eq!(content(&fid), b"0123");
    fid.setattr(&to(6)).unwrap();
    assert_eq!(content(&fid), b"0123\0\0");
    let file = fid.open(O::RDWR).unwrap();
    file.setattr(&to(2)).unwrap();
    file.setattr(&to(10_000)).unwrap();
    assert_eq!(file.attributes().unwrap().size, 10_000);
    assert_eq!(read(&file, 0, 4), b"01\0\0");
    fails(fid.setattr(&to(u64::MAX)), &[EINVAL, EFBIG]);
    assert_eq!(fid.attributes().unwrap().size, 10_000);
    // The fid may do it though this open file may not be written.
    fid.open(O::RDONLY).unwrap().setattr(&to(0)).unwrap();
    assert_eq!(content(&fid), b"");
}

fn only_files_are_cut(site: &Site) {
    let root = site.root();
    let cut = SetAttributes {
        size: Some(0),
        ..Default::default()
    };
    fails(root.setattr(&cut), &[EISDIR]);
    root.symlink(b"l", b"x", 0).unwrap();
    root.mknod(b"p", 0o010644, 0, 0, 0).unwrap();
    for name in ["l", "p"] {
        fails(root.walk(&[name]).unwrap().setattr(&cut), &[EINVAL]);
    }
}

fn what_one_writes_the_other_reads(site: &Site) {
    let fid = put(site.root(), b"f", b"0000000000");
    let other = site.second().walk(&["f"]).unwrap();
    let (here, there) = (fid.open(O::RDWR).unwrap(), other.open(O::RDWR).unwrap());
    for round in 0..20_u8 {
        here.write_all_at(&[round; 3], 1).unwrap();
        assert_eq!(read(&there, 1, 3), [round; 3]);
        there.write_all_at(&[round; 2], 8).unwrap();
        assert_eq!(read(&here, 8, 10), [round; 2]);
    }
    assert_eq!(here.attributes().unwrap().size, 10);
}

fn a_cursor_writes_on(site: &Site) {
    let file = create(site.root(), b"f");
    let mut cursor = file.cursor();
    for line in 0..100 {
        writeln!(cursor, "line {line}").unwrap();
    }
    cursor.flush().unwrap();
    cursor.seek(SeekFrom::Start(5)).unwrap();
    cursor.write_all(b"X").unwrap();
    let text = String::from_utf8(read(&file, 0, 10_000)).unwrap();
    assert!(text.starts_with("line X\nline 1\n"), "{text}");
    assert!(text.ends_with("line 98\nline 99\n"));
    assert_eq!(text.lines().count(), 100);
}

fn all_bytes_arrive(site: &Site) {
    let bytes: Vec<u8> = (0..=255).cycle().take(1024).collect();
    let fid = put(site.root(), b"f", &bytes);
    assert!(content(&fid) == bytes);
}

fn what_was_written_is_synced(site: &Site) {
    let file = create(site.root(), b"f");
    file.write_all_at(b"x", 0).unwrap();
    file.fsync(false).unwrap();
    file.fsync(true).unwrap();
    let directory = site.root().open(O::DIRECTORY).unwrap();
    directory.fsync(false).unwrap();
    assert_eq!(read(&file, 0, 2), b"x");
}
