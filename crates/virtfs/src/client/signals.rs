//! SIGTERM and Ctrl-C, as something to wait for.

use std::ffi::c_int;
use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::sys;

const ENDING: [c_int; 2] = [libc::SIGTERM, libc::SIGINT];

/// The signals that have arrived.
#[derive(Debug)]
pub(super) struct Signals(OwnedFd);

impl Signals {
    /// Blocks them for this thread and those that it will start: to be called before any is.
    pub(super) fn block() -> io::Result<Self> {
        sys::block_signals(&ENDING)?;
        sys::signal_fd(&ENDING).map(Self)
    }

    /// Waits for the next one; its number.
    pub(super) fn wait(&self) -> io::Result<c_int> {
        loop {
            // A `signalfd_siginfo` has 128 bytes and begins with the signal's number.
            let mut info = [0; 128];
            match rustix::io::read(&self.0, &mut info) {
                Ok(128) => {
                    let [a, b, c, d, ..] = info;
                    return Ok(c_int::from_ne_bytes([a, b, c, d]));
                }
                Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(Errno::AGAIN) => {
                    let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
                    match poll(&mut fds, None) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
