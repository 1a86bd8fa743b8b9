//! `fchmodat2`: the mode of what an `O_PATH` descriptor stands for.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io;

use super::check;

/// Sets the mode of the file itself; `ENOSYS` before Linux 6.6, `EOPNOTSUPP` for a symbolic link.
pub(crate) fn chmod(fd: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    // SAFETY: the path is a NUL-terminated string, and the call writes no memory.
    check(unsafe {
        libc::syscall(
            libc::SYS_fchmodat2,
            fd.as_raw_fd(),
            c"".as_ptr(),
            mode,
            libc::AT_EMPTY_PATH,
        )
    })?;
    Ok(())
}
