//! Giving connections to the server: one thread for each source.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_nodelay};
use rustix::net::{SocketFlags, accept_with};
use tracing::{debug, error, warn};
use virtfs_server::{FdStream, Server};

use super::event::Event;
use super::listen::{Kind, Source};
use crate::failure::reason;

/// How long to wait before connections are looked at again when the host has no room for them.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// The threads that take connections.
#[derive(Debug)]
pub(super) struct Acceptors {
    listeners: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    stop: Event,
    /// Told when no source is left.
    finished: Event,
    sources: AtomicUsize,
}

impl Acceptors {
    /// Starts to take connections.
    pub(super) fn start(server: &Server, sources: Vec<Source>) -> io::Result<Self> {
        let mut acceptors = Self {
            listeners: Vec::new(),
            shared: Arc::new(Shared {
                stop: Event::new()?,
                finished: Event::new()?,
                sources: AtomicUsize::new(sources.len()),
            }),
        };
        for source in sources {
            let (server, shared) = (server.clone(), acceptors.shared.clone());
            let thread = thread::Builder::new().name("accept".into());
            let name = source.name;
            match source.kind {
                Kind::Listener { socket, is_tcp } => {
                    let run = move || {
                        accept(&server, &shared, &name, &socket, is_tcp);
                        shared.source_ended();
                    };
                    acceptors.listeners.push(thread.spawn(run)?);
                }
                Kind::Socket(socket) => {
                    let run = move || serve_one(&server, &shared, &name, FdStream::socket(socket));
                    thread.spawn(run)?;
                }
                Kind::Pair(input, output) => {
                    let stream = FdStream::pair(input, output);
                    let run = move || serve_one(&server, &shared, &name, stream);
                    thread.spawn(run)?;
                }
            }
        }
        Ok(acceptors)
    }

    /// Told when there will be no more connections: all have ended, and nothing listens.
    pub(super) fn finished(&self) -> &Event {
        &self.shared.finished
    }

    /// Takes no more connections.
    pub(super) fn stop(self) {
        self.shared.stop.tell();
        for listener in self.listeners {
            // If it panicked, it takes none either.
            let _ = listener.join();
        }
    }
}

impl Shared {
    fn source_ended(&self) {
        if self.sources.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finished.tell();
        }
    }
}

fn serve_one(server: &Server, shared: &Shared, name: &str, stream: FdStream) {
    match server.serve(stream) {
        Ok(session) => session.wait(),
        Err(refused) => error!("{name}: {refused}"),
    }
    debug!("{name}: the client hung up");
    shared.source_ended();
}

fn accept(server: &Server, shared: &Shared, name: &str, listener: &OwnedFd, is_tcp: bool) {
    let mut complaints = Complaints::default();
    while wait_for_client(listener, &shared.stop) {
        let socket = match accept_with(listener, SocketFlags::CLOEXEC) {
            Ok(socket) => socket,
            Err(errno) => match remedy(errno) {
                Remedy::Retry => continue,
                Remedy::Pause => {
                    let why = reason(&errno.into());
                    complaints.log(|| format!("{name}: no connection can be taken: {why}"));
                    wait(
                        &mut [PollFd::new(&shared.stop, PollFlags::IN)],
                        Some(&PAUSE),
                    );
                    continue;
                }
                Remedy::GiveUp => {
                    error!("{name}: no more connections: {}", reason(&errno.into()));
                    return;
                }
            },
        };
        if is_tcp {
            // Without them it is slower, and notices later that a host is gone.
            let _ = set_tcp_nodelay(&socket, true);
            let _ = set_socket_keepalive(&socket, true);
        }
        debug!("{name}: a client connected");
        if let Err(refused) = server.serve(FdStream::socket(socket)) {
            complaints.log(|| format!("{name}: a connection was refused: {refused}"));
        }
    }
}

/// Waits until a client is there; `false`: the server is to stop.
fn wait_for_client(listener: &OwnedFd, stop: &Event) -> bool {
    loop {
        let mut fds = [
            PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN),
            PollFd::new(stop, PollFlags::IN),
        ];
        wait(&mut fds, None);
        match fds.map(|fd| !fd.revents().is_empty()) {
            [_, true] => return false,
            [true, _] => return true,
            _ => {}
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

/// Warnings that come once a second at most, however often there is a reason.
#[derive(Debug, Default)]
struct Complaints {
    last: Option<Instant>,
    unsaid: u64,
}

impl Complaints {
    fn log(&mut self, text: impl FnOnce() -> String) {
        let now = Instant::now();
        if self
            .last
            .is_some_and(|last| now - last < Duration::from_secs(1))
        {
            self.unsaid += 1;
            return;
        }
        match std::mem::take(&mut self.unsaid) {
            0 => warn!("{}", text()),
            unsaid => warn!("{} (and {unsaid} more times since the last line)", text()),
        }
        self.last = Some(now);
    }
}
