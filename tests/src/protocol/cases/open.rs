//! Opening what exists.

use virtfs_client::{LopenFlags as O, QidType};

use super::errno::{EACCES, EBADF, EISDIR, ELOOP, ENOTDIR, ENXIO, EOPNOTSUPP};
use super::{ANY, content, fails, put, read};
use crate::protocol::{Has, Site, sample};

cases! {
    ANY =>
        an_open_file_is_read
        flags_that_concern_the_client_alone_are_accepted
        a_file_is_not_opened_as_a_directory
        a_directory_is_opened_for_reading_alone
        a_directory_is_not_read_as_a_file
        an_iounit_fits_the_messages
        one_file_is_opened_many_times
        a_file_open_for_reading_is_not_written;
    Has::FIXED =>
        a_file_that_cannot_be_written_is_not_opened_for_it;
    Has::WRITE =>
        a_file_is_used_only_as_it_was_opened
        an_open_that_truncates_leaves_nothing
        an_append_goes_to_the_end_whatever_its_offset
        appends_of_two_connections_overwrite_nothing
        writes_that_must_be_stable_are_accepted
        a_symlink_is_not_opened
        fifos_and_sockets_are_not_opened;
    Has::DEVICE_NODES =>
        device_nodes_are_not_opened;
}

fn an_open_file_is_read(site: &Site) {
    let hello = site.hello();
    let file = hello.open(O::RDONLY).unwrap();
    assert_eq!(file.qid().path, hello.qid().path);
    assert_eq!(file.qid().kind, QidType::empty());
    assert_eq!(read(&file, 0, 100), sample::HELLO);
    let attributes = file.attributes().unwrap();
    assert_eq!(attributes.qid.path, hello.qid().path);
    assert_eq!(attributes.size, sample::HELLO.len() as u64);
}

fn flags_that_concern_the_client_alone_are_accepted(site: &Site) {
    let hello = site.hello();
    for flags in [
        O::NOCTTY,
        O::NONBLOCK,
        O::FASYNC,
        O::DIRECT,
        O::LARGEFILE,
        O::NOFOLLOW,
        O::NOATIME,
        O::CLOEXEC,
        O::CREATE,
        O::CREATE | O::EXCL,
    ] {
        let file = hello.open(flags).unwrap();
        assert_eq!(read(&file, 7, 5), b"world", "{flags:?}");
    }
}

fn a_file_is_not_opened_as_a_directory(site: &Site) {
    let hello = site.hello();
    fails(hello.open(O::DIRECTORY), &[ENOTDIR]);
    fails(
        hello.read_dir().and_then(|mut d| d.next_batch()),
        &[ENOTDIR],
    );
    // The fid is as good as before.
    assert_eq!(content(&hello), sample::HELLO);
}

fn a_directory_is_opened_for_reading_alone(site: &Site) {
    for flags in [O::WRONLY, O::RDWR, O::TRUNC, O::WRONLY | O::DIRECTORY] {
        fails(site.root().open(flags), &[EISDIR]);
    }
    let directory = site.root().open(O::DIRECTORY).unwrap();
    assert_eq!(directory.qid().kind, QidType::DIR);
}

fn a_directory_is_not_read_as_a_file(site: &Site) {
    let directory = site.root().open(O::RDONLY).unwrap();
    fails(directory.read_at(&mut [0; 100], 0), &[EISDIR, EOPNOTSUPP]);
    fails(directory.write_at(b"x", 0), &[EISDIR, EBADF]);
}

fn an_iounit_fits_the_messages(site: &Site) {
    site.hello();
    for msize in [4096, 8192, 65_536, 1 << 20] {
        let root = site.with_msize(msize);
        let file = root.walk(&["hello"]).unwrap().open(O::RDONLY).unwrap();
        assert!((1..=msize - 24).contains(&file.iounit()), "{msize}");
        assert!(file.iounit() >= msize / 2, "{msize}");
        let attributes = file.attributes().unwrap();
        assert_eq!(attributes.blksize, u64::from(file.iounit()));
        assert_eq!(root.open(O::RDONLY).unwrap().iounit(), 0);
    }
}

fn one_file_is_opened_many_times(site: &Site) {
    let hello = site.hello();
    let files: Vec<_> = (0..100).map(|_| hello.open(O::RDONLY).unwrap()).collect();
    for file in files.iter().rev() {
        assert_eq!(read(file, 0, 5), b"hello");
    }
}

fn a_file_open_for_reading_is_not_written(site: &Site) {
    let file = site.hello().open(O::RDONLY).unwrap();
    fails(file.write_at(b"x", 0), &[EBADF]);
    fails(file.write_all_at(&[1; 100_000], 5), &[EBADF]);
    assert_eq!(read(&file, 0, 100), sample::HELLO);
}

fn a_file_that_cannot_be_written_is_not_opened_for_it(site: &Site) {
    let hello = site.hello();
    for flags in [O::WRONLY, O::RDWR, O::TRUNC] {
        fails(hello.open(flags), &[EACCES]);
    }
    assert_eq!(content(&hello), sample::HELLO);
}

fn a_file_is_used_only_as_it_was_opened(site: &Site) {
    let fid = put(site.root(), b"f", b"0123456789");
    let reads = |flags| fid.open(flags).unwrap().read_at(&mut [0; 4], 3);
    let writes = |flags| fid.open(flags).unwrap().write_at(b"xyz", 3);
    assert_eq!(reads(O::RDONLY).unwrap(), 4);
    assert_eq!(reads(O::RDWR).unwrap(), 4);
    fails(reads(O::WRONLY), &[EBADF]);
    fails(writes(O::RDONLY), &[EBADF]);
    assert_eq!(content(&fid), b"0123456789");
    assert_eq!(writes(O::WRONLY).unwrap(), 3);
    assert_eq!(content(&fid), b"012xyz6789");
    assert_eq!(writes(O::RDWR).unwrap(), 3);
}

fn an_open_that_truncates_leaves_nothing(site: &Site) {
    for access in [O::WRONLY, O::RDWR] {
        let fid = put(site.root(), b"f", b"0123456789");
        let file = fid.open(access | O::TRUNC).unwrap();
        assert_eq!(file.attributes().unwrap().size, 0);
        file.write_all_at(b"new", 0).unwrap();
        assert_eq!(content(&fid), b"new");
        fid.remove().unwrap();
    }
}

fn an_append_goes_to_the_end_whatever_its_offset(site: &Site) {
    let fid = put(site.root(), b"f", b"begun");
    let file = fid.open(O::WRONLY | O::APPEND).unwrap();
    for (offset, text) in [(0, &b" and"[..]), (1 << 40, b" gone"), (2, b" on")] {
        assert_eq!(file.write_at(text, offset).unwrap(), text.len());
    }
    assert_eq!(content(&fid), b"begun and gone on");
}

fn appends_of_two_connections_overwrite_nothing(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    let other = site.second().walk(&["f"]).unwrap();
    let (first, second) = (
        fid.open(O::WRONLY | O::APPEND),
        other.open(O::RDWR | O::APPEND),
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    for _ in 0..50 {
        first.write_all_at(b"a", 0).unwrap();
        second.write_all_at(b"b", 0).unwrap();
    }
    assert_eq!(content(&fid), b"ab".repeat(50));
}

fn writes_that_must_be_stable_are_accepted(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    for (flags, text) in [(O::SYNC, b"one"), (O::DSYNC, b"two")] {
        let file = fid.open(O::RDWR | flags).unwrap();
        assert_eq!(file.write_at(text, 0).unwrap(), 3);
        assert_eq!(content(&fid), text);
    }
}

fn a_symlink_is_not_opened(site: &Site) {
    let root = site.root();
    put(root, b"f", b"");
    root.symlink(b"link", b"f", 0).unwrap();
    root.symlink(b"dir", b".", 0).unwrap();
    for name in ["link", "dir"] {
        let link = root.walk(&[name]).unwrap();
        for flags in [O::RDONLY, O::WRONLY, O::NOFOLLOW] {
            fails(link.open(flags), &[ELOOP]);
        }
    }
}

fn fifos_and_sockets_are_not_opened(site: &Site) {
    let root = site.root();
    root.mknod(b"fifo", 0o010666, 0, 0, 0).unwrap();
    root.mknod(b"socket", 0o140666, 0, 0, 0).unwrap();
    for name in ["fifo", "socket"] {
        let special = root.walk(&[name]).unwrap();
        for flags in [O::RDONLY, O::WRONLY, O::RDWR | O::NONBLOCK, O::TRUNC] {
            fails(special.open(flags), &[ENXIO]);
        }
        fails(root.create(name.as_bytes(), O::RDWR, 0o644, 0), &[ENXIO]);
        special.attributes().unwrap();
    }
}

fn device_nodes_are_not_opened(site: &Site) {
    let root = site.root();
    // /dev/null, which would open if anything did.
    root.mknod(b"null", 0o020666, 1, 3, 0).unwrap();
    let null = root.walk(&["null"]).unwrap();
    for flags in [O::RDONLY, O::WRONLY, O::RDWR] {
        fails(null.open(flags), &[ENXIO]);
    }
}
