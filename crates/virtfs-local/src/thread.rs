//! What belongs to a thread: umask, current directory and the capability `CAP_FSETID`.
//!
//! The umask is 0, so that files get the modes that clients ask for. Without `CAP_FSETID` the
//! kernel drops setuid and setgid bits on every write and truncation; it is raised only where a
//! setgid bit is to be set.

use std::cell::Cell;
use std::sync::OnceLock;

use rustix::fs::Mode;
use rustix::io;
use rustix::process::{Pid, fchdir, umask};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use virtfs_vfs::Errno;

use crate::call::errno;
use crate::proc::ProcFd;
use crate::{access, sys};

#[derive(Clone, Copy)]
struct Prepared {
    /// The capabilities to hold while a setgid bit is set; `None` if there was no `CAP_FSETID`.
    with_fsetid: Option<CapabilitySets>,
}

thread_local! {
    static PREPARED: Cell<Option<Prepared>> = const { Cell::new(None) };
    /// Whose `/proc/self/fd` is this thread's current directory.
    static CURRENT: Cell<Option<Pid>> = const { Cell::new(None) };
}

/// The umask that the process had before the first thread was set up.
static FORMER_UMASK: OnceLock<u32> = OnceLock::new();

/// The process's umask: the permission bits that mapped models leave out of what they make on the
/// host. None before a thread was set up.
pub(crate) fn former_umask() -> u32 {
    FORMER_UMASK.get().copied().unwrap_or(0)
}

/// Whether the calling thread is set up.
pub(crate) fn is_prepared() -> bool {
    PREPARED.get().is_some()
}

/// Makes sure that the calling thread is set up. Cheap when it is.
pub(crate) fn prepared() -> Result<(), Errno> {
    if PREPARED.get().is_none() {
        PREPARED.set(Some(prepare().map_err(errno)?));
    }
    Ok(())
}

fn prepare() -> io::Result<Prepared> {
    access::settle();
    sys::thread::unshare_fs()?;
    // The process's, as long as no thread of ours has started another: those come later.
    let _ = FORMER_UMASK.set(umask(Mode::empty()).as_raw_mode());
    let mut all = capabilities(None)?;
    // Not the effective set: a thread that one of ours started has it lowered already.
    if !all.permitted.contains(CapabilitySet::FSETID) {
        return Ok(Prepared { with_fsetid: None });
    }
    set_capabilities(None, without_fsetid(all))?;
    all.effective.insert(CapabilitySet::FSETID);
    Ok(Prepared {
        with_fsetid: Some(all),
    })
}

fn without_fsetid(mut sets: CapabilitySets) -> CapabilitySets {
    sets.effective.remove(CapabilitySet::FSETID);
    sets
}

/// `CAP_FSETID` for as long as it lives, where the process has it.
pub(crate) struct Fsetid(Option<CapabilitySets>);

impl Fsetid {
    /// Raises it if `mode` has a bit that needs it. Not for a user who acts with no capability: the
    /// kernel decides which bits they may set.
    pub(crate) fn raise_for(mode: u32) -> Self {
        let setgid = mode & 0o2000 != 0;
        let sets = PREPARED
            .get()
            .filter(|_| setgid && access::has_own_capabilities())
            .and_then(|p| p.with_fsetid);
        // If it fails, the kernel leaves the bit out, as for any user outside the group.
        Self(sets.filter(|sets| set_capabilities(None, *sets).is_ok()))
    }
}

impl Drop for Fsetid {
    fn drop(&mut self) {
        if let Some(sets) = self.0
            && set_capabilities(None, without_fsetid(sets)).is_err()
        {
            // Lowering cannot fail; should it, the next call that changes anything tries again.
            PREPARED.set(None);
        }
    }
}

/// Makes `/proc/self/fd` the thread's current directory, for calls that take no directory.
pub(crate) fn stand_in(proc: &ProcFd) -> Result<(), Errno> {
    prepared()?;
    if CURRENT.get() != Some(proc.process()) {
        fchdir(proc).map_err(errno)?;
        CURRENT.set(Some(proc.process()));
    }
    Ok(())
}
