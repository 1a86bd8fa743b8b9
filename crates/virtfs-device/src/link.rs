//! What a session and its device share: the ring that runs now, and the session's sleep.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};

use crate::ring::Ring;

/// A session lives on while its ring is stopped and started again.
pub(crate) struct Link {
    state: Mutex<State>,
    epoll: OwnedFd,
    wake: OwnedFd,
}

#[derive(Default)]
struct State {
    ring: Option<Arc<Ring>>,
    /// The session takes no more requests, ever.
    ended: bool,
}

impl Link {
    pub(crate) fn new() -> io::Result<Self> {
        let link = Self {
            state: Mutex::default(),
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        };
        link.listen_to(link.wake.as_fd())?;
        Ok(link)
    }

    /// Lets the session take requests from a ring, which `kick` tells of.
    pub(crate) fn attach(&self, ring: Arc<Ring>, kick: BorrowedFd<'_>) -> io::Result<()> {
        self.listen_to(kick)?;
        self.state().ring = Some(ring);
        self.wake();
        Ok(())
    }

    /// Takes the ring away.
    pub(crate) fn detach(&self, kick: BorrowedFd<'_>) {
        self.state().ring = None;
        // It fails only where it was not attached.
        let _ = epoll::delete(&self.epoll, kick);
    }

    pub(crate) fn ring(&self) -> Option<Arc<Ring>> {
        self.state().ring.clone()
    }

    /// The session takes no more requests.
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.wake();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state().ended
    }

    /// Sleeps until the driver, or [`Link::wake`], has something to tell. May return early.
    ///
    /// Each write to an eventfd wakes an edge-triggered sleeper, so nobody has to read it.
    pub(crate) fn sleep(&self) -> io::Result<()> {
        let mut event = [epoll::Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(0),
        }];
        match epoll::wait(&self.epoll, &mut event, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    pub(crate) fn wake(&self) {
        // It fails only if it was told 2^64 times.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    fn listen_to(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::ET;
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(0), flags)?)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
