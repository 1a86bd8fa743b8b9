//! Fids that end without a clunk, by a `Tversion` or with the session: extended attributes that
//! were written are set, as a clunk would have set them and as QEMU sets them; files are closed
//! without the session's lock.
//!
//! Nobody is told how that went, and nobody may have to wait for a host that hangs: the call is
//! interrupted from the start, so that it ends where it would sleep for long.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::{debug, error};

use super::core::{Core, Garbage};
use super::run::Running;
use super::{CallState, Session};
use crate::fid::{Fid, Kind};
use crate::ops::commit_xattr;
use crate::transport::Transport;

/// What a thread does for fids that end.
pub(super) struct Leaving {
    fids: Vec<Arc<Fid>>,
    /// Fids that were given up before, which are to go too.
    garbage: Garbage,
    call: Arc<CallState>,
}

#[cfg(test)]
impl Leaving {
    pub(super) fn drop_fids(&mut self) {
        self.fids.clear();
        self.garbage.clear();
    }
}

impl<T: Transport> Core<T> {
    /// What is to be done once nothing runs any more.
    pub(super) fn start_leaving(&mut self) -> Option<Leaving> {
        let garbage = match self.version {
            Some(_) if self.burying == 0 && self.running == 0 => std::mem::take(&mut self.garbage),
            _ => Garbage::new(),
        };
        if self.unclunked.is_empty() && garbage.is_empty() || self.running > 0 {
            return None;
        }
        self.running += 1;
        let call = self.spare_calls.pop().unwrap_or_default();
        call.cancelled.store(true, Ordering::Relaxed);
        self.leaving = Some(call.clone());
        let fids = std::mem::take(&mut self.unclunked);
        Some(Leaving {
            fids,
            garbage,
            call,
        })
    }

    /// A thread has dropped its garbage.
    pub(super) fn buried(&mut self, transport: &T) {
        self.burying -= 1;
        self.version_waited(transport);
    }

    /// It is done.
    pub(super) fn left(&mut self, leaving: Leaving, transport: &T) {
        self.running -= 1;
        self.leaving = None;
        self.reuse(leaving.call);
        self.version_waited(transport);
    }
}

impl<T: Transport> Session<T> {
    /// Does it, and drops the fids: closing files takes its time.
    pub(super) fn leave(self: &Arc<Self>, mut leaving: Leaving, thread: u64) -> Leaving {
        leaving.call.thread.store(thread, Ordering::Relaxed);
        let running = Running::new(self, &leaving.call);
        for fid in leaving.fids.drain(..) {
            let Kind::XattrWrite(xattr) = fid.kind() else {
                continue;
            };
            let commit = || commit_xattr(&fid, xattr, &fid.caller.cx(&running));
            match catch_unwind(AssertUnwindSafe(commit)) {
                Ok(Ok(())) => {}
                Ok(Err(errno)) => debug!(session = self.id, "an attribute was not set: {errno:?}"),
                Err(_) => error!(
                    session = self.id,
                    "setting an attribute panicked; this is a defect of the server"
                ),
            }
        }
        leaving.call.thread.store(0, Ordering::Relaxed);
        leaving.garbage.clear();
        leaving
    }
}
