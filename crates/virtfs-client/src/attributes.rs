//! What files and file systems say about themselves.

use virtfs_proto::{Rgetattr, Rstatfs, SetattrMask, Tsetattr};

use crate::{GetattrMask, Qid, Timespec};

/// A file's attributes, as `Rgetattr` has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Which of the following mean something.
    pub valid: GetattrMask,
    /// The file.
    pub qid: Qid,
    /// Type and permissions, as `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of hard links.
    pub nlink: u64,
    /// A device node's device number.
    pub rdev: u64,
    /// Size in bytes.
    pub size: u64,
    /// The size for efficient I/O, in bytes.
    pub blksize: u64,
    /// Size on disk in units of 512 bytes.
    pub blocks: u64,
    /// Time of last access.
    pub atime: Timespec,
    /// Time of last modification.
    pub mtime: Timespec,
    /// Time of last change of the inode.
    pub ctime: Timespec,
    /// Time of creation.
    pub btime: Timespec,
    /// Generation of the inode.
    pub generation: u64,
    /// Version of the data.
    pub data_version: u64,
}

/// What to set about a file; the default sets nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetAttributes {
    /// Permissions.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Time of last access.
    pub atime: Option<SetTime>,
    /// Time of last modification.
    pub mtime: Option<SetTime>,
    /// The time of last change becomes now.
    pub ctime: bool,
}

/// A time to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetTime {
    /// The server's now.
    Now,
    /// This time.
    At(Timespec),
}

/// A file system's numbers, as statfs(2) and `Rstatfs` have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statfs {
    /// The file system's magic number.
    pub kind: u32,
    /// The size of a block in bytes; the following three count such blocks.
    pub bsize: u32,
    /// All blocks.
    pub blocks: u64,
    /// Free blocks.
    pub bfree: u64,
    /// Blocks free for unprivileged users.
    pub bavail: u64,
    /// All inodes.
    pub files: u64,
    /// Free inodes.
    pub ffree: u64,
    /// The file system's identity.
    pub fsid: u64,
    /// The longest name in bytes.
    pub namelen: u32,
}

impl From<Rgetattr> for Attributes {
    fn from(reply: Rgetattr) -> Attributes {
        Attributes {
            valid: reply.valid,
            qid: reply.qid,
            mode: reply.mode,
            uid: reply.uid,
            gid: reply.gid,
            nlink: reply.nlink,
            rdev: reply.rdev,
            size: reply.size,
            blksize: reply.blksize,
            blocks: reply.blocks,
            atime: reply.atime,
            mtime: reply.mtime,
            ctime: reply.ctime,
            btime: reply.btime,
            generation: reply.generation,
            data_version: reply.data_version,
        }
    }
}

impl From<Rstatfs> for Statfs {
    fn from(reply: Rstatfs) -> Statfs {
        Statfs {
            kind: reply.kind,
            bsize: reply.bsize,
            blocks: reply.blocks,
            bfree: reply.bfree,
            bavail: reply.bavail,
            files: reply.files,
            ffree: reply.ffree,
            fsid: reply.fsid,
            namelen: reply.namelen,
        }
    }
}

impl SetAttributes {
    pub(crate) fn message(&self, fid: u32) -> Tsetattr {
        let mut valid = SetattrMask::empty();
        valid.set(SetattrMask::MODE, self.mode.is_some());
        valid.set(SetattrMask::UID, self.uid.is_some());
        valid.set(SetattrMask::GID, self.gid.is_some());
        valid.set(SetattrMask::SIZE, self.size.is_some());
        valid.set(SetattrMask::ATIME, self.atime.is_some());
        valid.set(SetattrMask::MTIME, self.mtime.is_some());
        valid.set(SetattrMask::CTIME, self.ctime);
        let mut time = |set: Option<SetTime>, flag| match set {
            Some(SetTime::At(time)) => {
                valid.insert(flag);
                time
            }
            Some(SetTime::Now) | None => Timespec::default(),
        };
        let (atime, mtime) = (
            time(self.atime, SetattrMask::ATIME_SET),
            time(self.mtime, SetattrMask::MTIME_SET),
        );
        Tsetattr {
            fid,
            valid,
            mode: self.mode.unwrap_or_default(),
            uid: self.uid.unwrap_or_default(),
            gid: self.gid.unwrap_or_default(),
            size: self.size.unwrap_or_default(),
            atime,
            mtime,
        }
    }
}
