//! Open-file-description locks (`F_OFD_SETLK`, `F_OFD_GETLK`).

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io;
use virtfs_vfs::{LockKind, LockRange};

use super::check;

/// The lock that stands in the way of another.
pub(crate) struct Held {
    pub(crate) kind: LockKind,
    /// First byte.
    pub(crate) start: u64,
    /// Length in bytes; 0 means to the end.
    pub(crate) length: u64,
    /// −1 for an open-file-description lock.
    pub(crate) pid: i32,
}

fn flock(kind: LockKind, range: LockRange) -> io::Result<libc::flock> {
    let kind = match kind {
        LockKind::Read => libc::F_RDLCK,
        LockKind::Write => libc::F_WRLCK,
        LockKind::Unlock => libc::F_UNLCK,
    };
    Ok(libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: range.start.try_into().map_err(|_| io::Errno::INVAL)?,
        l_len: range.length().try_into().map_err(|_| io::Errno::INVAL)?,
        l_pid: 0,
    })
}

/// Takes or releases a range without waiting: `EAGAIN` if another holds it.
pub(crate) fn set(fd: BorrowedFd<'_>, kind: LockKind, range: LockRange) -> io::Result<()> {
    let lock = flock(kind, range)?;
    // SAFETY: the kernel reads one `struct flock`.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) }.into())?;
    Ok(())
}

/// What stands in the way of taking a range, if anything.
pub(crate) fn get(
    fd: BorrowedFd<'_>,
    kind: LockKind,
    range: LockRange,
) -> io::Result<Option<Held>> {
    let mut lock = flock(kind, range)?;
    // SAFETY: the kernel reads and writes one `struct flock`.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) }.into())?;
    let kind = match i32::from(lock.l_type) {
        libc::F_RDLCK => LockKind::Read,
        libc::F_WRLCK => LockKind::Write,
        _ => return Ok(None),
    };
    Ok(Some(Held {
        kind,
        start: lock.l_start.unsigned_abs(),
        length: lock.l_len.unsigned_abs(),
        pid: lock.l_pid,
    }))
}
