//! What the thread that waits for a driver's requests sleeps on.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};

/// Rung by the driver's kick, whichever that is at the time, and by ourselves.
pub(crate) struct Doorbell {
    epoll: OwnedFd,
    ours: OwnedFd,
}

impl Doorbell {
    pub(crate) fn new() -> io::Result<Self> {
        let bell = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            ours: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        };
        bell.listen_to(bell.ours.as_fd())?;
        Ok(bell)
    }

    /// Each write to an eventfd wakes an edge-triggered sleeper, so nobody has to read it.
    pub(crate) fn listen_to(&self, kick: BorrowedFd<'_>) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::ET;
        Ok(epoll::add(&self.epoll, kick, EventData::new_u64(0), flags)?)
    }

    pub(crate) fn forget(&self, kick: BorrowedFd<'_>) {
        // It fails only where it was not listened to.
        let _ = epoll::delete(&self.epoll, kick);
    }

    /// Sleeps until it is rung. May return early.
    pub(crate) fn wait(&self) -> io::Result<()> {
        let mut event = [epoll::Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(0),
        }];
        match epoll::wait(&self.epoll, &mut event, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    pub(crate) fn ring(&self) {
        // It fails only if it was rung 2^64 times.
        let _ = rustix::io::write(&self.ours, &1u64.to_ne_bytes());
    }
}
