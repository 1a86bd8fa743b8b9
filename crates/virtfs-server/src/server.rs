//! A server: exports, budgets, and the sessions that use them.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::ServerBuilder;
use crate::budget::{Budget, Limits};
use crate::export::Exports;
use crate::locks::LockTable;
use crate::places::{Place, Places};
use crate::sentinel::{Interrupter, Sentinel, Watched};
use crate::session::Session;
use crate::stream::{self, Connection};
use crate::transport::Transport;

/// What the sessions of a server share.
pub(crate) struct Shared {
    pub(crate) exports: Exports,
    pub(crate) limits: Limits,
    pub(crate) locks: Arc<LockTable>,
    pub(crate) opens: Arc<Budget>,
    pub(crate) directories: Arc<Budget>,
    pub(crate) xattrs: Arc<Budget>,
    pub(crate) fids: Arc<Budget>,
    pub(crate) threads: Arc<Budget>,
    /// Bytes of the buffers of byte streams.
    pub(crate) buffers: Arc<Budget>,
    pub(crate) sentinel: Arc<Sentinel>,
    pub(crate) interrupter: Option<Box<dyn Interrupter>>,
    places: Arc<Places>,
    _stop: StopSentinel,
}

/// Why a connection was not taken.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refused {
    /// There are as many sessions as [`Limits::sessions`] allows.
    TooManySessions,
    /// Its peer has most of them.
    TooManyOfPeer,
    /// No thread could be had for it.
    Thread(std::io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManySessions => f.write_str("there are too many sessions already"),
            Self::TooManyOfPeer => f.write_str("its peer has too many sessions already"),
            Self::Thread(error) => write!(f, "no thread could be started: {error}"),
        }
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Thread(error) => Some(error),
            Self::TooManySessions | Self::TooManyOfPeer => None,
        }
    }
}

/// A 9P server. Clones are the same server.
///
/// ```no_run
/// use std::os::unix::net::UnixListener;
/// use std::sync::Arc;
/// use virtfs_server::{Export, FdStream, Server};
///
/// # fn fs() -> Arc<dyn virtfs_vfs::FileSystem> { unimplemented!() }
/// let server = Server::builder().export(Export::new("root", fs())).build()?;
/// for stream in UnixListener::bind("9p.sock")?.incoming() {
///     server.serve(FdStream::socket(stream?))?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

/// Ends the sentinel's thread with the last clone of the server and the last session: sessions
/// outlive the server that began them.
struct StopSentinel(Arc<Sentinel>);

impl Drop for StopSentinel {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A session that a server has begun. Holds nothing of it: the session ends without its handle.
pub struct SessionHandle {
    id: u64,
    session: Weak<dyn Watched>,
}

impl SessionHandle {
    /// Waits until the session has ended and holds nothing any more.
    pub fn wait(&self) {
        if let Some(session) = self.session.upgrade() {
            session.wait(None);
        }
    }

    /// Waits for that, so long at most; whether it has happened.
    pub fn wait_for(&self, patience: Duration) -> bool {
        let session = self.session.upgrade();
        session.is_none_or(|session| session.wait(Some(patience)))
    }

    /// Interrupts what runs, again and again until it ends. Unlike flushed requests, these are
    /// answered: with `EINTR`, if there is nothing better.
    pub fn interrupt(&self) {
        if let Some(session) = self.session.upgrade() {
            session.interrupt();
        }
    }

    /// Whether the session has ended and holds nothing any more.
    pub fn has_ended(&self) -> bool {
        self.wait_for(Duration::ZERO)
    }

    /// Ends the session: what runs is interrupted, what waits is dropped.
    pub fn abort(&self) {
        if let Some(session) = self.session.upgrade() {
            session.abort();
        }
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionHandle").field(&self.id).finish()
    }
}

impl Server {
    /// A server to be set up.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    pub(crate) fn start(
        exports: Exports,
        limits: Limits,
        interrupter: Option<Box<dyn Interrupter>>,
    ) -> std::io::Result<Self> {
        let sentinel = Sentinel::start()?;
        let stop = StopSentinel(sentinel.clone());
        let shared = Shared {
            exports,
            limits,
            locks: Arc::new(LockTable::new(&limits)),
            opens: Arc::default(),
            directories: Arc::default(),
            xattrs: Arc::default(),
            fids: Arc::default(),
            threads: Arc::default(),
            buffers: Arc::default(),
            sentinel,
            interrupter,
            places: Places::new(limits.sessions),
            _stop: stop,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Serves a connection on threads of its own until the client hangs up. Where there are as many
    /// sessions as there may be, or as are its peer's share, the oldest connection that holds no fid
    /// is closed for it.
    pub fn serve(&self, connection: impl Connection) -> Result<SessionHandle, Refused> {
        let shared = &self.shared;
        let place = shared
            .places
            .take_for(connection.peer(), &shared.sentinel)?;
        let (transport, receiver) = stream::open(connection, &shared.limits, &shared.buffers);
        self.start_session(place, transport, receiver)
    }

    /// Serves any other transport.
    pub fn serve_transport<T: Transport>(
        &self,
        transport: T,
        receiver: T::Receiver,
    ) -> Result<SessionHandle, Refused> {
        let place = self.shared.places.take_to_stay()?;
        self.start_session(place, transport, receiver)
    }

    fn start_session<T: Transport>(
        &self,
        place: Place,
        transport: T,
        receiver: T::Receiver,
    ) -> Result<SessionHandle, Refused> {
        let session = Session::start(self.shared.clone(), place, transport, receiver)
            .map_err(Refused::Thread)?;
        let (id, session) = (session.id, Arc::downgrade(&session));
        Ok(SessionHandle { id, session })
    }

    /// Lets every request that has arrived be answered, for so long at most, then ends all
    /// sessions. `false` if some did not end even so, because the host keeps a request.
    pub fn shut_down(&self, patience: Duration) -> bool {
        for session in self.shared.sentinel.all() {
            session.drain();
        }
        if self.shared.places.wait_until_free(patience) {
            return true;
        }
        for session in self.shared.sentinel.all() {
            session.abort();
        }
        self.shared.places.wait_until_free(Duration::from_secs(1))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("exports", &self.shared.exports)
            .finish_non_exhaustive()
    }
}
