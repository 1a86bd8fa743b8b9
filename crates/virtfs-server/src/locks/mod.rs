//! Who holds which byte ranges.
//!
//! Each owner (session, client, process) has a file of its own for each inode that it locks, so
//! that the host keeps owners apart: ours, other daemons' and other programs'. The table knows
//! which ranges an owner took through which fid, because a clunk drops those, and because the
//! host cannot tell one client's process from another's.

mod held;
mod records;
#[cfg(test)]
mod tests;
mod waiters;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use virtfs_vfs::{Errno, LockFile, LockKind, LockRange, LockSet};

use self::held::Held;
use self::records::Record;
pub(crate) use self::waiters::{Waiter, WaiterId, Waiters};
use crate::fid::OpenId;

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
pub(crate) struct Asked {
    /// The fid that it asks through.
    pub(crate) open: OpenId,
    pub(crate) kind: LockKind,
    pub(crate) range: LockRange,
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

struct Owner {
    key: OwnerKey,
    file: Box<dyn LockFile>,
    held: Held,
}

type Owners = Arc<Mutex<Vec<Owner>>>;

/// All locks of a server.
pub(crate) struct LockTable {
    inodes: Mutex<HashMap<InodeKey, Owners>>,
    records: AtomicUsize,
    limit: usize,
    waiters: Waiters,
}

impl LockTable {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            inodes: Mutex::default(),
            records: AtomicUsize::new(0),
            limit,
            waiters: Waiters::default(),
        }
    }

    /// Those who wait for a range.
    pub(crate) fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    /// Takes, changes or releases a range, without waiting. `EBADF` if `has_ended` says that the
    /// fid was given up: who asks [`Self::release_open`] makes it say so before.
    pub(crate) fn set(
        &self,
        inode: InodeKey,
        key: OwnerKey,
        asked: Asked,
        has_ended: impl FnOnce() -> bool,
        lock_file: impl FnOnce() -> Result<Box<dyn LockFile>, Errno>,
    ) -> Result<Taken, Errno> {
        let owners = match asked.kind {
            LockKind::Unlock => match self.lock_inodes().get(&inode) {
                Some(owners) => owners.clone(),
                None => return Ok(Taken::Granted),
            },
            _ => self.lock_inodes().entry(inode).or_default().clone(),
        };
        let mut guard = lock(&owners);
        let outcome = if has_ended() {
            Err(Errno::EBADF)
        } else {
            self.set_of(&mut guard, key, asked, lock_file)
        };
        drop(guard);
        self.forget_if_empty(inode, owners);
        let (taken, weakened) = outcome?;
        if weakened {
            self.waiters.released(inode);
        }
        Ok(taken)
    }

    /// What came of it, and whether it can let somebody else in.
    fn set_of(
        &self,
        owners: &mut Vec<Owner>,
        key: OwnerKey,
        asked: Asked,
        lock_file: impl FnOnce() -> Result<Box<dyn LockFile>, Errno>,
    ) -> Result<(Taken, bool), Errno> {
        let Asked { open, kind, range } = asked;
        let (new, by_fcntl) = (Record { range, kind, open }, key.is_fcntl());
        let known = owners.iter().position(|owner| owner.key == key);
        if known.is_none() && kind == LockKind::Unlock {
            return Ok((Taken::Granted, false));
        }
        let known = known.or_else(|| {
            let yields = |owner: &Owner| owner.key.is_of_client(&key) && owner.held.yields_to(&new);
            let yields = |owner: &Owner| !by_fcntl && yields(owner);
            owners.iter().position(yields)
        });
        if let Some((holder, _)) = in_the_way(owners, known, kind, range) {
            // The host need not be asked.
            let taken = if holder.key.session == key.session {
                Taken::HeldBySession
            } else {
                Taken::HeldByOther
            };
            return Ok((taken, false));
        }
        let at = match known {
            Some(at) => at,
            None => {
                // Before a file is opened for it.
                self.has_room(1)?;
                owners.push(Owner {
                    key: key.clone(),
                    file: lock_file()?,
                    held: Held::default(),
                });
                owners.len() - 1
            }
        };
        let Some(owner) = owners.get_mut(at) else {
            return Err(Errno::EIO);
        };
        let outcome = self.change(owner, key, new);
        if owner.held.is_empty() {
            owners.swap_remove(at);
        }
        outcome
    }

    fn change(
        &self,
        owner: &mut Owner,
        key: OwnerKey,
        new: Record,
    ) -> Result<(Taken, bool), Errno> {
        let held = owner.held.changed(new, key.is_fcntl());
        if held.len() > owner.held.len() {
            self.has_room(held.len() - owner.held.len())?;
        }
        let outcome = if held.is_like(&owner.held) {
            LockSet::Done
        } else if owner.file.whole_file_only() {
            owner.file.set(held.strongest(), LockRange::WHOLE)?
        } else {
            owner.file.set(new.kind, new.range)?
        };
        let weakened = owner.held.weakened_by(new.kind, new.range);
        Ok(match outcome {
            LockSet::Done => {
                owner.key = key;
                self.replace(owner, held);
                (Taken::Granted, weakened)
            }
            LockSet::Refused => (Taken::HeldByHost, false),
            LockSet::Lost => {
                self.replace(owner, Held::default());
                (Taken::HeldByHost, true)
            }
        })
    }

    /// Whose lock is in the way of taking a range, if anybody's.
    pub(crate) fn test(
        &self,
        inode: InodeKey,
        key: &OwnerKey,
        kind: LockKind,
        range: LockRange,
        lock_file: impl FnOnce() -> Result<Box<dyn LockFile>, Errno>,
    ) -> Result<Option<Found>, Errno> {
        let owners = self.lock_inodes().get(&inode).cloned();
        let Some(owners) = owners else {
            return test_of(&[], key, kind, range, lock_file);
        };
        let outcome = test_of(&lock(&owners), key, kind, range, lock_file);
        self.forget_if_empty(inode, owners);
        outcome
    }

    /// Drops what was locked through a fid. All that a session holds goes with its fids.
    pub(crate) fn release_open(&self, inode: InodeKey, open: OpenId) {
        let Some(owners) = self.lock_inodes().get(&inode).cloned() else {
            return;
        };
        let mut released = false;
        let mut guard = lock(&owners);
        guard.retain_mut(|owner| {
            let mut left = owner.held.without(open);
            if !left.is_like(&owner.held) {
                released = true;
                // Dropping the file releases all that an owner has.
                if !left.is_empty() && !let_go(owner, &left) {
                    left = Held::default();
                }
            }
            self.replace(owner, left);
            !owner.held.is_empty()
        });
        drop(guard);
        self.forget_if_empty(inode, owners);
        if released {
            self.waiters.released(inode);
        }
    }

    /// That so many records more are within the budget, or nearly: others may come between.
    fn has_room(&self, more: usize) -> Result<(), Errno> {
        if self.records.load(Ordering::Relaxed) + more > self.limit {
            return Err(Errno::ENOLCK);
        }
        Ok(())
    }

    fn replace(&self, owner: &mut Owner, held: Held) {
        self.records.fetch_add(held.len(), Ordering::Relaxed);
        self.records.fetch_sub(owner.held.len(), Ordering::Relaxed);
        owner.held = held;
    }

    fn forget_if_empty(&self, inode: InodeKey, owners: Owners) {
        let mut inodes = self.lock_inodes();
        // Two owners of the list are the table and this call: nobody is about to add to it.
        if Arc::strong_count(&owners) == 2 && lock(&owners).is_empty() {
            inodes.remove(&inode);
        }
        // Before the table is: who comes next must not count this call.
        drop(owners);
    }

    fn lock_inodes(&self) -> MutexGuard<'_, HashMap<InodeKey, Owners>> {
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

fn lock(owners: &Owners) -> MutexGuard<'_, Vec<Owner>> {
    owners.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets the host have all but what is left of a lock; whether that is still held.
fn let_go(owner: &Owner, left: &Held) -> bool {
    if owner.file.whole_file_only() {
        let set = owner.file.set(left.strongest(), LockRange::WHOLE);
        return !matches!(set, Ok(LockSet::Lost));
    }
    for gone in &owner.held.records {
        let same = left
            .records
            .binary_search_by_key(&gone.range.start, |r| r.range.start);
        if same.ok().and_then(|at| left.records.get(at)) != Some(gone) {
            // Nothing can be done about a failure.
            let _ = owner.file.set(LockKind::Unlock, gone.range);
        }
    }
    true
}

/// Whose lock of ours keeps an owner (the one `at` this place, if any) from a range.
fn in_the_way(
    owners: &[Owner],
    at: Option<usize>,
    kind: LockKind,
    range: LockRange,
) -> Option<(&Owner, &Record)> {
    if kind == LockKind::Unlock {
        return None;
    }
    let others = owners.iter().enumerate();
    let mut others = others.filter(|(other, _)| Some(*other) != at);
    others.find_map(|(_, owner)| {
        let whole = owner.file.whole_file_only();
        let mut records = owner.held.records.iter();
        let record = records.find(|record| record.excludes(kind, range, whole))?;
        Some((owner, record))
    })
}

/// Whose lock is in the way, among these owners of a file and the host's programs.
fn test_of(
    owners: &[Owner],
    key: &OwnerKey,
    kind: LockKind,
    range: LockRange,
    lock_file: impl FnOnce() -> Result<Box<dyn LockFile>, Errno>,
) -> Result<Option<Found>, Errno> {
    let at = owners.iter().position(|owner| owner.key == *key);
    if let Some((owner, record)) = in_the_way(owners, at, kind, range) {
        return Ok(Some(Found {
            kind: record.kind,
            range: record.range,
            proc_id: owner.key.proc_id,
            client_id: owner.key.client_id.to_vec(),
        }));
    }
    // Nobody of ours: it may be a program of the host.
    let opened;
    let file = match at.and_then(|at| owners.get(at)) {
        Some(owner) => &*owner.file,
        None => {
            opened = lock_file()?;
            &*opened
        }
    };
    let asked = if file.whole_file_only() {
        LockRange::WHOLE
    } else {
        range
    };
    Ok(file.test(kind, asked)?.map(|holder| Found {
        kind: holder.kind,
        range: holder.range,
        proc_id: holder.pid.unwrap_or(NO_PROCESS),
        client_id: HOST.to_vec(),
    }))
}
