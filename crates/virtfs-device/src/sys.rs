//! Calls of the kernel on guest memory: the only `unsafe` of the crate.
//!
//! The kernel moves the bytes. No reference to guest memory is ever formed, since the guest can
//! change it at any time; and where its file was cut short, the kernel answers `EFAULT`.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};

use vm_memory::VolatileSlice;
use vm_memory::mmap::MmapRegion;

/// How many pieces one call takes: more than the pages of the largest request that Linux sends
/// over virtio, 512,000 bytes.
const PIECES: usize = 128;

/// Pieces of guest memory, for one call.
pub(crate) struct Pieces<'m> {
    iovecs: [libc::iovec; PIECES],
    count: usize,
    memory: PhantomData<VolatileSlice<'m>>,
}

impl<'m> Pieces<'m> {
    pub(crate) fn new() -> Self {
        let none = libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        };
        Self {
            iovecs: [none; PIECES],
            count: 0,
            memory: PhantomData,
        }
    }

    /// Appends a piece; `false` if there is no more room.
    pub(crate) fn push(&mut self, piece: &VolatileSlice<'m>) -> bool {
        let Some(iovec) = self.iovecs.get_mut(self.count) else {
            return false;
        };
        *iovec = libc::iovec {
            iov_base: piece.ptr_guard_mut().as_ptr().cast(),
            iov_len: piece.len(),
        };
        self.count += 1;
        true
    }

    fn raw(&self) -> (*const libc::iovec, libc::c_int) {
        // PIECES at most.
        (self.iovecs.as_ptr(), self.count as libc::c_int)
    }
}

/// Reads from a file at `offset` into these pieces by one call; how many bytes. With `nowait` only
/// what needs no sleep. Errors are the kernel's.
pub(crate) fn read_into(
    pieces: &Pieces<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    nowait: bool,
) -> Result<usize, i32> {
    let flags = if nowait { libc::RWF_NOWAIT } else { 0 };
    let (iovecs, count) = pieces.raw();
    // SAFETY: the first `count` iovecs were made of volatile slices that outlive `pieces`, so that
    // their memory is mapped, and the kernel writes into nothing else. Guest memory is never
    // looked at through references, so its bytes may change.
    checked(unsafe { libc::preadv2(file.as_raw_fd(), iovecs, count, offset.cast_signed(), flags) })
}

/// Writes these pieces into a file at `offset` by one call; how many bytes. Errors are the
/// kernel's.
pub(crate) fn write_from(
    pieces: &Pieces<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
) -> Result<usize, i32> {
    let (iovecs, count) = pieces.raw();
    // SAFETY: as in `read_into`; the kernel only reads.
    checked(unsafe { libc::pwritev(file.as_raw_fd(), iovecs, count, offset.cast_signed()) })
}

/// Leaves a mapping out of core dumps: a VMM can make its process die.
pub(crate) fn leave_out_of_dumps(mapping: &MmapRegion<()>) {
    // SAFETY: the range is that of a mapping, which the advice does not change. It fails only on
    // kernels without core dumps.
    unsafe { libc::madvise(mapping.as_ptr().cast(), mapping.size(), libc::MADV_DONTDUMP) };
}

fn checked(result: libc::ssize_t) -> Result<usize, i32> {
    usize::try_from(result).map_err(|_| {
        std::io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EIO)
    })
}
