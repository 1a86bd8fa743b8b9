//! The byte stream to a server.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, sendmsg, shutdown};

use crate::{Address, Result, dial};

/// A byte stream to a server: a connected socket, or one descriptor for each direction.
#[derive(Debug)]
pub struct Stream {
    input: OwnedFd,
    /// `None`: the socket that is also read from.
    output: Option<OwnedFd>,
}

/// What a poll found.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) input: bool,
    pub(crate) output: bool,
    pub(crate) event: bool,
}

impl Stream {
    /// Over a connected stream socket.
    pub fn socket(socket: impl Into<OwnedFd>) -> Stream {
        Stream {
            input: socket.into(),
            output: None,
        }
    }

    /// Over one descriptor to read from and one to write to, such as two pipes. They become
    /// non-blocking, for everybody who shares them. The process must ignore `SIGPIPE`, as Rust
    /// programs do.
    pub fn pair(input: impl Into<OwnedFd>, output: impl Into<OwnedFd>) -> Stream {
        let (input, output) = (input.into(), output.into());
        for fd in [&input, &output] {
            // These fail only for a descriptor that is not open.
            if let Ok(flags) = fcntl_getfl(fd) {
                let _ = fcntl_setfl(fd, flags | OFlags::NONBLOCK);
            }
        }
        Stream {
            input,
            output: Some(output),
        }
    }

    /// Connects to an address: to all that a host's name stands for, one after the other.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`](crate::Error::Lost) says why the last address could not be reached;
    /// [`Error::TimedOut`](crate::Error::TimedOut) after `timeout` in all (looking up the name not
    /// counted).
    pub fn connect(address: &Address, timeout: Option<Duration>) -> Result<Stream> {
        dial::connect(address, timeout).map(Stream::socket)
    }

    /// Starts a command and talks to its stdin and stdout. The caller waits for the child.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`](crate::Error::Lost) if it cannot be started.
    pub fn spawn(mut command: Command) -> Result<(Stream, Child)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (Some(output), Some(input)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a child without stdin or stdout").into());
        };
        Ok((Stream::pair(input, output), child))
    }

    /// What is there now; 0 at the end of the stream.
    pub(crate) fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        Ok(match self.output {
            None => recv(&self.input, into, RecvFlags::DONTWAIT)?.0,
            Some(_) => rustix::io::read(&self.input, into)?,
        })
    }

    /// Sends what there is room for now.
    pub(crate) fn send(&self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(match &self.output {
            Some(output) => rustix::io::writev(output, from)?,
            None => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                sendmsg(
                    &self.input,
                    from,
                    &mut SendAncillaryBuffer::default(),
                    flags,
                )?
            }
        })
    }

    /// Sleeps until there is something to receive, room to send (if that is wanted), `event` is
    /// there, or it is this time.
    pub(crate) fn poll(
        &self,
        output: bool,
        event: &OwnedFd,
        until: Option<Instant>,
    ) -> io::Result<Ready> {
        let timeout = until.map(|until| {
            let rest = until.saturating_duration_since(Instant::now());
            Timespec::try_from(rest).unwrap_or(Timespec {
                tv_sec: 1 << 30,
                tv_nsec: 0,
            })
        });
        let both = match (output, &self.output) {
            (true, None) => PollFlags::IN | PollFlags::OUT,
            _ => PollFlags::IN,
        };
        let sending = match output {
            true => PollFlags::OUT,
            false => PollFlags::empty(),
        };
        let mut fds = [
            PollFd::new(event, PollFlags::IN),
            PollFd::new(&self.input, both),
            PollFd::new(self.output.as_ref().unwrap_or(&self.input), sending),
        ];
        // A closed output of a pair would end every poll in which it is not wanted.
        let count = if output && self.output.is_some() {
            3
        } else {
            2
        };
        let polled = fds.get_mut(..count).unwrap_or_default();
        match poll(polled, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Ready::default()),
            Err(error) => return Err(error.into()),
        }
        let [event, input, other] = fds.map(|fd| fd.revents());
        let sent = if self.output.is_some() { other } else { input };
        let closed = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        Ok(Ready {
            input: input.intersects(PollFlags::IN | closed),
            output: output && sent.intersects(PollFlags::OUT | closed),
            event: event.intersects(PollFlags::IN),
        })
    }

    /// Tells the server that nothing more will come, and wakes who sleeps on it, if it is a socket.
    pub(crate) fn shutdown(&self) {
        if self.output.is_none() {
            // It fails only where there is nothing to shut down any more.
            let _ = shutdown(&self.input, Shutdown::Both);
        }
    }
}
