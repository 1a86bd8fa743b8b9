//! The open `/dev/fuse`: one read is one request, one write is one answer.

use std::io::IoSlice;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, writev};
use zerocopy::IntoBytes;

use super::abi::OutHeader;

/// The connection to the kernel.
#[derive(Debug)]
pub(super) struct Device {
    fd: OwnedFd,
}

impl Device {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Waits for a request. ENODEV: unmounted, or the connection was aborted.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        loop {
            match read(&self.fd, &mut *buffer) {
                // ENOENT: the request was taken back while it was being read.
                Err(Errno::NOENT | Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    // Only a descriptor that somebody made non-blocking.
                    let _ = poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], None);
                }
                // How an aborted connection ends when its owner asked to be told.
                Err(Errno::CONNABORTED) => return Err(Errno::NODEV),
                other => return other,
            }
        }
    }

    /// Answers with a body.
    pub(super) fn answer(&self, unique: u64, parts: &[&[u8]]) {
        const FEW: usize = 8;
        // The kernel takes no message in two writes, nor more than 1024 pieces in one.
        if parts.len() >= 1024 {
            return self.answer(unique, &[&parts.concat()]);
        }
        let size = parts.iter().map(|part| part.len()).sum::<usize>() + size_of::<OutHeader>();
        let Ok(len) = u32::try_from(size) else {
            return self.refuse(unique, Errno::IO.raw_os_error());
        };
        let header = OutHeader {
            len,
            error: 0,
            unique,
        };
        let head = IoSlice::new(header.as_bytes());
        if parts.len() < FEW {
            let mut slices = [IoSlice::new(&[]); FEW];
            slices[0] = head;
            for (slice, part) in slices[1..].iter_mut().zip(parts) {
                *slice = IoSlice::new(part);
            }
            self.write(&slices[..=parts.len()]);
        } else {
            let parts = parts.iter().map(|part| IoSlice::new(part));
            self.write(&std::iter::once(head).chain(parts).collect::<Vec<_>>());
        }
    }

    /// Answers with a positive errno.
    pub(super) fn refuse(&self, unique: u64, errno: i32) {
        // The kernel does not accept other numbers, and the request would never end.
        let errno = if (1..512).contains(&errno) {
            errno
        } else {
            Errno::IO.raw_os_error()
        };
        let len = size_of::<OutHeader>() as u32;
        let header = OutHeader {
            len,
            error: -errno,
            unique,
        };
        self.write(&[IoSlice::new(header.as_bytes())]);
    }

    /// Whether the mount is gone.
    pub(super) fn is_dead(&self) -> bool {
        let mut fds = [PollFd::new(&self.fd, PollFlags::empty())];
        poll(&mut fds, Some(&Timespec::default())).is_ok()
            && fds[0].revents().contains(PollFlags::ERR)
    }

    fn write(&self, slices: &[IoSlice<'_>]) {
        loop {
            match writev(&self.fd, slices) {
                Err(Errno::INTR) => {}
                // ENOENT: the request is gone; ENODEV, EPERM: so is the mount.
                Ok(_) | Err(Errno::NOENT | Errno::NODEV | Errno::PERM) => return,
                Err(error) => {
                    tracing::warn!(%error, "the kernel refused an answer");
                    return;
                }
            }
        }
    }
}
