//! The cases, and what they are written with.

use std::fmt::Debug;

use virtfs_client::{Entry, Error, Fid, File, LopenFlags};

use super::{Has, Site};

/// What must hold, and what it takes to try it.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) needs: Has,
    pub(super) run: fn(&Site),
}

/// A group's table: `what it needs => cases;`.
macro_rules! cases {
    ($($needs:expr => $($name:ident)+;)*) => {
        pub(in crate::protocol) const CASES: &[$crate::protocol::cases::Case] = &[
            $($($crate::protocol::cases::Case {
                name: stringify!($name),
                needs: $needs,
                run: $name,
            },)+)*
        ];
    };
}

pub(super) mod attach;
pub(super) mod attributes;
pub(super) mod blocking;
pub(super) mod connection;
pub(super) mod create;
pub(super) mod io;
pub(super) mod link;
pub(super) mod list;
pub(super) mod locks;
pub(super) mod lookup;
pub(super) mod make;
pub(super) mod names;
pub(super) mod open;
pub(super) mod remove;
pub(super) mod rename;
pub(super) mod times;
pub(super) mod transfer;
pub(super) mod unlinked;
pub(super) mod version;
pub(super) mod walk;
pub(super) mod xattrs;

/// Needs nothing.
pub(super) const ANY: Has = Has::empty();

/// More of Linux's error numbers than [`crate::errno`] has.
#[allow(missing_docs, reason = "the names are those of errno(3)")]
pub(super) mod errno {
    pub(in crate::protocol) use crate::errno::*;

    pub(in crate::protocol) const EFBIG: u32 = 27;
    pub(in crate::protocol) const ENOSYS: u32 = 38;
    pub(in crate::protocol) const ETIMEDOUT: u32 = 110;
}

/// That a call failed, with one of these errors.
#[track_caller]
pub(super) fn fails<T: Debug>(result: Result<T, Error>, errnos: &[u32]) {
    match result {
        Ok(value) => panic!("it did not fail with {errnos:?} but gave {value:?}"),
        Err(error) => assert!(
            errnos.contains(&error.errno().cast_unsigned()),
            "it failed with {error:?} instead of {errnos:?}"
        ),
    }
}

/// Makes a file with this content.
#[track_caller]
pub(super) fn put(dir: &Fid, name: &[u8], content: &[u8]) -> Fid {
    let file = create(dir, name);
    file.write_all_at(content, 0).unwrap();
    file.clunk().unwrap();
    dir.walk(&[name]).unwrap()
}

/// Makes a file and opens it for reading and writing.
#[track_caller]
pub(super) fn create(dir: &Fid, name: &[u8]) -> File {
    let flags = LopenFlags::RDWR | LopenFlags::EXCL;
    dir.create(name, flags, 0o644, 0).unwrap()
}

/// Makes a directory.
#[track_caller]
pub(super) fn mkdir(dir: &Fid, name: &str) -> Fid {
    dir.mkdir(name.as_bytes(), 0o755, 0).unwrap();
    dir.walk(&[name]).unwrap()
}

/// All that a file holds.
#[track_caller]
pub(super) fn content(file: &Fid) -> Vec<u8> {
    let size = file.attributes().unwrap().size;
    assert!(size < 64 << 20, "no case makes such a file: {size} bytes");
    read(
        &file.open(LopenFlags::RDONLY).unwrap(),
        0,
        size as usize + 10,
    )
}

/// At most so many bytes from an offset on.
#[track_caller]
pub(super) fn read(file: &File, offset: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0xee; count];
    let count = file.read_at(&mut bytes, offset).unwrap();
    bytes.truncate(count);
    bytes
}

/// Bytes that tell where they belong.
pub(super) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 % 251) as u8).collect()
}

/// The entries of a directory but for the dots, by name.
#[track_caller]
pub(super) fn entries(dir: &Fid) -> Vec<Entry> {
    let all: Result<Vec<_>, _> = dir.read_dir().unwrap().collect();
    let mut entries = all.unwrap();
    entries.retain(|entry| entry.name != b"." && entry.name != b"..");
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// The names in a directory but for the dots, sorted.
#[track_caller]
pub(super) fn names(dir: &Fid) -> Vec<Vec<u8>> {
    entries(dir).into_iter().map(|entry| entry.name).collect()
}
