//! Who connects to a listening socket: one after the other, until told to stop.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use tracing::{error, warn};
use virtfs_server::Rarely;

use super::peers::Peers;
use crate::failure::reason;

/// How long to wait before connections are looked at again when the host has no room for them.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// Those who connect to a socket.
pub(super) struct Clients<'s, S> {
    /// The socket's name.
    name: &'s str,
    listener: &'s OwnedFd,
    /// Can be read when it is time to stop.
    stop: &'s S,
    peers: &'s Peers,
    complaints: Rarely,
}

/// Why nobody comes any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was time to stop.
    Told,
    /// The socket cannot be used; it was said why.
    Failed,
}

impl<'s, S: AsFd> Clients<'s, S> {
    /// Of a listening socket that does not block.
    pub(super) fn of(name: &'s str, listener: &'s OwnedFd, stop: &'s S, peers: &'s Peers) -> Self {
        Self {
            name,
            listener,
            stop,
            peers,
            complaints: Rarely::new(),
        }
    }

    /// The next one's socket, which blocks.
    pub(super) fn next(&mut self) -> Result<OwnedFd, End> {
        loop {
            self.wait_for_one()?;
            let errno = match accept_with(self.listener, SocketFlags::CLOEXEC) {
                Ok(socket) => match self.peers.refusal(&socket) {
                    None => return Ok(socket),
                    Some(why) => {
                        self.complain(|| why);
                        continue;
                    }
                },
                Err(errno) => errno,
            };
            let why = || reason(&errno.into());
            match remedy(errno) {
                Remedy::Retry => {}
                Remedy::Pause => {
                    self.complain(|| format!("no connection can be taken: {}", why()));
                    self.pause();
                }
                Remedy::GiveUp => {
                    error!("{}: no more connections: {}", self.name, why());
                    return Err(End::Failed);
                }
            }
        }
    }

    /// Says what is wrong, unless something was wrong just before.
    pub(super) fn complain(&self, what: impl FnOnce() -> String) {
        let name = self.name;
        match self.complaints.due(Instant::now()) {
            None => {}
            Some(0) => warn!("{name}: {}", what()),
            Some(unsaid) => warn!(
                "{name}: {} (and {unsaid} more times since the last line)",
                what()
            ),
        }
    }

    /// Gives the host, or whoever connects, time to do better.
    pub(super) fn pause(&self) {
        wait(&mut [PollFd::new(self.stop, PollFlags::IN)], Some(&PAUSE));
    }

    fn wait_for_one(&self) -> Result<(), End> {
        loop {
            let mut fds = [
                PollFd::new(self.listener, PollFlags::IN),
                PollFd::new(self.stop, PollFlags::IN),
            ];
            wait(&mut fds, None);
            match fds.map(|fd| !fd.revents().is_empty()) {
                [_, true] => return Err(End::Told),
                [true, _] => return Ok(()),
                _ => {}
            }
        }
    }
}

fn wait(fds: &mut [PollFd<'_>], timeout: Option<&Timespec>) {
    // If it fails, the caller looks again and sees nothing, or an error of its own.
    let _ = poll(fds, timeout);
}

enum Remedy {
    Retry,
    Pause,
    GiveUp,
}

fn remedy(errno: Errno) -> Remedy {
    match errno {
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => Remedy::Pause,
        Errno::BADF | Errno::INVAL | Errno::NOTSOCK | Errno::OPNOTSUPP | Errno::FAULT => {
            Remedy::GiveUp
        }
        // The client has gone, or its network is in trouble: the next one may do better.
        _ => Remedy::Retry,
    }
}
