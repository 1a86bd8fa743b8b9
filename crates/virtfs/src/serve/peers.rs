//! `--peer-uid`: from whom connections to Unix sockets are taken.

use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::process::geteuid;

use crate::cli::PeerUid;
use crate::failure::reason;
use crate::sys;

/// The users who may connect; `None`: whoever the socket lets.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers(Option<Arc<[u32]>>);

impl Peers {
    /// Those that were typed.
    pub(super) fn new(typed: &[PeerUid]) -> Self {
        let uid = |peer: &PeerUid| match peer {
            PeerUid::Same => geteuid().as_raw(),
            PeerUid::Number(uid) => *uid,
        };
        Self((!typed.is_empty()).then(|| typed.iter().map(uid).collect()))
    }

    /// The users who may connect; none if that is not said.
    pub(super) fn users(&self) -> &[u32] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Why whoever has connected this socket is not served, if that is so.
    pub(super) fn refusal(&self, socket: &impl AsFd) -> Option<String> {
        let allowed = self.0.as_deref()?;
        let why = match sys::peer_uid(socket.as_fd()) {
            Ok(Some(uid)) if allowed.contains(&uid) => return None,
            Ok(Some(uid)) => {
                return Some(format!(
                    "a connection of user {uid} was refused (--peer-uid)"
                ));
            }
            Ok(None) => "it is not of a Unix socket".to_owned(),
            Err(error) => reason(&error),
        };
        Some(format!(
            "a connection was refused, for it does not tell its user: {why}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    #[test]
    fn only_who_is_known_to_be_allowed_is_taken() {
        let own = geteuid().as_raw();
        let (unix, _other) = UnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let file = tempfile::tempfile().unwrap();
        let peers = |uid| Peers::new(&[PeerUid::Number(uid)]);
        assert_eq!(peers(own).refusal(&unix), None);
        assert_eq!(Peers::new(&[PeerUid::Same]).refusal(&unix), None);
        assert_eq!(Peers::new(&[]).refusal(&file), None);
        let user = format!("of user {own} ");
        assert!(peers(own + 1).refusal(&unix).unwrap().contains(&user));
        assert!(peers(own).refusal(&tcp).is_some());
        assert!(peers(own).refusal(&file).is_some());
    }
}
