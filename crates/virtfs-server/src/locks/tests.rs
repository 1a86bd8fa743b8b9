//! The table alone, without a file system.

use std::sync::atomic::{AtomicUsize, Ordering};

use virtfs_vfs::{Detached, LockHolder, LockSet};

use super::*;

/// Grants everything, and counts how often it is asked to.
struct Grants(Arc<AtomicUsize>);

impl LockFile for Grants {
    fn whole_file_only(&self) -> bool {
        false
    }

    fn set(&self, _: LockKind, _: LockRange) -> Result<LockSet, Errno> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(LockSet::Done)
    }

    fn test(&self, _: LockKind, _: LockRange) -> Result<Option<LockHolder>, Errno> {
        Ok(None)
    }
}

const INODE: InodeKey = InodeKey { export: 0, path: 1 };

fn table() -> LockTable {
    LockTable::new(&Limits::default())
}

fn owner(proc_id: u32) -> OwnerKey {
    OwnerKey {
        session: 1,
        client_id: b"c"[..].into(),
        proc_id,
    }
}

fn ask<'a>(
    through: &'a Through,
    records: &'a Arc<Share>,
    kind: LockKind,
    range: LockRange,
) -> Asked<'a> {
    Asked {
        through,
        kind,
        range,
        records,
    }
}

#[test]
fn dropping_all_locks_of_an_owner_asks_the_host_nothing() {
    let table = table();
    let (asked, through) = (Arc::<AtomicUsize>::default(), Through::new(INODE));
    let records = table.shares().records;
    let file = || -> Result<Box<dyn LockFile>, Errno> { Ok(Box::new(Grants(asked.clone()))) };
    for start in 0..100 {
        let range = LockRange::new(2 * start, 1).unwrap();
        let ask = ask(&through, &records, LockKind::Read, range);
        let taken = table.set(&owner(1), ask, &Detached, file);
        assert_eq!(taken, Ok(Taken::Granted));
    }
    assert_eq!(asked.load(Ordering::Relaxed), 100);
    table.release(&through, &Detached).unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 100);
    assert!(table.is_empty());
}

#[test]
fn an_inode_that_nobody_locks_is_forgotten_whoever_looked_at_it() {
    let table = table();
    let file = || -> Result<Box<dyn LockFile>, Errno> { Ok(Box::new(Grants(Arc::default()))) };
    let range = LockRange::new(0, 1).unwrap();
    std::thread::scope(|scope| {
        for process in 0..4 {
            let table = &table;
            scope.spawn(move || {
                let (through, key) = (Through::new(INODE), owner(process));
                let records = table.shares().records;
                for _ in 0..500 {
                    for kind in [LockKind::Read, LockKind::Unlock] {
                        let ask = ask(&through, &records, kind, range);
                        table.set(&key, ask, &Detached, file).unwrap();
                    }
                    let ask = (LockKind::Read, range);
                    table.test(INODE, &key, ask, &Detached, file).unwrap();
                }
            });
        }
    });
    assert!(table.is_empty());
}

/// A file that can be locked whole only, whose lock is lost to somebody in each change.
struct Loses;

impl LockFile for Loses {
    fn whole_file_only(&self) -> bool {
        true
    }

    fn set(&self, kind: LockKind, _: LockRange) -> Result<LockSet, Errno> {
        Ok(match kind {
            LockKind::Write => LockSet::Lost,
            LockKind::Read | LockKind::Unlock => LockSet::Done,
        })
    }

    fn test(&self, _: LockKind, _: LockRange) -> Result<Option<LockHolder>, Errno> {
        Ok(None)
    }
}

#[test]
fn an_owner_whose_lock_is_lost_in_an_upgrade_holds_nothing() {
    let table = table();
    let (through, records) = (Through::new(INODE), table.shares().records);
    let file = || -> Result<Box<dyn LockFile>, Errno> { Ok(Box::new(Loses)) };
    let set = |kind, process| {
        let range = LockRange::new(5, 1).unwrap();
        let ask = ask(&through, &records, kind, range);
        table.set(&owner(process), ask, &Detached, file)
    };
    assert_eq!(set(LockKind::Read, 1), Ok(Taken::Granted));
    let seen = table.waiters().releases(INODE);
    assert_eq!(set(LockKind::Write, 1), Ok(Taken::HeldByHost));
    // Who waited for it is told.
    assert_ne!(table.waiters().releases(INODE), seen);
    assert!(table.is_empty());
}

#[test]
fn nothing_is_locked_through_a_fid_that_was_given_up() {
    let table = table();
    let (through, records) = (Through::new(INODE), table.shares().records);
    table.release(&through, &Detached).unwrap();
    let file = || -> Result<Box<dyn LockFile>, Errno> { Ok(Box::new(Grants(Arc::default()))) };
    let ask = ask(&through, &records, LockKind::Read, LockRange::WHOLE);
    let taken = table.set(&owner(1), ask, &Detached, file);
    assert_eq!(taken, Err(Errno::EBADF));
    assert!(table.is_empty());
}
