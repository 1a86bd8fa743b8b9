//! Where a connection comes from: places are shared out among users and hosts.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use virtfs_server::Peer;

use crate::sys;

/// Who is at the other end, if that can be known: the user, of a Unix socket; the host, of TCP.
pub(super) fn peer_of(socket: &OwnedFd) -> Option<Peer> {
    if let Ok(Some(address)) = rustix::net::getpeername(socket)
        && let Ok(address) = SocketAddr::try_from(address)
    {
        return Some(Peer::at(address.ip()));
    }
    let uid = sys::peer_uid(socket.as_fd()).ok().flatten();
    uid.map(Peer::User)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    #[test]
    fn users_and_hosts_are_told_apart_and_a_file_is_nobody() {
        let (unix, _other) = UnixStream::pair().unwrap();
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(peer_of(&unix.into()), Some(Peer::User(own)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let localhost = Peer::at("127.0.0.1".parse().unwrap());
        assert_eq!(peer_of(&tcp.into()), Some(localhost));
        assert_eq!(peer_of(&tempfile::tempfile().unwrap().into()), None);
    }
}
