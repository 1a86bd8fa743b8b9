//! Ends a connection from another thread.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// Ends a [`Connection`](super::Connection) from outside: what the driver asked for is answered,
/// then [`Connection::run`](super::Connection::run) returns.
#[derive(Debug)]
pub struct Stopper {
    event: OwnedFd,
    socket: UnixStream,
}

impl Stopper {
    pub(super) fn new(socket: UnixStream) -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { event, socket })
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            event: self.event.try_clone()?,
            socket: self.socket.try_clone()?,
        })
    }

    /// Ends the connection. It may be called more than once, and when the connection has ended.
    pub fn stop(&self) {
        // It fails only if it was told 2^64 times.
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        // In case the front waits for the rest of a message. The VMM does not notice yet: it can
        // still receive, so nothing is lost while the ring is drained.
        let _ = self.socket.shutdown(Shutdown::Read);
    }

    /// Becomes readable when it is called.
    pub(super) fn as_event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// Whether it was called.
    pub(super) fn was_called(&self) -> bool {
        let mut fds = [PollFd::new(&self.event, PollFlags::IN)];
        let now = Timespec::default();
        poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// The VMM's socket.
    pub(super) fn socket(&self) -> &UnixStream {
        &self.socket
    }
}
