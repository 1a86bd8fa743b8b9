//! Who holds which byte ranges.
//!
//! Each owner (session, client, process) has a file of its own for each inode that it locks, so
//! that the host keeps owners apart: ours, other daemons' and other programs'. The table knows
//! which ranges an owner took through which fid, because a clunk drops those, and because the
//! host cannot tell one client's process from another's.

mod records;
mod waiters;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use virtfs_vfs::{Errno, LockFile, LockKind, LockRange};

use self::records::{Record, put};
pub(crate) use self::waiters::{Waiter, Waiters};
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

/// A lock in the way.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) kind: LockKind,
    pub(crate) range: LockRange,
    pub(crate) proc_id: u32,
    pub(crate) client_id: Vec<u8>,
}

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
    /// Disjoint, in order.
    records: Vec<Record>,
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

    /// Takes, changes or releases a range, without waiting.
    pub(crate) fn set(
        &self,
        inode: InodeKey,
        key: OwnerKey,
        open: OpenId,
        kind: LockKind,
        range: LockRange,
        lock_file: impl FnOnce() -> Result<Box<dyn LockFile>, Errno>,
    ) -> Result<Taken, Errno> {
        let owners = match kind {
            LockKind::Unlock => match self.lock_inodes().get(&inode) {
                Some(owners) => owners.clone(),
                None => return Ok(Taken::Granted),
            },
            // A lock splits a record in two at worst.
            _ if self.records.load(Ordering::Relaxed) + 2 > self.limit => {
                return Err(Errno::ENOLCK);
            }
            _ => self.lock_inodes().entry(inode).or_default().clone(),
        };
        let outcome = self.set_of(&mut lock(&owners), key, open, kind, range, lock_file);
        self.forget_if_empty(inode, owners);
        if let (Ok(Taken::Granted), LockKind::Read | LockKind::Unlock) = (&outcome, kind) {
            self.waiters.released(inode);
        }
        outcome
    }

    fn set_of(
        &self,
        owners: &mut Vec<Owner>,
        key: OwnerKey,
        open: OpenId,
        kind: LockKind,
        range: LockRange,
        lock_file: impl FnOnce() -> Result<Box<dyn LockFile>, Errno>,
    ) -> Result<Taken, Errno> {
        if kind != LockKind::Unlock
            && let Some((holder, _)) = in_the_way(owners, &key, kind, range)
        {
            // The host need not be asked.
            return Ok(if holder.key.session == key.session {
                Taken::HeldBySession
            } else {
                Taken::HeldByOther
            });
        }
        let at = match owners.iter().position(|owner| owner.key == key) {
            Some(at) => at,
            None if kind == LockKind::Unlock => return Ok(Taken::Granted),
            None => {
                owners.push(Owner {
                    key,
                    file: lock_file()?,
                    records: Vec::new(),
                });
                owners.len() - 1
            }
        };
        let Some(owner) = owners.get_mut(at) else {
            return Err(Errno::EIO);
        };
        let mut records = owner.records.clone();
        put(&mut records, Record { range, kind, open });
        let outcome = apply(&*owner.file, kind, range, &records);
        if let Ok(true) = outcome {
            self.replace(owner, records);
        }
        if owner.records.is_empty() {
            owners.swap_remove(at);
        }
        Ok(if outcome? {
            Taken::Granted
        } else {
            Taken::HeldByHost
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

    /// Drops what was locked through a fid.
    pub(crate) fn release_open(&self, inode: InodeKey, open: OpenId) {
        self.release(inode, |_, record| record.open == open);
    }

    /// Drops all that a session holds.
    pub(crate) fn release_session(&self, session: u64) {
        let inodes: Vec<_> = self.lock_inodes().keys().copied().collect();
        for inode in inodes {
            self.release(inode, |owner, _| owner.session == session);
        }
    }

    fn release(&self, inode: InodeKey, of: impl Fn(&OwnerKey, &Record) -> bool) {
        let Some(owners) = self.lock_inodes().get(&inode).cloned() else {
            return;
        };
        let mut guard = lock(&owners);
        guard.retain_mut(|owner| {
            let (gone, kept): (Vec<_>, Vec<_>) = owner
                .records
                .iter()
                .copied()
                .partition(|record| of(&owner.key, record));
            // Dropping the file releases all that an owner has.
            if !kept.is_empty() {
                for record in &gone {
                    // Nothing can be done about a failure.
                    let _ = apply(&*owner.file, LockKind::Unlock, record.range, &kept);
                    if owner.file.whole_file_only() {
                        break;
                    }
                }
            }
            self.replace(owner, kept);
            !owner.records.is_empty()
        });
        drop(guard);
        self.forget_if_empty(inode, owners);
        self.waiters.released(inode);
    }

    fn replace(&self, owner: &mut Owner, records: Vec<Record>) {
        self.records.fetch_add(records.len(), Ordering::Relaxed);
        self.records
            .fetch_sub(owner.records.len(), Ordering::Relaxed);
        owner.records = records;
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

fn lock(owners: &Owners) -> MutexGuard<'_, Vec<Owner>> {
    owners.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whose lock of ours keeps an owner from a range, if anybody's.
fn in_the_way<'a>(
    owners: &'a [Owner],
    key: &OwnerKey,
    kind: LockKind,
    range: LockRange,
) -> Option<(&'a Owner, &'a Record)> {
    owners
        .iter()
        .filter(|owner| owner.key != *key)
        .find_map(|owner| {
            let whole = owner.file.whole_file_only();
            let mut records = owner.records.iter();
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
    if let Some((owner, record)) = in_the_way(owners, key, kind, range) {
        return Ok(Some(Found {
            kind: record.kind,
            range: record.range,
            proc_id: owner.key.proc_id,
            client_id: owner.key.client_id.to_vec(),
        }));
    }
    // Nobody of ours: it may be a program of the host.
    let opened;
    let file = match owners.iter().find(|owner| owner.key == *key) {
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
        proc_id: holder.pid.unwrap_or(0),
        client_id: b"host".to_vec(),
    }))
}

/// Makes the host's locks those of `records`, of which `range` just became `kind`.
fn apply(
    file: &dyn LockFile,
    kind: LockKind,
    range: LockRange,
    records: &[Record],
) -> Result<bool, Errno> {
    if !file.whole_file_only() {
        return file.set(kind, range);
    }
    let strongest = if records.iter().any(|record| record.kind == LockKind::Write) {
        LockKind::Write
    } else if records.is_empty() {
        LockKind::Unlock
    } else {
        LockKind::Read
    };
    file.set(strongest, LockRange::WHOLE)
}

#[cfg(test)]
mod tests {
    use virtfs_vfs::LockHolder;

    use super::*;

    /// Grants everything, and counts how often it is asked to.
    struct Grants(Arc<AtomicUsize>);

    impl LockFile for Grants {
        fn whole_file_only(&self) -> bool {
            false
        }

        fn set(&self, _: LockKind, _: LockRange) -> Result<bool, Errno> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(true)
        }

        fn test(&self, _: LockKind, _: LockRange) -> Result<Option<LockHolder>, Errno> {
            Ok(None)
        }
    }

    const INODE: InodeKey = InodeKey { export: 0, path: 1 };

    fn owner(proc_id: u32) -> OwnerKey {
        OwnerKey {
            session: 1,
            client_id: b"c"[..].into(),
            proc_id,
        }
    }

    #[test]
    fn dropping_all_locks_of_an_owner_asks_the_host_nothing() {
        let table = LockTable::new(1000);
        let (asked, open) = (Arc::<AtomicUsize>::default(), OpenId::new());
        for start in 0..100 {
            let range = LockRange::new(2 * start, 1).unwrap();
            let file =
                || -> Result<Box<dyn LockFile>, Errno> { Ok(Box::new(Grants(asked.clone()))) };
            table
                .set(INODE, owner(1), open, LockKind::Read, range, file)
                .unwrap();
        }
        assert_eq!(asked.load(Ordering::Relaxed), 100);
        table.release_open(INODE, open);
        assert_eq!(asked.load(Ordering::Relaxed), 100);
        assert_eq!(table.records.load(Ordering::Relaxed), 0);
        assert!(table.lock_inodes().is_empty());
    }

    #[test]
    fn an_inode_that_nobody_locks_is_forgotten_whoever_looked_at_it() {
        let table = LockTable::new(1000);
        let file = || -> Result<Box<dyn LockFile>, Errno> { Ok(Box::new(Grants(Arc::default()))) };
        let range = LockRange::new(0, 1).unwrap();
        std::thread::scope(|scope| {
            for process in 0..4 {
                let table = &table;
                scope.spawn(move || {
                    let (open, key) = (OpenId::new(), owner(process));
                    for _ in 0..500 {
                        for kind in [LockKind::Read, LockKind::Unlock] {
                            table
                                .set(INODE, key.clone(), open, kind, range, file)
                                .unwrap();
                        }
                        table
                            .test(INODE, &key, LockKind::Read, range, file)
                            .unwrap();
                    }
                });
            }
        });
        assert_eq!(table.records.load(Ordering::Relaxed), 0);
        assert!(table.lock_inodes().is_empty());
    }
}
