//! A request of the kernel, checked and borrowed from the buffer it was read into.
//!
//! Every name is non-empty, at most 255 bytes, without NUL and `/`, and neither `.` nor `..`.

use super::attr::Time;

/// One request (`struct fuse_in_header` and what follows it).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    /// The kernel's number for it.
    pub unique: u64,
    /// The node it is about; 1 is the root.
    pub node: u64,
    /// File-system user of the caller.
    pub uid: u32,
    /// File-system group of the caller.
    pub gid: u32,
    /// The calling thread; 0 when the kernel asks for itself.
    pub pid: u32,
    /// What is asked.
    pub op: Op<'a>,
}

/// What is asked; each is `FUSE_` and the same name in `linux/fuse.h`.
///
/// `lock_owner` identifies a process's table of open files for POSIX locks. `flags` are open(2)'s
/// unless said otherwise.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Op<'a> {
    Lookup {
        name: &'a [u8],
    },
    /// `FORGET` and `BATCH_FORGET`; has no answer.
    Forget(Forgets<'a>),
    Getattr {
        fh: Option<u64>,
    },
    Setattr(SetattrIn),
    Readlink,
    /// `target` is non-empty, below 4096 bytes, without NUL.
    Symlink {
        name: &'a [u8],
        target: &'a [u8],
    },
    /// `rdev` in the kernel's encoding.
    Mknod {
        name: &'a [u8],
        mode: u32,
        rdev: u32,
        umask: u32,
    },
    Mkdir {
        name: &'a [u8],
        mode: u32,
        umask: u32,
    },
    Unlink {
        name: &'a [u8],
    },
    Rmdir {
        name: &'a [u8],
    },
    /// `flags` are renameat2(2)'s; 0 for the plain `RENAME`.
    Rename {
        name: &'a [u8],
        new_parent: u64,
        new_name: &'a [u8],
        flags: u32,
    },
    /// A new name in the request's node for `old_node`.
    Link {
        old_node: u64,
        name: &'a [u8],
    },
    Open {
        flags: u32,
        kill_suidgid: bool,
    },
    Create {
        name: &'a [u8],
        flags: u32,
        mode: u32,
        umask: u32,
        kill_suidgid: bool,
    },
    /// An unnamed file in the directory; answered like `Create`.
    Tmpfile {
        flags: u32,
        mode: u32,
        umask: u32,
    },
    Read {
        fh: u64,
        offset: u64,
        size: u32,
        flags: u32,
        lock_owner: Option<u64>,
    },
    /// `write_flags`: [`WRITE_CACHE`], and bit 2 when set-user-ID and set-group-ID bits are to go.
    Write {
        fh: u64,
        offset: u64,
        data: &'a [u8],
        flags: u32,
        write_flags: u32,
        lock_owner: Option<u64>,
    },
    Statfs,
    /// `lock_owner`: meant when `flock_release` asks for its flock(2) to be released.
    Release {
        fh: u64,
        flags: u32,
        lock_owner: u64,
        flock_release: bool,
    },
    /// A descriptor was closed: the POSIX locks of `lock_owner` end.
    Flush {
        fh: u64,
        lock_owner: u64,
    },
    Fsync {
        fh: u64,
        datasync: bool,
    },
    /// `flags` are setxattr(2)'s; `clear_sgid`: this ACL change drops the set-group-ID bit.
    Setxattr {
        name: &'a [u8],
        value: &'a [u8],
        flags: u32,
        clear_sgid: bool,
    },
    /// `size` 0 asks for the size alone: answer by [`Reply::size`](super::Reply::size).
    Getxattr {
        name: &'a [u8],
        size: u32,
    },
    /// As `Getxattr`.
    Listxattr {
        size: u32,
    },
    Removexattr {
        name: &'a [u8],
    },
    Opendir {
        flags: u32,
    },
    Readdir {
        fh: u64,
        offset: u64,
        size: u32,
    },
    Readdirplus {
        fh: u64,
        offset: u64,
        size: u32,
    },
    Releasedir {
        fh: u64,
        flags: u32,
    },
    Fsyncdir {
        fh: u64,
        datasync: bool,
    },
    Getlk(LockIn),
    /// Never waits: EAGAIN when the range is held.
    Setlk(LockIn),
    /// Waits for the range.
    Setlkw(LockIn),
    Access {
        mask: u32,
    },
    /// `mode` is fallocate(2)'s.
    Fallocate {
        fh: u64,
        offset: u64,
        length: u64,
        mode: u32,
    },
    /// SEEK_HOLE and SEEK_DATA; after ENOSYS the kernel takes every byte for data.
    Lseek {
        fh: u64,
        offset: u64,
        whence: u32,
    },
    /// From the request's node to `node_out`; answered by `written`.
    CopyFileRange {
        fh_in: u64,
        offset_in: u64,
        node_out: u64,
        fh_out: u64,
        offset_out: u64,
        length: u64,
        flags: u64,
    },
    Syncfs,
    /// `flags` and `mask` are statx(2)'s; answered by [`Reply::statx`](super::Reply::statx).
    Statx {
        fh: Option<u64>,
        flags: u32,
        mask: u32,
    },
    /// Anything else. The session answers ENOSYS itself; no handler sees it.
    Unsupported {
        opcode: u32,
    },
}

/// The data come from the page cache: `fh` is any open file of the node, and the caller is not
/// known.
pub(crate) const WRITE_CACHE: u32 = 1 << 0;
/// Changes of attributes; what is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SetattrIn {
    /// Open file through which ftruncate(2) came.
    pub fh: Option<u64>,
    /// Permission bits (the type bits are those of the file).
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Bytes.
    pub size: Option<u64>,
    /// Last access.
    pub atime: Option<SetTime>,
    /// Last change of the content.
    pub mtime: Option<SetTime>,
    /// Last change of the inode: only a kernel that caches writes sends it.
    pub ctime: Option<Time>,
    /// Who truncates, for mandatory locks.
    pub lock_owner: Option<u64>,
    /// The set-user-ID and set-group-ID bits are to be dropped.
    pub kill_suidgid: bool,
}

/// A time to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetTime {
    /// The server's clock.
    Now,
    /// This time.
    At(Time),
}

/// A lock or a test for one (`struct fuse_lk_in`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockIn {
    /// Open file.
    pub fh: u64,
    /// Who holds it: the table of open files (POSIX) or the open file (flock, open-file-description).
    pub owner: u64,
    /// First byte.
    pub start: u64,
    /// Last byte; `i64::MAX` for "to the end of the file".
    pub end: u64,
    /// What is asked.
    pub kind: LockKind,
    /// Process, for F_GETLK of others.
    pub pid: u32,
    /// From flock(2): the whole file.
    pub flock: bool,
}

/// F_RDLCK, F_WRLCK, F_UNLCK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockKind {
    /// Shared.
    Read,
    /// Exclusive.
    Write,
    /// None.
    Unlock,
}

/// The nodes to forget and how many look-ups of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forgets<'a> {
    pub(super) one: Option<(u64, u64)>,
    /// Whole `struct fuse_forget_one`, 16 bytes each.
    pub(super) rest: &'a [u8],
}

impl Iterator for Forgets<'_> {
    /// `(node, nlookup)`
    type Item = (u64, u64);

    fn next(&mut self) -> Option<(u64, u64)> {
        if let Some(one) = self.one.take() {
            return Some(one);
        }
        let (node, rest) = self.rest.split_first_chunk::<8>()?;
        let (nlookup, rest) = rest.split_first_chunk::<8>()?;
        self.rest = rest;
        Some((u64::from_ne_bytes(*node), u64::from_ne_bytes(*nlookup)))
    }
}
