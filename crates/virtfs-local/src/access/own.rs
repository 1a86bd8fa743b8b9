//! The server's own rights, and what it takes to act with others'.

use std::fmt;
use std::sync::{Arc, RwLock};

use rustix::io;
use rustix::process::getgroups;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities};
use virtfs_vfs::Credentials;

use super::thread;
use crate::sys::fsid;

/// What acting as others takes.
const SWITCHING: CapabilitySet = CapabilitySet::SETUID.union(CapabilitySet::SETGID);

/// What a thread has that acts as the server.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) user: Credentials,
    /// Without `CAP_FSETID` among the effective ones, as `crate::thread` has it.
    capabilities: CapabilitySets,
}

/// One for the process.
static OWN: RwLock<Option<Arc<Own>>> = RwLock::new(None);

/// Takes the rights of the calling thread for the server's own, unless a thread of the process acts
/// as somebody else already.
pub(crate) fn remember() -> io::Result<()> {
    if thread::was_switched() {
        thread::become_server();
        return Ok(());
    }
    let own = Arc::new(Own::of_this_thread()?);
    *OWN.write().unwrap_or_else(|e| e.into_inner()) = Some(own);
    Ok(())
}

/// The server's own rights. `None` as long as nothing is served.
pub(super) fn get() -> Option<Arc<Own>> {
    OWN.read().unwrap_or_else(|e| e.into_inner()).clone()
}

impl Own {
    fn of_this_thread() -> io::Result<Self> {
        let mut capabilities = capabilities(None)?;
        capabilities.effective.remove(CapabilitySet::FSETID);
        let groups = getgroups()?.iter().map(|group| group.as_raw()).collect();
        let user = Credentials {
            uid: fsid::fs_uid(),
            gid: fsid::fs_gid(),
            groups,
        };
        Ok(Self { user, capabilities })
    }

    /// Whether others can be acted as.
    pub(super) fn can_switch(&self) -> bool {
        self.capabilities.permitted.contains(SWITCHING)
    }

    /// The capabilities while a thread becomes somebody else.
    pub(super) fn to_switch(&self) -> CapabilitySets {
        let mut sets = self.capabilities;
        sets.effective.insert(SWITCHING);
        sets
    }

    /// Those of a thread that acts as the server.
    pub(super) fn capabilities(&self) -> CapabilitySets {
        self.capabilities
    }

    /// Those of a thread that acts as a user: root's are the server's, all others have none.
    pub(super) fn capabilities_of(&self, user: &Credentials) -> CapabilitySets {
        let mut sets = self.capabilities;
        if user.uid != 0 {
            sets.effective = CapabilitySet::empty();
        }
        sets
    }
}

/// Why the server cannot act as a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannotActAs {
    /// It has not got `CAP_SETUID` and `CAP_SETGID`.
    Capabilities,
    /// The kernel refuses: in a user namespace the user or a group may have no number, or setting
    /// groups may be denied.
    Refused(i32),
}

impl fmt::Display for CannotActAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capabilities => f.write_str("CAP_SETUID and CAP_SETGID are missing"),
            Self::Refused(errno) => {
                write!(f, "{}", std::io::Error::from_raw_os_error(*errno))
            }
        }
    }
}

impl std::error::Error for CannotActAs {}

/// Tries to become a user, and to become what it was again, on the calling thread. To be called
/// before anything is served, where it does no harm that the kernel forgets the signal that the
/// thread is to get when its parent ends.
pub fn can_act_as(user: &Credentials) -> Result<(), CannotActAs> {
    let refused = |error: io::Errno| CannotActAs::Refused(error.raw_os_error());
    let own = Own::of_this_thread().map_err(refused)?;
    if !own.can_switch() {
        return Err(CannotActAs::Capabilities);
    }
    thread::attempt(&own, user).map_err(refused)
}
