//! The payload of a read or a write, wherever the transport keeps it.
//!
//! The transport does the I/O and the file system names the file, so that a payload goes between
//! the page cache and a socket's buffer (or guest memory) without a stop in between.

use std::os::fd::BorrowedFd;

use bitflags::bitflags;

use crate::Errno;

bitflags! {
    /// How to move bytes between a file and a body.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct IoFlags: u8 {
        /// Only what needs no sleep: `EAGAIN` otherwise, `EOPNOTSUPP` where the file system
        /// cannot tell (`RWF_NOWAIT`).
        const NOWAIT = 0x1;
        /// The call may hang for ever: the file is on a network, or some process answers for it.
        /// A body whose memory must be let go of at any time keeps it out of the call.
        const MAY_HANG = 0x2;
    }
}

/// Where the payload of a reply goes (`Rread`).
pub trait ReplyBody {
    /// How many bytes can still be put: at first the count that the client asked for, bounded by
    /// what its reply can carry.
    fn room(&self) -> usize;

    /// Appends bytes; returns how many had room.
    fn put(&mut self, bytes: &[u8]) -> usize;

    /// Appends bytes of a file, from `offset` on, by one call; returns how many came, 0 at the
    /// end of the file. Errors are the kernel's, `EINTR` included.
    fn read_from(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        flags: IoFlags,
    ) -> Result<usize, Errno>;
}

/// Where the payload of a request comes from (`Twrite`).
pub trait RequestBody {
    /// How many bytes have not been taken yet.
    fn remaining(&self) -> usize;

    /// Takes bytes from the front; returns how many.
    fn take(&mut self, into: &mut [u8]) -> usize;

    /// Writes bytes from the front into a file at `offset` (or its end, if it was opened to
    /// append) by one call and takes what was written; returns how many. Errors are the kernel's,
    /// `EINTR` included.
    fn write_to(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        flags: IoFlags,
    ) -> Result<usize, Errno>;
}
