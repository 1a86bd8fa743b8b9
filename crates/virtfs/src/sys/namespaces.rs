//! Namespaces and mounts, as far as rustix has no safe call for them.

use std::ffi::{CStr, c_int};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::checked;

/// New namespaces, by `CLONE_NEW*` alone. To be called while the process has one thread.
pub(crate) fn unshare(namespaces: c_int) -> io::Result<()> {
    const ALL: c_int = libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS;
    if namespaces & !ALL != 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: no namespace is memory or a table of descriptors of the process.
    checked(unsafe { libc::unshare(namespaces) }).map(drop)
}

/// Attributes of a mount.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MountChange {
    /// `MOUNT_ATTR_*` to set.
    pub(crate) set: u64,
    /// A propagation such as `MS_SLAVE`; 0 leaves it.
    pub(crate) propagation: u64,
    /// Of the mounts below too.
    pub(crate) recursive: bool,
}

/// mount_setattr(2) of the mount that a descriptor is the root of.
pub(crate) fn mount_setattr(mount: BorrowedFd<'_>, change: MountChange) -> io::Result<()> {
    /// The kernel's `struct mount_attr`.
    #[repr(C)]
    struct MountAttr {
        set: u64,
        clear: u64,
        propagation: u64,
        userns: u64,
    }
    let attr = MountAttr {
        set: change.set,
        clear: 0,
        propagation: change.propagation,
        userns: 0,
    };
    const EMPTY: &CStr = c"";
    let recursive = match change.recursive {
        true => libc::AT_RECURSIVE,
        false => 0,
    };
    // SAFETY: the path and the structure live for the call, and the size is the structure's.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            EMPTY.as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
