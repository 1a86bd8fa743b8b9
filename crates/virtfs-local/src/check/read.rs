//! Reading without leaving a trace.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, Statx, openat};
use rustix::io::{self, pread};
use virtfs_vfs::FileKind;

use crate::inode::{LOOK, look};
use crate::proc::ProcFd;

/// Finds an entry of a directory by `O_PATH`: itself, whatever it is. `None` if there is none.
pub(super) fn find(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<Option<(OwnedFd, Statx)>> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match retry(|| openat(dir, name, flags, Mode::empty())) {
        Ok(fd) => fd,
        Err(io::Errno::NOENT | io::Errno::STALE) => return Ok(None),
        Err(error) => return Err(error),
    };
    let stat = look(fd.as_fd(), LOOK)?;
    Ok(Some((fd, stat)))
}

/// Opens what a descriptor stands for, to read it. It has been seen to be a regular file or a
/// directory.
pub(super) fn open(proc: &ProcFd, found: BorrowedFd<'_>, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK;
    match retry(|| proc.reopen(found, flags | OFlags::NOATIME)) {
        // For the owner and root alone.
        Err(io::Errno::PERM) => retry(|| proc.reopen(found, flags)),
        result => result,
    }
}

/// The first bytes of a regular file, `most` at most.
pub(super) fn head(proc: &ProcFd, found: BorrowedFd<'_>, most: usize) -> io::Result<Vec<u8>> {
    let file = open(proc, found, OFlags::empty())?;
    let mut text = vec![0; most];
    let mut length = 0;
    while let Some(room) = text.get_mut(length..).filter(|room| !room.is_empty()) {
        match retry(|| pread(&file, &mut *room, length as u64))? {
            0 => break,
            got => length += got,
        }
    }
    text.truncate(length);
    Ok(text)
}

/// What a file is on the host.
pub(super) fn kind(stat: &Statx) -> FileKind {
    // The kernel knows no others.
    FileKind::from_mode(stat.stx_mode.into()).unwrap_or(FileKind::Regular)
}

fn retry<T>(mut f: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match f() {
            Err(io::Errno::INTR) => {}
            result => return result,
        }
    }
}
