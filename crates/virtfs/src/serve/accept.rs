//! Giving connections to the server: one thread for each source.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::net::sockopt::{set_socket_keepalive, set_tcp_nodelay};
use tracing::{debug, error};
use virtfs_server::{FdStream, Server};

use super::clients::Clients;
use super::event::{Event, LastOne};
use super::listen::{Kind, Source};
use super::origin::peer_of;
use super::peers::Peers;

/// The threads that take connections.
#[derive(Debug)]
pub(super) struct Acceptors {
    listeners: Vec<JoinHandle<()>>,
    stop: Arc<Event>,
}

impl Acceptors {
    /// Starts to take connections. Each thread holds `last` until no more can come from its source.
    pub(super) fn start(
        server: &Server,
        sources: Vec<Source>,
        peers: &Peers,
        last: &Arc<LastOne>,
    ) -> io::Result<Self> {
        let mut acceptors = Self {
            listeners: Vec::new(),
            stop: Arc::new(Event::new()?),
        };
        for source in sources {
            let (server, last) = (server.clone(), last.clone());
            let thread = thread::Builder::new().name("accept".into());
            let name = source.name;
            match source.kind {
                Kind::Listener { socket, is_tcp } => {
                    let (stop, peers) = (acceptors.stop.clone(), peers.clone());
                    let run = move || {
                        let clients = Clients::of(&name, &socket, &*stop, &peers);
                        accept(&server, clients, &name, is_tcp);
                        drop(last);
                    };
                    acceptors.listeners.push(thread.spawn(run)?);
                }
                Kind::Socket(socket) => {
                    if let Some(why) = peers.refusal(&socket) {
                        error!("{name}: {why}");
                        continue;
                    }
                    let run = move || serve_one(&server, last, &name, FdStream::socket(socket));
                    thread.spawn(run)?;
                }
                Kind::Pair(input, output) => {
                    let stream = FdStream::pair(input, output);
                    let run = move || serve_one(&server, last, &name, stream);
                    thread.spawn(run)?;
                }
            }
        }
        Ok(acceptors)
    }

    /// Takes no more connections.
    pub(super) fn stop(self) {
        self.stop.tell();
        for listener in self.listeners {
            // If it panicked, it takes none either.
            let _ = listener.join();
        }
    }
}

fn serve_one(server: &Server, last: Arc<LastOne>, name: &str, stream: FdStream) {
    match server.serve(stream) {
        Ok(session) => session.wait(),
        Err(refused) => error!("{name}: {refused}"),
    }
    debug!("{name}: the client hung up");
    drop(last);
}

fn accept(server: &Server, mut clients: Clients<'_, Event>, name: &str, is_tcp: bool) {
    while let Ok(socket) = clients.next() {
        if is_tcp {
            // Without them it is slower, and notices later that a host is gone.
            let _ = set_tcp_nodelay(&socket, true);
            let _ = set_socket_keepalive(&socket, true);
        }
        debug!("{name}: a client connected");
        let peer = peer_of(&socket);
        if let Err(refused) = server.serve(FdStream::socket(socket).of(peer)) {
            clients.complain(|| format!("a connection was refused: {refused}"));
        }
    }
}
