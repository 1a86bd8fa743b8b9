//! An event that one thread tells and others wait for beside other things.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io;

/// It happens once, and stays.
#[derive(Debug)]
pub(super) struct Event(OwnedFd);

impl Event {
    pub(super) fn new() -> io::Result<Self> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map(Self)
    }

    /// From now on the descriptor can be read.
    pub(super) fn tell(&self) {
        // It fails only if it was told 2^64 times.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Waits for it, so long at most. Whether it happened.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        happens(self, patience)
    }
}

/// Waits until a descriptor can be read, so long at most, by a process that no signal interrupts.
/// Whether it can.
pub(super) fn happens(event: &impl AsFd, patience: Duration) -> bool {
    let limit = Timespec::try_from(patience).ok();
    poll(&mut [PollFd::new(event, PollFlags::IN)], limit.as_ref()).is_ok_and(|ready| ready > 0)
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Shared by all who do something; tells an event when the last of them has let it go.
#[derive(Debug)]
pub(super) struct LastOne(Arc<Event>);

impl LastOne {
    /// For one who will share it.
    pub(super) fn tells(event: &Arc<Event>) -> Arc<Self> {
        Arc::new(Self(event.clone()))
    }
}

impl Drop for LastOne {
    fn drop(&mut self) {
        self.0.tell();
    }
}
