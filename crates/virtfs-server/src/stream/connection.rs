//! What a byte stream must be able to do, and how descriptors do it.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::net::{SendAncillaryBuffer, SendFlags, Shutdown, sendmsg, shutdown};

use crate::Peer;

/// A connection to a client: a reliable stream of bytes both ways.
///
/// One thread at a time receives and one sends, in parallel.
pub trait Connection: Send + Sync + 'static {
    /// Waits for bytes and takes what is there; 0 at the end of the stream.
    fn receive(&self, into: &mut [u8]) -> io::Result<usize>;

    /// Sends bytes; how many went.
    fn send(&self, from: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Who is at the other end, if that is known.
    fn peer(&self) -> Option<Peer> {
        None
    }

    /// Makes this and every later receive end the stream. A pipe cannot: there a receive that
    /// sleeps must be interrupted (see [`crate::Interrupter`]).
    fn stop_receiving(&self);

    /// Makes a receive or send that sleeps, and every later one, end or fail, as far as can be.
    fn abort(&self) {
        self.stop_receiving();
    }
}

/// A connection over descriptors.
#[derive(Debug)]
pub struct FdStream {
    input: OwnedFd,
    /// `None`: the socket that is also read from.
    output: Option<OwnedFd>,
    stopped: AtomicBool,
    peer: Option<Peer>,
}

impl FdStream {
    /// Over a connected stream socket.
    pub fn socket(socket: impl Into<OwnedFd>) -> Self {
        Self {
            input: socket.into(),
            output: None,
            stopped: AtomicBool::new(false),
            peer: None,
        }
    }

    /// Over one descriptor to read from and one to write to. The process must ignore `SIGPIPE`,
    /// as Rust programs do.
    pub fn pair(input: impl Into<OwnedFd>, output: impl Into<OwnedFd>) -> Self {
        Self {
            input: input.into(),
            output: Some(output.into()),
            stopped: AtomicBool::new(false),
            peer: None,
        }
    }

    /// The same, of this peer.
    pub fn of(self, peer: Option<Peer>) -> Self {
        Self { peer, ..self }
    }
}

impl Connection for FdStream {
    fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        if self.stopped.load(Ordering::Relaxed) && self.output.is_some() {
            return Ok(0);
        }
        Ok(rustix::io::read(&self.input, into)?)
    }

    fn send(&self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(match &self.output {
            Some(output) => rustix::io::writev(output, from)?,
            None => {
                let mut control = SendAncillaryBuffer::default();
                sendmsg(&self.input, from, &mut control, SendFlags::NOSIGNAL)?
            }
        })
    }

    fn peer(&self) -> Option<Peer> {
        self.peer
    }

    fn stop_receiving(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        if self.output.is_none() {
            // It fails only where there is nothing to shut down any more.
            let _ = shutdown(&self.input, Shutdown::Read);
        }
    }

    fn abort(&self) {
        self.stop_receiving();
        if self.output.is_none() {
            // A client that does not read must not keep a sender.
            let _ = shutdown(&self.input, Shutdown::Both);
        }
    }
}
