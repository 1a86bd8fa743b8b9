//! `getxattrat` and its like (Linux 6.13, `ENOSYS` before): extended attributes relative to a held
//! directory. The name is followed if it is a link, for it is one in `/proc/self/fd`.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io;

use super::check;

// The numbers are the same on every architecture that Rust's Linux targets have.
const SYS_SETXATTRAT: libc::c_long = 463;
const SYS_GETXATTRAT: libc::c_long = 464;
const SYS_LISTXATTRAT: libc::c_long = 465;
const SYS_REMOVEXATTRAT: libc::c_long = 466;

/// `struct xattr_args`.
#[repr(C)]
struct Args {
    value: u64,
    size: u32,
    flags: u32,
}

pub(crate) fn get(
    dir: BorrowedFd<'_>,
    path: &CStr,
    name: &CStr,
    value: &mut [u8],
) -> io::Result<usize> {
    let mut args = Args {
        value: value.as_mut_ptr().expose_provenance() as u64,
        size: u32::try_from(value.len()).map_err(|_| io::Errno::TOOBIG)?,
        flags: 0,
    };
    // SAFETY: the kernel writes at most `size` bytes to `value`; both strings end with NUL.
    check(unsafe {
        libc::syscall(
            SYS_GETXATTRAT,
            dir.as_raw_fd(),
            path.as_ptr(),
            0,
            name.as_ptr(),
            &raw mut args,
            size_of::<Args>(),
        )
    })
}

pub(crate) fn set(
    dir: BorrowedFd<'_>,
    path: &CStr,
    name: &CStr,
    value: &[u8],
    flags: u32,
) -> io::Result<()> {
    let args = Args {
        value: value.as_ptr().expose_provenance() as u64,
        size: u32::try_from(value.len()).map_err(|_| io::Errno::TOOBIG)?,
        flags,
    };
    // SAFETY: the kernel reads `size` bytes of `value`; both strings end with NUL.
    check(unsafe {
        libc::syscall(
            SYS_SETXATTRAT,
            dir.as_raw_fd(),
            path.as_ptr(),
            0,
            name.as_ptr(),
            &raw const args,
            size_of::<Args>(),
        )
    })?;
    Ok(())
}

pub(crate) fn list(dir: BorrowedFd<'_>, path: &CStr, names: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `names.len()` bytes; the path ends with NUL.
    check(unsafe {
        libc::syscall(
            SYS_LISTXATTRAT,
            dir.as_raw_fd(),
            path.as_ptr(),
            0,
            names.as_mut_ptr(),
            names.len(),
        )
    })
}

pub(crate) fn remove(dir: BorrowedFd<'_>, path: &CStr, name: &CStr) -> io::Result<()> {
    // SAFETY: both strings end with NUL, and the call writes no memory.
    check(unsafe {
        libc::syscall(
            SYS_REMOVEXATTRAT,
            dir.as_raw_fd(),
            path.as_ptr(),
            0,
            name.as_ptr(),
        )
    })?;
    Ok(())
}
