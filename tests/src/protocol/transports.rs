//! The ways from a client to a server: what a table of transports is made of.

use std::fmt;
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::thread;

use virtfs_client::{Address, Client, Options, Result, Stream};
use virtfs_server::{Export, FdStream, Limits, Server};

use super::{Backend, Has, relay};

/// Serves a backend, and says how to connect to it.
pub type Transport = fn(&Backend) -> Endpoint;

type Connect = dyn Fn(&Options) -> Result<Client> + Send + Sync;

/// How many fids a session may have where [`Has::FEW_FIDS`] is offered.
pub const FIDS: usize = 1_100;

/// A server, and how to connect to it.
pub struct Endpoint {
    connect: Box<Connect>,
    offers: Has,
}

impl Endpoint {
    /// Connections by `connect`, which keeps the server. Nothing is offered beyond what the
    /// backend has.
    pub fn new(connect: impl Fn(&Options) -> Result<Client> + Send + Sync + 'static) -> Self {
        Self {
            connect: Box::new(connect),
            offers: Has::empty(),
        }
    }

    /// One more connection.
    pub fn connect(&self, options: &Options) -> Result<Client> {
        (self.connect)(options)
    }

    /// What a site has: what the backend has, and what the way to it adds.
    pub fn has(&self, backend: &Backend) -> Has {
        self.offers | backend.has()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

/// A Unix socket with a path.
pub fn unix(backend: &Backend) -> Endpoint {
    let dir = tempfile::tempdir().expect("a directory for the socket");
    let path = dir.path().join("9p.sock");
    let listener = UnixListener::bind(&path).expect("a socket to listen on");
    in_process(backend, move |server, options| {
        let _kept = &dir;
        let accept = || FdStream::socket(listener.accept().expect("a connection").0);
        connected(server, accept, || {
            Client::connect(&Address::Unix(path.clone()), options)
        })
    })
}

/// TCP on loopback.
pub fn tcp(backend: &Backend) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port to listen on");
    let port = listener.local_addr().expect("the port's number").port();
    in_process(backend, move |server, options| {
        let accept = || FdStream::socket(listener.accept().expect("a connection").0);
        connected(server, accept, || {
            let host = "127.0.0.1".to_owned();
            Client::connect(&Address::Tcp { host, port }, options)
        })
    })
}

/// A pair of connected sockets.
pub fn socketpair(backend: &Backend) -> Endpoint {
    in_process(backend, |server, options| {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        serve(server, FdStream::socket(theirs));
        Client::over(Stream::socket(ours), options)
    })
}

/// Two pipes, one each way.
pub fn pipes(backend: &Backend) -> Endpoint {
    in_process(backend, |server, options| {
        let (to_server, from_client) = std::io::pipe().expect("a pipe");
        let (to_client, from_server) = std::io::pipe().expect("a pipe");
        serve(server, FdStream::pair(to_server, from_server));
        Client::over(Stream::pair(to_client, from_client), options)
    })
}

/// A pair of sockets whose replies come in small pieces, and on which the server's promise of
/// order never arrives: the client must do without.
pub fn unordered(backend: &Backend) -> Endpoint {
    in_process(backend, |server, options| {
        let (ours, theirs) = relay::between().expect("a relay");
        serve(server, FdStream::socket(theirs));
        Client::over(Stream::socket(ours), options)
    })
}

/// The standard streams of a program that serves the backend on them: one program for each
/// connection, so that clients meet on the disk and not in a server.
pub fn stdio(command: impl Fn() -> Command + Send + Sync + 'static) -> Endpoint {
    Endpoint::new(move |options| Client::spawn(command(), options))
}

/// A server of this process, to which `connect` connects.
pub(super) fn in_process(
    backend: &Backend,
    connect: impl Fn(&Server, &Options) -> Result<Client> + Send + Sync + 'static,
) -> Endpoint {
    let mut limits = Limits::default();
    limits.fids = FIDS;
    let server = Server::builder()
        .export(Export::new("root", backend.file_system()))
        .limits(limits)
        .build()
        .expect("a server starts");
    Endpoint {
        offers: Has::ONE_SERVER | Has::FEW_FIDS,
        ..Endpoint::new(move |options| connect(&server, options))
    }
}

/// Connects, while another thread accepts and serves.
fn connected(
    server: &Server,
    accept: impl FnOnce() -> FdStream + Send,
    connect: impl FnOnce() -> Result<Client>,
) -> Result<Client> {
    thread::scope(|scope| {
        scope.spawn(|| serve(server, accept()));
        connect()
    })
}

fn serve(server: &Server, stream: FdStream) {
    server.serve(stream).expect("there is room for a session");
}
