//! Kernel file handles (`name_to_handle_at`, `open_by_handle_at`): what stays of a file whose
//! descriptor was closed. A handle holds the inode's generation, so it never means another file.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io;

use super::check;

/// `MAX_HANDLE_SZ`.
pub(crate) const MAX: usize = 128;

/// A handle as the kernel gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileHandle {
    kind: i32,
    length: u8,
    /// Zeros after the end.
    bytes: [u8; MAX],
}

impl FileHandle {
    /// `None` if it is longer than the kernel's are.
    pub(crate) fn new(kind: i32, bytes: &[u8]) -> Option<Self> {
        let mut all = [0; MAX];
        all.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let length = bytes.len().try_into().ok()?;
        let bytes = all;
        Some(Self {
            kind,
            length,
            bytes,
        })
    }

    /// The handle's type, of which each file system has its own.
    pub(crate) fn kind(&self) -> i32 {
        self.kind
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or_default()
    }
}

#[repr(C)]
struct Raw {
    length: libc::c_uint,
    kind: libc::c_int,
    bytes: [u8; MAX],
}

/// The handle of what a descriptor stands for; `EOPNOTSUPP` where the file system has none.
pub(crate) fn of(fd: BorrowedFd<'_>) -> io::Result<FileHandle> {
    get(fd, c"", libc::AT_EMPTY_PATH)
}

/// The handle of what a name in `/proc/self/fd` leads to, with that of its parent inside, so that
/// opening it finds the way to the root (Linux 6.13; `EINVAL` before).
pub(crate) fn connectable(proc: BorrowedFd<'_>, name: &CStr) -> io::Result<FileHandle> {
    get(
        proc,
        name,
        libc::AT_SYMLINK_FOLLOW | libc::AT_HANDLE_CONNECTABLE,
    )
}

fn get(dir: BorrowedFd<'_>, name: &CStr, flags: libc::c_int) -> io::Result<FileHandle> {
    let mut raw = Raw {
        length: MAX as libc::c_uint,
        kind: 0,
        bytes: [0; MAX],
    };
    let mut mount: libc::c_int = 0;
    // SAFETY: `raw` is laid out as `struct file_handle` with room for `length` bytes behind it;
    // the name ends with NUL.
    check(unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            dir.as_raw_fd(),
            name.as_ptr(),
            &raw mut raw,
            &raw mut mount,
            flags,
        )
    })?;
    let bytes = raw.bytes.get(..raw.length as usize).ok_or(io::Errno::IO)?;
    FileHandle::new(raw.kind, bytes).ok_or(io::Errno::IO)
}

/// Opens what a handle stands for by `O_PATH`; `mount` is an open directory on its file system.
/// `ESTALE` if it is gone, `EPERM` without `CAP_DAC_READ_SEARCH`.
pub(crate) fn open(mount: BorrowedFd<'_>, handle: &FileHandle) -> io::Result<OwnedFd> {
    let mut raw = Raw {
        length: handle.length.into(),
        kind: handle.kind,
        bytes: handle.bytes,
    };
    // SAFETY: `raw` is laid out as `struct file_handle` and holds `length` bytes.
    let fd = check(unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            mount.as_raw_fd(),
            &raw mut raw,
            libc::O_PATH | libc::O_CLOEXEC | libc::O_NOFOLLOW,
        )
    })?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
