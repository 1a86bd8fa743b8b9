//! `getdents64` into a buffer that is kept between calls.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io;

use super::check;

/// Fills `buffer` with directory entries; returns how many bytes came, 0 at the end.
pub(crate) fn getdents(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes there.
    check(unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            fd.as_raw_fd(),
            buffer.as_mut_ptr(),
            buffer.len(),
        )
    })
}
