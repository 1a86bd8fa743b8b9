//! What the kernel is told of a file: attributes, entries, and the file system's totals.

use std::time::Duration;

use super::abi;

/// A point in time since the epoch; negative seconds lie before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Time {
    /// Whole seconds.
    pub sec: i64,
    /// Nanoseconds beyond them, below 10⁹.
    pub nsec: u32,
}

impl Time {
    fn encode(self) -> abi::SxTime {
        abi::SxTime {
            sec: self.sec,
            nsec: self.nsec,
            reserved: 0,
        }
    }
}

/// The attributes of a file (`struct fuse_attr`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attr {
    /// The number that stat(2) shows.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Blocks of 512 bytes.
    pub blocks: u64,
    /// Last access.
    pub atime: Time,
    /// Last change of the content.
    pub mtime: Time,
    /// Last change of the inode.
    pub ctime: Time,
    /// Type and permission bits.
    pub mode: u32,
    /// Number of hard links.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number in the kernel's encoding (`new_encode_dev`).
    pub rdev: u32,
    /// Preferred size of one transfer.
    pub blksize: u32,
}

impl Attr {
    pub(super) fn encode(&self) -> abi::Attr {
        abi::Attr {
            ino: self.ino,
            size: self.size,
            blocks: self.blocks,
            atime: self.atime.sec,
            mtime: self.mtime.sec,
            ctime: self.ctime.sec,
            atimensec: self.atime.nsec,
            mtimensec: self.mtime.nsec,
            ctimensec: self.ctime.nsec,
            mode: self.mode,
            nlink: self.nlink,
            uid: self.uid,
            gid: self.gid,
            rdev: self.rdev,
            blksize: self.blksize,
            flags: 0,
        }
    }

    pub(super) fn encode_statx(&self, btime: Option<Time>) -> abi::Statx {
        abi::Statx {
            mask: abi::STATX_BASIC_STATS | if btime.is_some() { abi::STATX_BTIME } else { 0 },
            blksize: self.blksize,
            nlink: self.nlink,
            uid: self.uid,
            gid: self.gid,
            // Sixteen bits are all that a mode has.
            mode: self.mode as u16,
            ino: self.ino,
            size: self.size,
            blocks: self.blocks,
            atime: self.atime.encode(),
            btime: btime.unwrap_or_default().encode(),
            ctime: self.ctime.encode(),
            mtime: self.mtime.encode(),
            rdev_major: (self.rdev >> 8) & 0xfff,
            rdev_minor: (self.rdev & 0xff) | ((self.rdev >> 12) & 0xf_ff00),
            ..abi::Statx::default()
        }
    }
}

/// The answer to a look-up and to everything that makes a name (`struct fuse_entry_out`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EntryOut {
    /// The node by which the kernel will name the file; 0 says that there is none, and is kept for
    /// `entry_valid` (a negative entry).
    pub node: u64,
    /// Tells apart two files that had the same node one after the other.
    pub generation: u64,
    /// How long the name may be used without asking again.
    pub entry_valid: Duration,
    /// How long the attributes may be used without asking again.
    pub attr_valid: Duration,
    /// The attributes.
    pub attr: Attr,
}

impl EntryOut {
    pub(super) fn encode(&self) -> abi::EntryOut {
        abi::EntryOut {
            nodeid: self.node,
            generation: self.generation,
            entry_valid: self.entry_valid.as_secs(),
            attr_valid: self.attr_valid.as_secs(),
            entry_valid_nsec: self.entry_valid.subsec_nanos(),
            attr_valid_nsec: self.attr_valid.subsec_nanos(),
            attr: self.attr.encode(),
        }
    }
}

/// The file system's totals (`struct fuse_kstatfs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statfs {
    /// Size in units of `frsize`.
    pub blocks: u64,
    /// Free, in units of `frsize`.
    pub bfree: u64,
    /// Free for ordinary users, in units of `frsize`.
    pub bavail: u64,
    /// Inodes.
    pub files: u64,
    /// Free inodes.
    pub ffree: u64,
    /// Preferred size of one transfer.
    pub bsize: u32,
    /// Longest name in bytes.
    pub namelen: u32,
    /// The unit of the block counts.
    pub frsize: u32,
}

impl Statfs {
    pub(super) fn encode(&self) -> abi::StatfsOut {
        abi::StatfsOut {
            blocks: self.blocks,
            bfree: self.bfree,
            bavail: self.bavail,
            files: self.files,
            ffree: self.ffree,
            bsize: self.bsize,
            namelen: self.namelen,
            frsize: self.frsize,
            padding: 0,
            spare: [0; 6],
        }
    }
}
