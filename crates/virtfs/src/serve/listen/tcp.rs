//! `tcp:HOST:PORT`.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use super::{Kind, Reach, Source};
use crate::cli::Address;
use crate::failure::{Doing, Failure, reason};

/// Binds the first address of a host that can be bound.
pub(super) fn bind(host: &str, port: u16, allow_foreign: bool) -> Result<Source, Failure> {
    let typed = || Address::Tcp(host.into(), port).to_string();
    let addresses: Vec<_> = (host, port)
        .to_socket_addrs()
        .map_err(|error| {
            let why = reason(&error);
            Failure::new(format!(
                "{}: '{host}' is no address of this host: {why}",
                typed()
            ))
        })?
        .collect();
    if !allow_foreign && let Some(foreign) = addresses.iter().find(|a| !is_loopback(a)) {
        return Err(refusal(&typed(), *foreign));
    }
    let listener =
        TcpListener::bind(addresses.as_slice()).map_err(|error| explain(&typed(), &error))?;
    let local = listener.local_addr().doing(typed)?;
    listener.set_nonblocking(true).doing(typed)?;
    Ok(Source {
        name: format!("tcp:{local}"),
        kind: Kind::Listener {
            socket: listener.into(),
            is_tcp: true,
        },
        reach: Reach::Tcp(local),
    })
}

/// Whether only this host reaches an address.
pub(super) fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Why an address that other hosts reach is not served.
pub(super) fn refusal(typed: &str, address: SocketAddr) -> Failure {
    let port = address.port();
    Failure::new(format!(
        "{typed}: refused, because other hosts can reach it and the server does not authenticate: \
         whoever connects can act as any user, root included, on the files that are served. \
         Listen on tcp:127.0.0.1:{port}, or add --unauthenticated-tcp if you accept that"
    ))
}

fn explain(typed: &str, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there; take another port, or port 0 for any free one"
        }
        io::ErrorKind::AddrNotAvailable => "this host does not have that address",
        io::ErrorKind::PermissionDenied => "ports below 1024 are for root; take a higher one",
        _ => return Failure::new(format!("{typed}: {}", reason(error))),
    };
    Failure::new(format!("{typed}: {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_what_only_this_host_reaches() {
        let is = |text: &str| is_loopback(&text.parse().unwrap());
        for inside in [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is(inside), "{inside}");
        }
        for outside in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            assert!(!is(outside), "{outside}");
        }
    }
}
