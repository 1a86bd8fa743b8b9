//! What clients do with owners, modes and kinds of files, by the client library.

use virtfs_client::{Attributes, Error, Fid, File, LopenFlags, Result, SetAttributes};

pub(crate) const EPERM: i32 = 1;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const EROFS: i32 = 30;
pub(crate) const EOPNOTSUPP: i32 = 95;

pub(crate) const FIFO: u32 = 0o010_000;
pub(crate) const CHARACTER_DEVICE: u32 = 0o020_000;
pub(crate) const DIRECTORY: u32 = 0o040_000;
pub(crate) const REGULAR: u32 = 0o100_000;
pub(crate) const SYMLINK: u32 = 0o120_000;
pub(crate) const SOCKET: u32 = 0o140_000;

/// Makes a file, and leaves it open.
pub(crate) fn create(dir: &Fid, name: &str, mode: u32, gid: u32) -> Result<File> {
    let flags = LopenFlags::RDWR | LopenFlags::EXCL;
    dir.create(name.as_bytes(), flags, mode, gid)
}

/// Makes a special file or a device node 1:3.
pub(crate) fn mknod(dir: &Fid, name: &str, mode: u32, gid: u32) -> Result<()> {
    let (major, minor) = match mode & 0o170_000 {
        CHARACTER_DEVICE => (1, 3),
        _ => (0, 0),
    };
    dir.mknod(name.as_bytes(), mode, major, minor, gid)
        .map(drop)
}

pub(crate) fn stat(dir: &Fid, name: &str) -> Attributes {
    dir.stat_at(&[name]).unwrap()
}

/// User, group and mode.
pub(crate) fn seen(dir: &Fid, name: &str) -> (u32, u32, u32) {
    let attributes = stat(dir, name);
    (attributes.uid, attributes.gid, attributes.mode)
}

pub(crate) fn give(dir: &Fid, name: &str, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
    let to = SetAttributes {
        uid,
        gid,
        ..SetAttributes::default()
    };
    dir.walk(&[name])?.setattr(&to)
}

pub(crate) fn chmod(dir: &Fid, name: &str, mode: u32) -> Result<()> {
    let to = SetAttributes {
        mode: Some(mode),
        ..SetAttributes::default()
    };
    dir.walk(&[name])?.setattr(&to)
}

/// The errno with which a server refuses.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(done: Result<T>) -> i32 {
    match done {
        Err(Error::Server(errno)) => errno,
        other => panic!("it is not refused: {other:?}"),
    }
}

/// A POSIX ACL with entries for a user and a group.
pub(crate) fn acl(uid: u32, gid: u32) -> Vec<u8> {
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, id) in [
        (0x01_u16, u32::MAX),
        (0x02, uid),
        (0x04, u32::MAX),
        (0x08, gid),
        (0x10, u32::MAX),
        (0x20, u32::MAX),
    ] {
        acl.extend(tag.to_le_bytes());
        acl.extend(4_u16.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    acl
}
