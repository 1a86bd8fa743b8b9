//! Who holds which byte ranges.
//!
//! Each owner (session, client, process) has a file of its own for each inode that it locks, so
//! that the host keeps owners apart: ours, other daemons' and other programs'. The table knows
//! which ranges an owner took through which fid, because a clunk drops those, and because the
//! host cannot tell one client's process from another's.

mod gate;
mod held;
#[cfg(test)]
mod kept;
mod owner;
mod records;
#[cfg(test)]
mod tests;
mod through;
mod waiters;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use virtfs_vfs::{Call, Errno, LockFile, LockKind, LockRange};

use self::gate::{Gate, Hold};
use self::held::Held;
#[cfg(test)]
pub(crate) use self::kept::Kept;
use self::owner::{Owner, in_the_way};
use self::records::Record;
pub(crate) use self::through::{OpenId, Through};
pub(crate) use self::waiters::{Waiter, WaiterId, Waiters};
use crate::Limits;
use crate::budget::Budget;
use crate::shares::{Part, Share};

/// A file, whoever opened it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct InodeKey {
    pub(crate) export: usize,
    /// Its qid's path.
    pub(crate) path: u64,
}

/// Whom locks belong to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct OwnerKey {
    pub(crate) session: u64,
    pub(crate) client_id: Box<[u8]>,
    pub(crate) proc_id: u32,
}

/// What an owner asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The open file that it asks through.
    pub(crate) through: &'a Through,
    pub(crate) kind: LockKind,
    pub(crate) range: LockRange,
    /// Its session's share of the records.
    pub(crate) records: &'a Arc<Share>,
}

/// A lock in the way.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) kind: LockKind,
    pub(crate) range: LockRange,
    pub(crate) proc_id: u32,
    pub(crate) client_id: Vec<u8>,
}

/// The process that `Rgetlock` names for a holder on the host that is none: an
/// open-file-description lock, a `flock`, or a process that cannot be seen from here. Linux shows
/// the negated number; that of -1 would be somebody.
const NO_PROCESS: u32 = 0;

/// The client that it names for whatever holds a lock on the host.
const HOST: &[u8] = b"host";

/// What became of a try to take a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    /// It is taken, or released.
    Granted,
    /// The same client holds it: one of its processes may have let go, and not told yet.
    HeldBySession,
    /// Another client of this server holds it.
    HeldByOther,
    /// A program of the host does, or another server.
    HeldByHost,
}

/// All locks of a server.
pub(crate) struct LockTable {
    inodes: Mutex<HashMap<InodeKey, Arc<Gate>>>,
    records: Arc<Budget>,
    files: Arc<Budget>,
    limits: Limits,
    waiters: Waiters,
}

/// What a session may hold of a server's locks.
pub(crate) struct LockShares {
    pub(crate) records: Arc<Share>,
    /// Files that are open to be locked.
    pub(crate) files: Arc<Share>,
}

impl LockTable {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            inodes: Mutex::default(),
            records: Arc::default(),
            files: Arc::default(),
            limits: *limits,
            waiters: Waiters::default(),
        }
    }

    /// What one session more may hold.
    pub(crate) fn shares(&self) -> LockShares {
        let (limits, sessions) = (&self.limits, self.limits.sessions);
        LockShares {
            records: Share::new(&self.records, (limits.lock_records, sessions)),
            files: Share::new(&self.files, (limits.lock_files, sessions)),
        }
    }

    /// Those who wait for a range.
    pub(crate) fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    /// Takes, changes or releases a range, without waiting for whoever holds it. `EBADF` if the
    /// open file was released before; `EINTR` if the call is interrupted while it waits for
    /// somebody whom the host keeps.
    pub(crate) fn set(
        &self,
        key: &OwnerKey,
        asked: Asked<'_>,
        call: &dyn Call,
        lock_file: impl Fn() -> Result<Box<dyn LockFile>, Errno>,
    ) -> Result<Taken, Errno> {
        let inode = asked.through.inode;
        asked.through.ask();
        let gate = match asked.kind {
            LockKind::Unlock => match self.lock_inodes().get(&inode) {
                Some(gate) => gate.clone(),
                None => return Ok(Taken::Granted),
            },
            _ => self.lock_inodes().entry(inode).or_default().clone(),
        };
        let taken = self.set_through(&gate, key, asked, call, lock_file);
        self.forget_if_unused(inode, gate);
        taken
    }

    fn set_through(
        &self,
        gate: &Gate,
        key: &OwnerKey,
        asked: Asked<'_>,
        call: &dyn Call,
        lock_file: impl Fn() -> Result<Box<dyn LockFile>, Errno>,
    ) -> Result<Taken, Errno> {
        let mut file = None;
        loop {
            let mut hold = Hold::take(self, (asked.through.inode, gate), call)?;
            if asked.through.has_ended() {
                return Err(Errno::EBADF);
            }
            if let Some(taken) = set_of(&mut hold, key, asked, &mut file)? {
                return Ok(taken);
            }
            drop(hold);
            file = Some(lock_file()?);
        }
    }

    /// Whose lock is in the way of taking a range, if anybody's. `EINTR` as for [`Self::set`].
    pub(crate) fn test(
        &self,
        inode: InodeKey,
        key: &OwnerKey,
        (kind, range): (LockKind, LockRange),
        call: &dyn Call,
        lock_file: impl Fn() -> Result<Box<dyn LockFile>, Errno>,
    ) -> Result<Option<Found>, Errno> {
        let gate = self.lock_inodes().entry(inode).or_default().clone();
        let test = |file: &Option<Box<dyn LockFile>>| {
            let hold = Hold::take(self, (inode, &gate), call)?;
            test_of(&hold.owners, key, (kind, range), file.as_deref())
        };
        let found = match test(&None) {
            Ok(Tested::NeedsFile) => lock_file().and_then(|file| test(&Some(file))),
            other => other,
        };
        self.forget_if_unused(inode, gate);
        match found? {
            Tested::Found(found) => Ok(Some(found)),
            Tested::Free | Tested::NeedsFile => Ok(None),
        }
    }

    /// Releases what was locked through an open file, and sees to it that no more is. `EINTR` as
    /// for [`Self::set`]: then it is released by [`Self::end`].
    pub(crate) fn release(&self, through: &Through, call: &dyn Call) -> Result<(), Errno> {
        if !through.end() {
            return Ok(());
        }
        let inode = through.inode;
        let Some(gate) = self.lock_inodes().get(&inode).cloned() else {
            return Ok(());
        };
        let held = Hold::take(self, (inode, &gate), call);
        let released = held.map(|mut hold| hold.release(through.open));
        self.forget_if_unused(inode, gate);
        released
    }

    /// Releases what was locked through an open file that nobody uses any more, without waiting
    /// for anybody whom the host keeps. All that a session holds goes so, with its fids.
    pub(crate) fn end(&self, through: &Through) {
        if !through.was_granted() {
            return;
        }
        let inode = through.inode;
        let gate = self.lock_inodes().get(&inode).cloned();
        if let Some(gate) = gate {
            Hold::end(self, (inode, &gate), through.open);
            self.forget_if_unused(inode, gate);
        }
    }

    fn forget_if_unused(&self, inode: InodeKey, gate: Arc<Gate>) {
        let mut inodes = self.lock_inodes();
        // Two owners of the gate are the table and this call: nobody is about to go in.
        if Arc::strong_count(&gate) == 2 && gate.is_unused() {
            inodes.remove(&inode);
        }
        // Before the table is: who comes next must not count this call.
        drop(gate);
    }

    fn lock_inodes(&self) -> MutexGuard<'_, HashMap<InodeKey, Arc<Gate>>> {
        self.inodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OwnerKey {
    /// Whether the client says that this is no `flock`, as ours does: most cannot.
    fn is_fcntl(&self) -> bool {
        self.client_id.ends_with(b":posix")
    }

    /// Whether this is a process of the same client.
    fn is_of_client(&self, other: &Self) -> bool {
        self.session == other.session && self.client_id == other.client_id
    }
}

/// Takes, changes or releases a range; `None` if that takes a file, which `file` is to be.
fn set_of(
    hold: &mut Hold<'_>,
    key: &OwnerKey,
    asked: Asked<'_>,
    file: &mut Option<Box<dyn LockFile>>,
) -> Result<Option<Taken>, Errno> {
    let Asked { kind, range, .. } = asked;
    let open = asked.through.open;
    let new = Record { range, kind, open };
    let known = hold.owners.iter().position(|owner| owner.key == *key);
    if known.is_none() && kind == LockKind::Unlock {
        return Ok(Some(Taken::Granted));
    }
    let known = known.or_else(|| {
        let yields = |owner: &Owner| owner.key.is_of_client(key) && owner.held.yields_to(&new);
        let yields = |owner: &Owner| !key.is_fcntl() && yields(owner);
        hold.owners.iter().position(yields)
    });
    if let Some((holder, _)) = in_the_way(&hold.owners, known, kind, range) {
        // The host need not be asked.
        return Ok(Some(if holder.key.session == key.session {
            Taken::HeldBySession
        } else {
            Taken::HeldByOther
        }));
    }
    let at = match known {
        Some(at) => at,
        None => {
            let Some(records) = Part::take(asked.records, 1) else {
                // Before a file is opened for it.
                return Err(Errno::ENOLCK);
            };
            let Some(file) = file.take() else {
                return Ok(None);
            };
            hold.owners.push(Owner {
                key: key.clone(),
                file,
                held: Held::default(),
                records,
            });
            hold.owners.len() - 1
        }
    };
    let Some(owner) = hold.owners.get_mut(at) else {
        return Err(Errno::EIO);
    };
    let outcome = owner.change(key, new);
    if owner.held.is_empty() {
        hold.owners.swap_remove(at);
    }
    let (taken, freed) = outcome?;
    if let Some(range) = freed {
        hold.freed(range);
    }
    if taken == Taken::Granted && kind != LockKind::Unlock {
        asked.through.grant();
    }
    Ok(Some(taken))
}

enum Tested {
    Found(Found),
    Free,
    /// Nobody of ours is in the way, and the host can be asked by a file of the owner's alone.
    NeedsFile,
}

/// Whose lock is in the way, among these owners of a file and the host's programs.
fn test_of(
    owners: &[Owner],
    key: &OwnerKey,
    (kind, range): (LockKind, LockRange),
    file: Option<&dyn LockFile>,
) -> Result<Tested, Errno> {
    let at = owners.iter().position(|owner| owner.key == *key);
    if let Some((owner, record)) = in_the_way(owners, at, kind, range) {
        return Ok(Tested::Found(Found {
            kind: record.kind,
            range: record.range,
            proc_id: owner.key.proc_id,
            client_id: owner.key.client_id.to_vec(),
        }));
    }
    // Nobody of ours: it may be a program of the host.
    let known = at.and_then(|at| owners.get(at)).map(|owner| &*owner.file);
    let Some(file) = known.or(file) else {
        return Ok(Tested::NeedsFile);
    };
    let asked = if file.whole_file_only() {
        LockRange::WHOLE
    } else {
        range
    };
    Ok(match file.test(kind, asked)? {
        None => Tested::Free,
        Some(holder) => Tested::Found(Found {
            kind: holder.kind,
            range: holder.range,
            proc_id: holder.pid.unwrap_or(NO_PROCESS),
            client_id: HOST.to_vec(),
        }),
    })
}
