//! From an address to where connections come from.

mod inherited;
mod tcp;
mod unix;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

pub(super) use self::unix::SocketFile;

use super::config::Config;
use crate::cli::Address;
use crate::failure::Failure;

/// Where connections come from.
#[derive(Debug)]
pub(super) struct Source {
    /// As the user would write it, with the real port.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// How a client gets there.
    pub(super) reach: Reach,
}

/// What there is to be served.
#[derive(Debug)]
pub(super) enum Kind {
    /// A listening socket, which does not block.
    Listener { socket: OwnedFd, is_tcp: bool },
    /// One connected socket.
    Socket(OwnedFd),
    /// One connection: where to read, where to write.
    Pair(OwnedFd, OwnedFd),
}

/// How a client gets to a source.
#[derive(Debug)]
pub(super) enum Reach {
    Unix(PathBuf),
    Tcp(SocketAddr),
    /// It holds the other end.
    Descriptor,
    /// Not in a way that Linux could mount.
    Unknown,
}

/// Everything that was bound.
#[derive(Debug, Default)]
pub(super) struct Bound {
    pub(super) sources: Vec<Source>,
    /// To be removed in the end.
    pub(super) socket_files: Vec<SocketFile>,
}

/// Takes over what was inherited, before the process opens anything itself.
pub(super) fn inherit(config: &Config) -> Result<Vec<Source>, Failure> {
    // All numbers first: what is opened from here on could get one that was not passed on.
    let mut descriptors = Vec::new();
    for address in &config.listen {
        if let Address::Fd(number) = address {
            descriptors.push((address.to_string(), inherited::take(*number)?));
        }
    }
    let mut sources = Vec::new();
    for (name, fd) in descriptors {
        sources.push(inherited::descriptor(name, fd, config.allow_foreign_tcp)?);
    }
    if config.listen.contains(&Address::Stdio) {
        sources.push(inherited::stdio()?);
    }
    Ok(sources)
}

/// Binds the rest. What was bound before a failure is removed again.
pub(super) fn bind(config: &Config, inherited: Vec<Source>) -> Result<Bound, Failure> {
    let mut bound = Bound {
        sources: inherited,
        socket_files: Vec::new(),
    };
    for address in &config.listen {
        if let Err(failure) = bind_one(address, config.allow_foreign_tcp, &mut bound) {
            bound.socket_files.iter().for_each(SocketFile::remove);
            return Err(failure);
        }
    }
    Ok(bound)
}

fn bind_one(address: &Address, allow_foreign: bool, bound: &mut Bound) -> Result<(), Failure> {
    match address {
        Address::Unix(path) => {
            let (source, file) = unix::bind(path)?;
            bound.sources.push(source);
            bound.socket_files.push(file);
        }
        Address::Tcp(host, port) => bound.sources.push(tcp::bind(host, *port, allow_foreign)?),
        Address::Fd(_) | Address::Stdio => {}
    }
    Ok(())
}
