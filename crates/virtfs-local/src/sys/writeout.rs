//! `sync_file_range(2)`.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io;

use super::check;

/// Begins to write what is cached of a file, from `offset` on, to the disk; waits only for what was
/// being written of it already. `length` 0 means to the end.
pub(crate) fn begin(fd: BorrowedFd<'_>, offset: u64, length: u64) -> io::Result<()> {
    let place = |at: u64| libc::off64_t::try_from(at).map_err(|_| io::Errno::INVAL);
    let (offset, length) = (place(offset)?, place(length)?);
    let flags = libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE;
    // SAFETY: no memory is passed.
    let result = unsafe { libc::sync_file_range(fd.as_raw_fd(), offset, length, flags) };
    check(result.into())?;
    Ok(())
}
