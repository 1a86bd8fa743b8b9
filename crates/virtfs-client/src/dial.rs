//! Connecting to an address.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::{Address, Error, Result};

/// A connected stream socket.
pub(crate) fn connect(address: &Address, timeout: Option<Duration>) -> Result<OwnedFd> {
    match address {
        Address::Unix(path) => local(Domain::UNIX, &SockAddr::unix(path)?, timeout),
        Address::Vsock { cid, port } => {
            local(Domain::VSOCK, &SockAddr::vsock(*cid, *port), timeout)
        }
        Address::Tcp { host, port } => tcp(host, *port, timeout),
    }
}

fn local(domain: Domain, address: &SockAddr, timeout: Option<Duration>) -> Result<OwnedFd> {
    let socket = Socket::new(domain, Type::STREAM, None)?;
    match timeout {
        // A Unix socket whose queue is full answers EAGAIN to a connect that must not sleep, and
        // nothing tells when there is room: SO_SNDTIMEO bounds a connect that may.
        Some(timeout) if domain == Domain::UNIX => {
            socket.set_write_timeout(Some(timeout.max(Duration::from_micros(1))))?;
            socket.connect(address).map_err(timed_out)?;
            socket.set_write_timeout(None)?;
        }
        Some(timeout) => socket
            .connect_timeout(address, timeout)
            .map_err(timed_out)?,
        None => socket.connect(address)?,
    }
    Ok(socket.into())
}

fn tcp(host: &str, port: u16, timeout: Option<Duration>) -> Result<OwnedFd> {
    let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut last = Error::from(io::Error::new(
        io::ErrorKind::NotFound,
        "the host has no address",
    ));
    for address in (host, port).to_socket_addrs()? {
        let connected = match until {
            None => TcpStream::connect(address),
            Some(until) => {
                let rest = until.saturating_duration_since(Instant::now());
                if rest.is_zero() {
                    return Err(Error::TimedOut);
                }
                TcpStream::connect_timeout(&address, rest)
            }
        };
        match connected {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream.into());
            }
            Err(error) => last = timed_out(error),
        }
    }
    Err(last)
}

fn timed_out(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Error::TimedOut,
        _ => error.into(),
    }
}
