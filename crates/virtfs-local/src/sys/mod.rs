//! The kernel calls that need `unsafe`, one topic a file.
#![allow(unsafe_code)]

pub(crate) mod chmod;
pub(crate) mod fsid;
pub(crate) mod getdents;
pub(crate) mod handle;
pub(crate) mod ofd;
pub(crate) mod thread;
pub(crate) mod writeout;
pub(crate) mod xattrat;

use rustix::io;

/// The result of a raw call: −1 means that `errno` tells why not.
fn check(result: libc::c_long) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| {
        let error = std::io::Error::last_os_error();
        io::Errno::from_io_error(&error).unwrap_or(io::Errno::IO)
    })
}
