//! The sets of bits and the small enumerations that messages carry.
//!
//! A peer may send any bits and any number. All are kept; it is for the server to refuse them,
//! for which every set of bits has `contains_unknown_bits`.

use crate::reader::Reader;
use crate::wire::Wire;
use crate::writer::Writer;
use crate::{DecodeError, EncodeError};

bitflags::bitflags! {
    /// How `Tlopen` and `Tlcreate` open a file (9P2000.L): Linux's `O_*` as x86 numbers them.
    ///
    /// The lowest two bits are a number, not flags: see [`access`](Self::access).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct LopenFlags: u32 {
        /// Access: read.
        const RDONLY = 0o0;
        /// Access: write.
        const WRONLY = 0o1;
        /// Access: read and write.
        const RDWR = 0o2;
        /// Access: neither.
        const NOACCESS = 0o3;
        /// Create the file if it is missing.
        const CREATE = 0o100;
        /// With `CREATE`: fail if the file exists.
        const EXCL = 0o200;
        /// Do not make a terminal the controlling one.
        const NOCTTY = 0o400;
        /// Truncate the file.
        const TRUNC = 0o1000;
        /// Every write goes to the end.
        const APPEND = 0o2000;
        /// Do not wait.
        const NONBLOCK = 0o4000;
        /// Writes wait for the data to be stable.
        const DSYNC = 0o10000;
        /// Signal-driven I/O.
        const FASYNC = 0o20000;
        /// Bypass the page cache.
        const DIRECT = 0o40000;
        /// Allow sizes over 2 GiB.
        const LARGEFILE = 0o100000;
        /// Fail unless it is a directory.
        const DIRECTORY = 0o200000;
        /// Fail if it is a symbolic link.
        const NOFOLLOW = 0o400000;
        /// Leave atime alone.
        const NOATIME = 0o1000000;
        /// Close on exec.
        const CLOEXEC = 0o2000000;
        /// Writes wait for data and metadata to be stable.
        const SYNC = 0o4000000;
    }

    /// How `Topen` and `Tcreate` open a file (open(5)).
    ///
    /// The lowest two bits are a number, not flags: see [`access`](Self::access).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct OpenMode: u8 {
        /// Access: read.
        const READ = 0;
        /// Access: write.
        const WRITE = 1;
        /// Access: read and write.
        const RDWR = 2;
        /// Access: execute, which reads but asks for the execute permission.
        const EXEC = 3;
        /// With `Tcreate`: fail if the file exists (9P2000.u).
        const EXCL = 0x04;
        /// Truncate the file.
        const TRUNC = 0x10;
        /// Close on exec; means nothing to a server.
        const REXEC = 0x20;
        /// Remove the file when the fid is clunked.
        const RCLOSE = 0x40;
        /// Every write goes to the end (9P2000.u).
        const APPEND = 0x80;
    }

    /// Which attributes `Tgetattr` asks for and `Rgetattr` holds (9P2000.L).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct GetattrMask: u64 {
        /// Type and permissions.
        const MODE = 0x1;
        /// Number of hard links.
        const NLINK = 0x2;
        /// Owner.
        const UID = 0x4;
        /// Group.
        const GID = 0x8;
        /// Device number of a device node.
        const RDEV = 0x10;
        /// Time of last access.
        const ATIME = 0x20;
        /// Time of last modification.
        const MTIME = 0x40;
        /// Time of last change of the inode.
        const CTIME = 0x80;
        /// Inode number, which is the qid's path.
        const INO = 0x100;
        /// Size in bytes.
        const SIZE = 0x200;
        /// Size on disk.
        const BLOCKS = 0x400;
        /// Time of creation.
        const BTIME = 0x800;
        /// Generation of the inode.
        const GEN = 0x1000;
        /// Version of the data.
        const DATA_VERSION = 0x2000;
        /// What stat(2) gives: everything up to `BLOCKS`.
        const BASIC = 0x7ff;
        /// Every bit that has a meaning.
        const ALL = 0x3fff;
    }

    /// Which attributes `Tsetattr` sets (9P2000.L).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct SetattrMask: u32 {
        /// Permissions.
        const MODE = 0x1;
        /// Owner.
        const UID = 0x2;
        /// Group.
        const GID = 0x4;
        /// Size.
        const SIZE = 0x8;
        /// Time of last access: now, unless `ATIME_SET` is there too.
        const ATIME = 0x10;
        /// Time of last modification: now, unless `MTIME_SET` is there too.
        const MTIME = 0x20;
        /// Time of last change: now.
        const CTIME = 0x40;
        /// With `ATIME`: the time in the message.
        const ATIME_SET = 0x80;
        /// With `MTIME`: the time in the message.
        const MTIME_SET = 0x100;
    }

    /// How `Tlock` locks (9P2000.L).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct LockFlags: u32 {
        /// The client waits until the lock is free.
        const BLOCK = 1;
        /// The lock was held before a server restarted.
        const RECLAIM = 2;
    }

    /// What `Txattrcreate` expects of the attribute (9P2000.L), as setxattr(2).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct XattrFlags: u32 {
        /// Fail if the attribute exists.
        const CREATE = 1;
        /// Fail if the attribute is missing.
        const REPLACE = 2;
    }

    /// What `Tunlinkat` removes (9P2000.L), as unlinkat(2).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct UnlinkFlags: u32 {
        /// A directory, not a file.
        const REMOVEDIR = 0x200;
    }

    /// Type and permissions of a file in `Tcreate` and [`Stat`](crate::Stat) (stat(5), 9P2000.u).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Perm: u32 {
        /// A directory.
        const DIR = 0x8000_0000;
        /// Writes append, whatever their offset.
        const APPEND = 0x4000_0000;
        /// At most one open at a time.
        const EXCL = 0x2000_0000;
        /// A mounted channel.
        const MOUNT = 0x1000_0000;
        /// An authentication file.
        const AUTH = 0x0800_0000;
        /// Not included in backups.
        const TMP = 0x0400_0000;
        /// A symbolic link (9P2000.u).
        const SYMLINK = 0x0200_0000;
        /// A hard link (9P2000.u).
        const LINK = 0x0100_0000;
        /// A device node (9P2000.u).
        const DEVICE = 0x0080_0000;
        /// A named pipe (9P2000.u).
        const NAMED_PIPE = 0x0020_0000;
        /// A socket (9P2000.u).
        const SOCKET = 0x0010_0000;
        /// Set user id on execution (9P2000.u).
        const SETUID = 0x0008_0000;
        /// Set group id on execution (9P2000.u).
        const SETGID = 0x0004_0000;
        /// The sticky bit (9P2000.u).
        const STICKY = 0x0001_0000;
        /// The nine permission bits of owner, group and others.
        const RWX = 0o777;
    }
}

impl LopenFlags {
    /// The access mode alone: `RDONLY`, `WRONLY`, `RDWR` or `NOACCESS`.
    pub const fn access(self) -> LopenFlags {
        LopenFlags::from_bits_retain(self.bits() & 0o3)
    }
}

impl OpenMode {
    /// The access mode alone: `READ`, `WRITE`, `RDWR` or `EXEC`.
    pub const fn access(self) -> OpenMode {
        OpenMode::from_bits_retain(self.bits() & 3)
    }
}

/// The kind of a lock in `Tlock`, `Tgetlock` and `Rgetlock` (9P2000.L). Any number can arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LockType(pub u8);

impl LockType {
    /// A shared lock, for reading.
    pub const RDLCK: LockType = LockType(0);
    /// An exclusive lock, for writing.
    pub const WRLCK: LockType = LockType(1);
    /// No lock: release it, or (in `Rgetlock`) none is in the way.
    pub const UNLCK: LockType = LockType(2);
}

/// What became of a `Tlock` (9P2000.L). Any number can arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LockStatus(pub u8);

impl LockStatus {
    /// The lock is held, or released.
    pub const SUCCESS: LockStatus = LockStatus(0);
    /// Another holds a lock in the way: try again.
    pub const BLOCKED: LockStatus = LockStatus(1);
    /// The lock failed.
    pub const ERROR: LockStatus = LockStatus(2);
    /// The server restarted and takes only reclaims for now.
    pub const GRACE: LockStatus = LockStatus(3);
}

/// On the wire a type looks as the integer it wraps.
macro_rules! as_integer {
    ($($type:ident { $from:expr, $into:expr })*) => {
        $(
            impl<'a> Wire<'a> for $type {
                fn get(reader: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
                    Wire::get(reader, field).map($from)
                }

                fn put(
                    &self,
                    writer: &mut Writer<'_>,
                    field: &'static str,
                ) -> Result<(), EncodeError> {
                    $into(self).put(writer, field)
                }
            }
        )*
    };
}

as_integer! {
    LopenFlags { LopenFlags::from_bits_retain, LopenFlags::bits }
    OpenMode { OpenMode::from_bits_retain, OpenMode::bits }
    GetattrMask { GetattrMask::from_bits_retain, GetattrMask::bits }
    SetattrMask { SetattrMask::from_bits_retain, SetattrMask::bits }
    LockFlags { LockFlags::from_bits_retain, LockFlags::bits }
    XattrFlags { XattrFlags::from_bits_retain, XattrFlags::bits }
    UnlinkFlags { UnlinkFlags::from_bits_retain, UnlinkFlags::bits }
    Perm { Perm::from_bits_retain, Perm::bits }
    LockType { LockType, |kind: &LockType| kind.0 }
    LockStatus { LockStatus, |status: &LockStatus| status.0 }
}
