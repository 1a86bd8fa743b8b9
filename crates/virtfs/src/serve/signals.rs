//! SIGTERM and Ctrl-C, as something to wait for.

use std::ffi::c_int;
use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};

use super::event::Event;
use crate::sys;

/// Those that end the server in order.
const ENDING: [c_int; 2] = [libc::SIGTERM, libc::SIGINT];

/// The signals that have arrived.
#[derive(Debug)]
pub(super) struct Signals(OwnedFd);

/// What came first.
pub(super) enum First {
    Signal(c_int),
    Event,
}

impl Signals {
    /// Blocks them for this thread and those that it will start, so that they wait to be read.
    pub(super) fn block() -> io::Result<Self> {
        sys::block_signals(&ENDING)?;
        sys::signal_fd(&ENDING).map(Self)
    }

    /// Waits for a signal or for an event.
    pub(super) fn wait_for(&self, event: &Event) -> io::Result<First> {
        loop {
            let mut fds = [
                PollFd::new(&self.0, PollFlags::IN),
                PollFd::new(event, PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [_, told] = fds.map(|fd| !fd.revents().is_empty());
            if let Some(signal) = self.next() {
                return Ok(First::Signal(signal));
            }
            if told {
                return Ok(First::Event);
            }
        }
    }

    fn next(&self) -> Option<c_int> {
        // A `signalfd_siginfo` has 128 bytes and begins with the signal's number.
        let mut info = [0; 128];
        match rustix::io::read(&self.0, &mut info) {
            Ok(128) => info
                .first_chunk()
                .map(|number| c_int::from_ne_bytes(*number)),
            _ => None,
        }
    }
}
