//! `--peer-uid`: from whom connections to Unix sockets are taken.

use std::sync::Arc;

use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;

use crate::cli::PeerUid;
use crate::failure::reason;

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

    /// Why whoever has connected this socket is not served, if that is so.
    pub(super) fn refusal(&self, socket: &impl std::os::fd::AsFd) -> Option<String> {
        let allowed = self.0.as_deref()?;
        // What is no Unix socket has no user.
        match socket_peercred(socket) {
            Ok(peer) if allowed.contains(&peer.uid.as_raw()) => None,
            Ok(peer) => Some(format!(
                "a connection of user {} (process {}) was refused (--peer-uid)",
                peer.uid.as_raw(),
                peer.pid.as_raw_nonzero()
            )),
            Err(errno) => Some(format!(
                "a connection was refused, for it does not tell its user: {}",
                reason(&errno.into())
            )),
        }
    }
}
