//! How kernel calls are made and their errors told.

use rustix::io;
use virtfs_vfs::{Cx, Errno};

use crate::access;

/// The kernel's error as the client gets it.
pub(crate) fn errno(error: io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}

/// Makes a call, again after a signal unless that signal was meant to end the request.
pub(crate) fn call<T>(cx: &Cx<'_>, mut f: impl FnMut() -> io::Result<T>) -> Result<T, Errno> {
    raw(cx, &mut f).map_err(errno)
}

/// As [`call`], with the kernel's own error.
pub(crate) fn raw<T>(cx: &Cx<'_>, mut f: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        access::verify(cx);
        match f() {
            Err(io::Errno::INTR) if !cx.interrupted() => {}
            result => return result,
        }
    }
}
