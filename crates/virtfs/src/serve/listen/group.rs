//! `--socket-group`: who, beside this user, may connect to the sockets that the server makes.

use std::ffi::CString;
use std::io;

use rustix::io::Errno;
use rustix::process::Gid;

use crate::failure::{Doing, Failure, reason};
use crate::sys;

/// A group of this host.
#[derive(Debug)]
pub(in crate::serve) struct Group {
    typed: String,
    pub(super) id: Gid,
}

impl Group {
    /// The group of this name or number.
    pub(super) fn find(typed: &str) -> Result<Self, Failure> {
        let id = match typed.parse() {
            // The last number stands for "no change".
            Ok(id) if id < u32::MAX => Some(id),
            _ => {
                let name = CString::new(typed).unwrap_or_default();
                sys::group_id(&name).doing(|| format!("--socket-group {typed}"))?
            }
        };
        let unknown = || Failure::new(format!("--socket-group {typed}: there is no such group"));
        Ok(Self {
            typed: typed.into(),
            id: Gid::from_raw(id.ok_or_else(unknown)?),
        })
    }

    /// Why a socket cannot be given to it.
    pub(super) fn refusal(&self, errno: Errno) -> Failure {
        let group = &self.typed;
        Failure::new(match errno {
            Errno::PERM => format!(
                "--socket-group {group}: only root and members of a group can give it a socket"
            ),
            errno => format!(
                "--socket-group {group}: {}",
                reason(&io::Error::from(errno))
            ),
        })
    }
}
