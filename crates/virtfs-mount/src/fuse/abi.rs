//! The structures of the kernel's interface, version 7.45.
//!
//! Facts from `linux/fuse.h`, which is also under the BSD licence. Numbers are in the byte order of
//! the machine. Output that older kernels know shorter is the same for every minor from 31 on.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! structs {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, FromBytes, Immutable, IntoBytes, KnownLayout)]
        #[repr(C)]
        pub(super) struct $name { $(pub(super) $field: $type),* }
    )*};
}

structs! {
    /// Before every request; `total_extlen` counts 8-byte units at its end.
    InHeader { len: u32, opcode: u32, unique: u64, nodeid: u64, uid: u32, gid: u32, pid: u32,
        total_extlen: u16, padding: u16 }
    /// Before every answer; `error` is 0 or negative.
    OutHeader { len: u32, error: i32, unique: u64 }

    Attr { ino: u64, size: u64, blocks: u64, atime: i64, mtime: i64, ctime: i64, atimensec: u32,
        mtimensec: u32, ctimensec: u32, mode: u32, nlink: u32, uid: u32, gid: u32, rdev: u32,
        blksize: u32, flags: u32 }
    EntryOut { nodeid: u64, generation: u64, entry_valid: u64, attr_valid: u64,
        entry_valid_nsec: u32, attr_valid_nsec: u32, attr: Attr }
    AttrOut { attr_valid: u64, attr_valid_nsec: u32, dummy: u32, attr: Attr }
    SxTime { sec: i64, nsec: u32, reserved: i32 }
    Statx { mask: u32, blksize: u32, attributes: u64, nlink: u32, uid: u32, gid: u32, mode: u16,
        spare0: u16, ino: u64, size: u64, blocks: u64, attributes_mask: u64, atime: SxTime,
        btime: SxTime, ctime: SxTime, mtime: SxTime, rdev_major: u32, rdev_minor: u32,
        dev_major: u32, dev_minor: u32, spare2: [u64; 14] }
    StatxOut { attr_valid: u64, attr_valid_nsec: u32, flags: u32, spare: [u64; 2], stat: Statx }
    OpenOut { fh: u64, open_flags: u32, padding: u32 }
    WriteOut { size: u32, padding: u32 }
    StatfsOut { blocks: u64, bfree: u64, bavail: u64, files: u64, ffree: u64, bsize: u32,
        namelen: u32, frsize: u32, padding: u32, spare: [u32; 6] }
    GetxattrOut { size: u32, padding: u32 }
    FileLock { start: u64, end: u64, kind: u32, pid: u32 }
    Dirent { ino: u64, off: u64, namelen: u32, kind: u32 }

    InitIn { major: u32, minor: u32, max_readahead: u32, flags: u32 }
    /// What follows [`InitIn`] when it has [`INIT_EXT`].
    InitInExt { flags2: u32, unused: [u32; 11] }
    InitOut { major: u32, minor: u32, max_readahead: u32, flags: u32, max_background: u16,
        congestion_threshold: u16, max_write: u32, time_gran: u32, max_pages: u16,
        map_alignment: u16, flags2: u32, unused: [u32; 7] }

    ForgetIn { nlookup: u64 }
    BatchForgetIn { count: u32, dummy: u32 }
    GetattrIn { getattr_flags: u32, dummy: u32, fh: u64 }
    StatxIn { getattr_flags: u32, reserved: u32, fh: u64, sx_flags: u32, sx_mask: u32 }
    SetattrIn { valid: u32, padding: u32, fh: u64, size: u64, lock_owner: u64, atime: i64,
        mtime: i64, ctime: i64, atimensec: u32, mtimensec: u32, ctimensec: u32, mode: u32,
        unused4: u32, uid: u32, gid: u32, unused5: u32 }
    MknodIn { mode: u32, rdev: u32, umask: u32, padding: u32 }
    MkdirIn { mode: u32, umask: u32 }
    RenameIn { newdir: u64 }
    Rename2In { newdir: u64, flags: u32, padding: u32 }
    LinkIn { oldnodeid: u64 }
    OpenIn { flags: u32, open_flags: u32 }
    CreateIn { flags: u32, mode: u32, umask: u32, open_flags: u32 }
    ReadIn { fh: u64, offset: u64, size: u32, read_flags: u32, lock_owner: u64, flags: u32,
        padding: u32 }
    WriteIn { fh: u64, offset: u64, size: u32, write_flags: u32, lock_owner: u64, flags: u32,
        padding: u32 }
    ReleaseIn { fh: u64, flags: u32, release_flags: u32, lock_owner: u64 }
    FlushIn { fh: u64, unused: u32, padding: u32, lock_owner: u64 }
    FsyncIn { fh: u64, fsync_flags: u32, padding: u32 }
    SetxattrIn { size: u32, flags: u32 }
    /// What follows [`SetxattrIn`] under [`SETXATTR_EXT`].
    SetxattrInExt { setxattr_flags: u32, padding: u32 }
    GetxattrIn { size: u32, padding: u32 }
    LkIn { fh: u64, owner: u64, lk: FileLock, lk_flags: u32, padding: u32 }
    AccessIn { mask: u32, padding: u32 }
    InterruptIn { unique: u64 }
    FallocateIn { fh: u64, offset: u64, length: u64, mode: u32, padding: u32 }
    LseekIn { fh: u64, offset: u64, whence: u32, padding: u32 }
    CopyFileRangeIn { fh_in: u64, off_in: u64, nodeid_out: u64, fh_out: u64, off_out: u64,
        len: u64, flags: u64 }
}

pub(super) const MAJOR: u32 = 7;
/// 7.31 is Linux 5.4's; anything older is not spoken.
pub(super) const MINOR_LEAST: u32 = 31;
pub(super) const MINOR_MOST: u32 = 45;
/// The least buffer that the kernel accepts for a read.
pub(super) const MIN_READ_BUFFER: usize = 8192;

macro_rules! opcodes {
    ($($name:ident = $value:literal),* $(,)?) => {
        $(pub(super) const $name: u32 = $value;)*
        #[cfg(test)]
        pub(super) const ALL_OPCODES: &[u32] = &[$($value),*];
    };
}

opcodes! {
    LOOKUP = 1, FORGET = 2, GETATTR = 3, SETATTR = 4, READLINK = 5, SYMLINK = 6, MKNOD = 8,
    MKDIR = 9, UNLINK = 10, RMDIR = 11, RENAME = 12, LINK = 13, OPEN = 14, READ = 15, WRITE = 16,
    STATFS = 17, RELEASE = 18, FSYNC = 20, SETXATTR = 21, GETXATTR = 22, LISTXATTR = 23,
    REMOVEXATTR = 24, FLUSH = 25, INIT = 26, OPENDIR = 27, READDIR = 28, RELEASEDIR = 29,
    FSYNCDIR = 30, GETLK = 31, SETLK = 32, SETLKW = 33, ACCESS = 34, CREATE = 35, INTERRUPT = 36,
    DESTROY = 38, NOTIFY_REPLY = 41, BATCH_FORGET = 42, FALLOCATE = 43, READDIRPLUS = 44,
    RENAME2 = 45, LSEEK = 46, COPY_FILE_RANGE = 47, SYNCFS = 50, TMPFILE = 51, STATX = 52,
}

// FUSE_… of INIT; bits from 32 on go to flags2.
pub(super) const ASYNC_READ: u64 = 1 << 0;
pub(super) const POSIX_LOCKS: u64 = 1 << 1;
pub(super) const ATOMIC_O_TRUNC: u64 = 1 << 3;
pub(super) const BIG_WRITES: u64 = 1 << 5;
pub(super) const DONT_MASK: u64 = 1 << 6;
pub(super) const FLOCK_LOCKS: u64 = 1 << 10;
pub(super) const AUTO_INVAL_DATA: u64 = 1 << 12;
pub(super) const DO_READDIRPLUS: u64 = 1 << 13;
pub(super) const READDIRPLUS_AUTO: u64 = 1 << 14;
pub(super) const PARALLEL_DIROPS: u64 = 1 << 18;
pub(super) const POSIX_ACL: u64 = 1 << 20;
pub(super) const MAX_PAGES: u64 = 1 << 22;
pub(super) const HANDLE_KILLPRIV_V2: u64 = 1 << 28;
pub(super) const SETXATTR_EXT: u64 = 1 << 29;
pub(super) const INIT_EXT: u64 = 1 << 30;
pub(super) const DIRECT_IO_ALLOW_MMAP: u64 = 1 << 36;

pub(super) const FATTR_MODE: u32 = 1 << 0;
pub(super) const FATTR_UID: u32 = 1 << 1;
pub(super) const FATTR_GID: u32 = 1 << 2;
pub(super) const FATTR_SIZE: u32 = 1 << 3;
pub(super) const FATTR_ATIME: u32 = 1 << 4;
pub(super) const FATTR_MTIME: u32 = 1 << 5;
pub(super) const FATTR_FH: u32 = 1 << 6;
pub(super) const FATTR_ATIME_NOW: u32 = 1 << 7;
pub(super) const FATTR_MTIME_NOW: u32 = 1 << 8;
pub(super) const FATTR_LOCKOWNER: u32 = 1 << 9;
pub(super) const FATTR_CTIME: u32 = 1 << 10;
pub(super) const FATTR_KILL_SUIDGID: u32 = 1 << 11;

pub(super) const GETATTR_FH: u32 = 1 << 0;
pub(super) const OPEN_KILL_SUIDGID: u32 = 1 << 0;
pub(super) const READ_LOCKOWNER: u32 = 1 << 1;
pub(super) const WRITE_LOCKOWNER: u32 = 1 << 1;
pub(super) const RELEASE_FLOCK_UNLOCK: u32 = 1 << 1;
pub(super) const FSYNC_FDATASYNC: u32 = 1 << 0;
pub(super) const LK_FLOCK: u32 = 1 << 0;
pub(super) const SETXATTR_ACL_KILL_SGID: u32 = 1 << 0;

pub(super) const F_RDLCK: u32 = 0;
pub(super) const F_WRLCK: u32 = 1;
pub(super) const F_UNLCK: u32 = 2;

pub(super) const STATX_BASIC_STATS: u32 = 0x7ff;
pub(super) const STATX_BTIME: u32 = 0x800;
