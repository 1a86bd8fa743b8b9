//! Who holds which locks of one inode, and who may change that: one thread at a time, which asks
//! the host meanwhile. The host may keep it for long, so nobody waits for it who cannot be
//! interrupted, and a fid that ends with its session does not wait at all: whoever is inside
//! releases what was locked through it before going.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use virtfs_vfs::{Call, Errno, LockRange};

use super::owner::Owner;
use super::{InodeKey, LockTable, OpenId};

/// How often a thread that waits looks whether it was interrupted.
const LOOK: Duration = Duration::from_millis(10);

/// The owners of locks of an inode, and the way to them.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    /// Empty while somebody has them.
    owners: Vec<Owner>,
    taken: bool,
    /// How many wait for them.
    waiting: usize,
    /// The open files that have ended since somebody took the owners.
    ended: Vec<OpenId>,
}

/// The owners in the hands of a thread, which gives them back when it drops this.
pub(super) struct Hold<'a> {
    table: &'a LockTable,
    inode: InodeKey,
    gate: &'a Gate,
    pub(super) owners: Vec<Owner>,
    /// Where somebody else may get a lock now.
    freed: Option<LockRange>,
}

impl Gate {
    /// Takes the owners. `EINTR` if the call is interrupted before they can be had.
    pub(super) fn take(&self, call: &dyn Call) -> Result<Vec<Owner>, Errno> {
        let mut state = self.lock();
        while state.taken {
            if call.interrupted() {
                return Err(Errno::EINTR);
            }
            state.waiting += 1;
            let waited = self.freed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
        state.taken = true;
        Ok(std::mem::take(&mut state.owners))
    }

    /// Takes the owners if nobody has them; else whoever does hears of the end of an open file.
    fn take_or_leave(&self, open: OpenId) -> Option<Vec<Owner>> {
        let mut state = self.lock();
        if state.taken {
            state.ended.push(open);
            return None;
        }
        state.taken = true;
        Some(std::mem::take(&mut state.owners))
    }

    /// Gives the owners back, unless open files have ended meanwhile: then those.
    fn give_back(&self, owners: &mut Vec<Owner>) -> Vec<OpenId> {
        let mut state = self.lock();
        if state.ended.is_empty() {
            state.owners = std::mem::take(owners);
            state.taken = false;
            if state.waiting > 0 {
                self.freed.notify_one();
            }
        }
        std::mem::take(&mut state.ended)
    }

    /// Whether nobody holds a lock, and nobody is inside.
    pub(super) fn is_unused(&self) -> bool {
        let state = self.lock();
        !state.taken && state.owners.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Hold<'a> {
    /// Takes the owners of an inode, which the gate is of. `EINTR` if the call is interrupted
    /// before they can be had.
    pub(super) fn take(
        table: &'a LockTable,
        (inode, gate): (InodeKey, &'a Gate),
        call: &dyn Call,
    ) -> Result<Self, Errno> {
        let owners = gate.take(call)?;
        Ok(Self::of(table, (inode, gate), owners))
    }

    /// Releases what was locked through an open file: now, or as soon as whoever has the owners
    /// has done what they were taken for.
    pub(super) fn end(table: &'a LockTable, (inode, gate): (InodeKey, &'a Gate), open: OpenId) {
        if let Some(owners) = gate.take_or_leave(open) {
            Self::of(table, (inode, gate), owners).release(open);
        }
    }

    /// These owners, which were taken from the gate.
    pub(super) fn of(
        table: &'a LockTable,
        (inode, gate): (InodeKey, &'a Gate),
        owners: Vec<Owner>,
    ) -> Self {
        Self {
            table,
            inode,
            gate,
            owners,
            freed: None,
        }
    }

    /// Releases what was locked through an open file.
    pub(super) fn release(&mut self, open: OpenId) {
        let mut freed = self.freed;
        self.owners.retain_mut(|owner| {
            if let Some(range) = owner.release(open) {
                freed = Some(hull(freed, range));
            }
            !owner.held.is_empty()
        });
        self.freed = freed;
    }

    /// Somebody else may get a lock in this range: those who wait hear of it in the end.
    pub(super) fn freed(&mut self, range: LockRange) {
        self.freed = Some(hull(self.freed, range));
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        loop {
            let ended = self.gate.give_back(&mut self.owners);
            if ended.is_empty() {
                break;
            }
            for open in ended {
                // Perhaps this is a panic already.
                let _ = catch_unwind(AssertUnwindSafe(|| self.release(open)));
            }
        }
        if let Some(range) = self.freed {
            self.table.waiters.released(self.inode, range);
        }
    }
}

/// The least range that has both in it.
fn hull(one: Option<LockRange>, other: LockRange) -> LockRange {
    one.map_or(other, |one| LockRange {
        start: one.start.min(other.start),
        last: one.last.max(other.last),
    })
}
