//! SIGTERM and Ctrl-C, as something to wait for.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::sys;

/// Those that end the program in order, the last unless it was started to outlive its terminal
/// (nohup).
const ENDING: [c_int; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP];

/// The signals that have arrived.
#[derive(Debug)]
pub(crate) struct Signals {
    fd: OwnedFd,
    /// It is a pipe, to which another process writes the numbers of signals that it got.
    by_pipe: bool,
}

/// What came first.
pub(crate) enum First {
    Signal(c_int),
    Event,
}

impl Signals {
    /// Blocks them for this thread and those that it will start, so that they wait to be read: to
    /// be called before any thread is started.
    pub(crate) fn block() -> io::Result<Self> {
        // A client may write beyond a limit of the process: that is to be its error.
        sys::set_disposition(libc::SIGXFSZ, libc::SIG_IGN)?;
        // Where the starter ignores it, nobody hears how a process ended.
        sys::set_disposition(libc::SIGCHLD, libc::SIG_DFL)?;
        let ending = match sys::is_ignored(libc::SIGHUP)? {
            true => ENDING.split_last().map_or(&[][..], |(_, rest)| rest),
            false => &ENDING,
        };
        sys::block_signals(ending)?;
        sys::signal_fd(ending).map(Self::of)
    }

    /// Those that another process hands on by a pipe that does not block, one byte each.
    pub(crate) fn handed_on(pipe: OwnedFd) -> Self {
        Self {
            fd: pipe,
            by_pipe: true,
        }
    }

    /// SIGTERM alone, in a process that was forked after [`Signals::block`]. Ctrl-C reaches all
    /// processes of a terminal, and the first of them tells the others.
    pub(crate) fn sigterm() -> io::Result<Self> {
        sys::signal_fd(&[libc::SIGTERM]).map(Self::of)
    }

    fn of(fd: OwnedFd) -> Self {
        Self { fd, by_pipe: false }
    }

    /// Waits for the next one; its number.
    pub(crate) fn wait(&self) -> io::Result<c_int> {
        loop {
            look(&mut [PollFd::new(&self.fd, PollFlags::IN)])?;
            if let Some(signal) = self.next() {
                return Ok(signal);
            }
        }
    }

    /// Waits for a signal, or until an event's descriptor can be read.
    pub(crate) fn wait_for(&self, event: &impl AsFd) -> io::Result<First> {
        self.wait_for_any(&[PollFd::new(event, PollFlags::IN)])
    }

    /// Waits for a signal, or until one of these has what it is polled for, or is broken.
    pub(crate) fn wait_for_any(&self, events: &[PollFd<'_>]) -> io::Result<First> {
        let mut fds = vec![PollFd::new(&self.fd, PollFlags::IN)];
        fds.extend_from_slice(events);
        loop {
            look(&mut fds)?;
            if let Some(signal) = self.next() {
                return Ok(First::Signal(signal));
            }
            if fds.iter().skip(1).any(|fd| !fd.revents().is_empty()) {
                return Ok(First::Event);
            }
        }
    }

    fn next(&self) -> Option<c_int> {
        if self.by_pipe {
            let mut number = [0; 1];
            return match rustix::io::read(&self.fd, &mut number) {
                Ok(1) => Some(number[0].into()),
                // The process that hands them on has gone.
                Ok(_) => Some(libc::SIGTERM),
                Err(_) => None,
            };
        }
        // A `signalfd_siginfo` has 128 bytes and begins with the signal's number.
        let mut info = [0; 128];
        match rustix::io::read(&self.fd, &mut info) {
            Ok(128) => info
                .first_chunk()
                .map(|number| c_int::from_ne_bytes(*number)),
            _ => None,
        }
    }
}

/// Sleeps until one of them can be read, or for no reason.
fn look(fds: &mut [PollFd<'_>]) -> io::Result<()> {
    match poll(fds, None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
