//! Reads and writes past the page cache, of files that a client opened with `O_DIRECT`.
//!
//! Such a file has a second descriptor, opened with the flag. By the first one goes what is not
//! aligned, and everything where the file system knows no such flag. The kernel keeps both ways
//! coherent: before a direct read it writes out what is cached of the range, and after a direct
//! write it drops that.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::StatxFlags;
use rustix::io::{self, pread, pwrite};
use virtfs_vfs::{Cx, Errno, IoFlags, ReplyBody, RequestBody};

use crate::bounce::Bounces;
use crate::call::{errno, raw};
use crate::inode::look;
use crate::sync::lock;

/// Where the kernel does not tell (`STATX_DIOALIGN`, Linux 6.1): no disk's blocks are larger.
const USUAL: u64 = 4096;

/// How an open file is read and written directly.
#[derive(Debug)]
pub(crate) struct Direct {
    /// What offsets and lengths are multiples of, in bytes.
    align: u64,
    second: Mutex<Second>,
    /// The memory of the client's messages was not aligned, as it never is in a socket's buffers.
    bounces: AtomicBool,
}

#[derive(Debug)]
enum Second {
    Closed,
    Open(Arc<OwnedFd>),
    /// The file system has none.
    Refused,
}

/// What became of a write.
pub(crate) enum Wrote {
    /// So many bytes, all that were taken.
    Whole(usize),
    /// So many, and more were taken.
    Short(usize),
}

impl Direct {
    /// For a regular file, unless the kernel says that it is never read directly.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> Option<Box<Self>> {
        let stat = look(fd, StatxFlags::DIOALIGN).ok()?;
        let told = stat.stx_mask & StatxFlags::DIOALIGN.bits() != 0;
        let align = match told {
            true => stat.stx_dio_offset_align.into(),
            false => USUAL,
        };
        (align != 0).then(|| {
            Box::new(Self {
                align,
                second: Mutex::new(Second::Closed),
                bounces: AtomicBool::new(false),
            })
        })
    }

    /// Whether a transfer is aligned.
    pub(crate) fn takes(&self, offset: u64, length: usize) -> bool {
        length > 0
            && offset.is_multiple_of(self.align)
            && (length as u64).is_multiple_of(self.align)
    }

    /// The second descriptor, which is opened (`true`) if there is none; `None` if that is not
    /// possible.
    pub(crate) fn fd(
        &self,
        open: impl FnOnce() -> io::Result<OwnedFd>,
    ) -> (Option<Arc<OwnedFd>>, bool) {
        match &*lock(&self.second) {
            Second::Open(fd) => return (Some(fd.clone()), false),
            Second::Refused => return (None, false),
            Second::Closed => {}
        }
        // It may hang, and nobody else is to wait for that.
        let opened = open();
        let mut second = lock(&self.second);
        match opened {
            Ok(fd) => {
                if let Second::Open(of_another) = &*second {
                    return (Some(of_another.clone()), false);
                }
                let fd = Arc::new(fd);
                *second = Second::Open(fd.clone());
                (Some(fd), true)
            }
            Err(io::Errno::INVAL | io::Errno::OPNOTSUPP) => {
                *second = Second::Refused;
                (None, false)
            }
            Err(_) => (None, false),
        }
    }

    /// Whether the second descriptor is in use.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(&*lock(&self.second), Second::Open(fd) if Arc::strong_count(fd) > 1)
    }

    /// Closes it; whether it was open.
    pub(crate) fn close(&self) -> bool {
        let mut second = lock(&self.second);
        let open = matches!(&*second, Second::Open(_));
        if open {
            *second = Second::Closed;
        }
        open
    }

    /// Reads, by way of a buffer if the reply's memory is not aligned. `None`: to be read by the
    /// other descriptor.
    pub(crate) fn read(
        &self,
        cx: &Cx<'_>,
        fd: &OwnedFd,
        (offset, flags): (u64, IoFlags),
        reply: &mut dyn ReplyBody,
        bounces: &Bounces,
    ) -> Result<Option<usize>, Errno> {
        if !self.bounces.load(Ordering::Relaxed) {
            match reply.read_from(fd.as_fd(), offset, flags) {
                Err(Errno::EINVAL) => self.bounces.store(true, Ordering::Relaxed),
                result => return result.map(Some),
            }
        }
        let Some(mut bounce) = bounces.take() else {
            return Ok(None);
        };
        let buffer = bounce.bytes(reply.room());
        match raw(cx, || pread(fd, &mut *buffer, offset)) {
            Ok(count) => Ok(Some(reply.put(buffer.get(..count).unwrap_or_default()))),
            Err(io::Errno::INVAL) => Ok(None),
            Err(error) => Err(errno(error)),
        }
    }

    /// Writes, by way of a buffer if the request's memory is not aligned; by `plain` what was
    /// taken and the file system does not take after all. `None`: to be written by the other
    /// descriptor.
    pub(crate) fn write(
        &self,
        cx: &Cx<'_>,
        (fd, plain): (&OwnedFd, &OwnedFd),
        (offset, flags): (u64, IoFlags),
        body: &mut dyn RequestBody,
        bounces: &Bounces,
    ) -> Result<Option<Wrote>, Errno> {
        if !self.bounces.load(Ordering::Relaxed) {
            match body.write_to(fd.as_fd(), offset, flags) {
                Err(Errno::EINVAL) => self.bounces.store(true, Ordering::Relaxed),
                result => return result.map(|count| Some(Wrote::Whole(count))),
            }
        }
        let Some(mut bounce) = bounces.take() else {
            return Ok(None);
        };
        let buffer = bounce.bytes(body.remaining());
        let taken = body.take(buffer);
        let mut done = 0;
        while done < taken {
            let rest = buffer.get(done..taken).unwrap_or_default();
            let at = offset + done as u64;
            let wrote = match raw(cx, || pwrite(fd, rest, at)) {
                Err(io::Errno::INVAL) => raw(cx, || pwrite(plain, rest, at)),
                result => result,
            };
            match wrote {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(_) if done > 0 => break,
                Err(error) => return Err(errno(error)),
            }
        }
        Ok(Some(match done == taken {
            true => Wrote::Whole(done),
            false => Wrote::Short(done),
        }))
    }
}
