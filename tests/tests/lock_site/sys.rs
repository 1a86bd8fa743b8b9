//! `fcntl` locks of this process.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// `F_SETLK` or `F_OFD_SETLK` of a range; a length of 0 means to the end.
#[expect(unsafe_code, reason = "no safe interface has ranges")]
pub(crate) fn set(file: &File, command: i32, kind: i32, start: i64, length: i64) -> io::Result<()> {
    let lock = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: length,
        l_pid: 0,
    };
    // SAFETY: the kernel reads one `struct flock`.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, &raw const lock) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
