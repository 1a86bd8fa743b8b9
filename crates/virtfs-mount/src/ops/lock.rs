//! POSIX, open-file-description and flock(2) locks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::io::Errno;
use virtfs_client::{Error, Lock, LockStatus};

use crate::fail::{Fail, Result};
use crate::fuse::{LockIn, LockKind, Reply};
use crate::handler::Tree;
use crate::locks::Waiter;
use crate::tree::{LockOwner, OpenFile};

impl Tree {
    pub(crate) fn getlk(&self, lock: &LockIn) -> Result<(LockKind, u64, u64, u32)> {
        let open = self.file(lock.fh)?;
        let known = open.node.lock_owner(lock.owner, lock.flock);
        let owner = known.unwrap_or_else(|| lock.into());
        let asked = self.client_id.lock(&owner, lock.kind, lock.start, lock.end);
        Ok(self.client_id.found(&open.file.test_lock(&asked)?))
    }

    /// Takes or releases a lock, without waiting.
    pub(crate) fn setlk(&self, lock: &LockIn) -> Result<()> {
        let open = self.file(lock.fh)?;
        if lock.kind == LockKind::Unlock {
            return self.unlock(&open, lock);
        }
        let asked = self.noted(&open, lock);
        match open.file.lock(&asked)? {
            LockStatus::SUCCESS => Ok(()),
            LockStatus::BLOCKED => Err(Errno::AGAIN.into()),
            _ => Err(Errno::NOLCK.into()),
        }
    }

    /// Takes a lock, or waits for it among the [waiters](crate::locks::Waiters): then true.
    pub(crate) fn setlkw(&self, lock: &LockIn, reply: Reply) -> bool {
        let releases = self.waiters.releases();
        match self.setlk(lock) {
            Err(Fail(Errno::AGAIN)) => match self.file(lock.fh) {
                Ok(open) => {
                    let waiter = Waiter {
                        reply: Some(reply),
                        lock: self.noted(&open, lock),
                        open,
                    };
                    self.waiters.push(waiter, releases);
                    return true;
                }
                Err(fail) => self.settle(reply, Err(fail)),
            },
            result => self.settle(reply, result),
        }
        false
    }

    fn unlock(&self, open: &Arc<OpenFile>, lock: &LockIn) -> Result<()> {
        // Who never asked for a lock has none.
        let Some(owner) = open.node.lock_owner(lock.owner, lock.flock) else {
            return Ok(());
        };
        let asked = self.client_id.lock(&owner, lock.kind, lock.start, lock.end);
        let result = open.file.lock(&asked);
        self.waiters.released();
        match result? {
            LockStatus::SUCCESS => Ok(()),
            _ => Err(Errno::NOLCK.into()),
        }
    }

    /// Releases everything that an owner has of a file. It must not be left undone: if the signal
    /// that ends a process cuts it short, the waiters' thread does it.
    pub(crate) fn release_locks(&self, open: &Arc<OpenFile>, owner: u64, flock: bool) {
        let Some(owner) = open.node.lock_owner(owner, flock) else {
            return;
        };
        let release = self.client_id.release(&owner);
        let result = open.file.lock(&release);
        open.node.drop_lock_owner(owner.id, owner.flock);
        if let Err(Error::Interrupted | Error::TimedOut) = result {
            let waiter = Waiter {
                reply: None,
                open: open.clone(),
                lock: release,
            };
            self.waiters.push(waiter, 0);
        }
        self.waiters.released();
    }

    /// A lock to ask for, and it is noted that its owner did.
    fn noted(&self, open: &OpenFile, lock: &LockIn) -> Lock {
        open.locked.store(true, Ordering::Relaxed);
        let owner: LockOwner = open.node.note_lock_owner(lock.into());
        self.client_id.lock(&owner, lock.kind, lock.start, lock.end)
    }
}
