//! An eventfd.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

/// An eventfd: a notification of a driver or a device.
#[derive(Debug)]
pub struct Event(OwnedFd);

impl Event {
    /// Not signalled.
    #[allow(clippy::new_without_default, reason = "it opens a descriptor")]
    pub fn new() -> Self {
        Self(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).expect("an eventfd"))
    }

    /// The same event once more.
    pub fn share(&self) -> OwnedFd {
        self.0
            .try_clone()
            .expect("a descriptor can be had once more")
    }

    /// Signals it.
    pub fn signal(&self) {
        match rustix::io::write(&self.0, &1_u64.to_ne_bytes()) {
            // It has been signalled so often that once more makes no difference.
            Ok(_) | Err(Errno::AGAIN) => {}
            Err(error) => panic!("an eventfd cannot be written: {error}"),
        }
    }

    /// How often it was signalled since it was asked last.
    pub fn take(&self) -> u64 {
        let mut count = [0; 8];
        match rustix::io::read(&self.0, &mut count) {
            Ok(_) => u64::from_ne_bytes(count),
            Err(_) => 0,
        }
    }

    /// Waits until it is signalled, which is then forgotten; `false` when the time is over.
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        let time = Timespec::try_from(time).expect("no test waits for ever");
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&time)), Ok(1)) && self.take() > 0
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Event {
    fn from(eventfd: OwnedFd) -> Self {
        Self(eventfd)
    }
}
