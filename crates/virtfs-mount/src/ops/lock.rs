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

/// No number of releases.
const ASK_NOW: u64 = u64::MAX;

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
            LockStatus::SUCCESS => {
                // Whoever closed the file meanwhile let go too early, and forgot the owner: the
                // next time must release this one.
                open.node.note_lock_owner(lock.into());
                Ok(())
            }
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
                        owner: Some(lock.into()),
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
            self.push_release(open, release, None);
        }
        self.waiters.released();
    }

    /// Releases a lock, or all that an owner has of a file, without waiting: the waiters' thread
    /// asks, and answers.
    pub(crate) fn release_later(
        &self,
        open: &Arc<OpenFile>,
        owner: u64,
        lock: Option<&LockIn>,
        reply: Reply,
    ) {
        let flock = lock.is_some_and(|lock| lock.flock);
        let Some(owner) = open.node.lock_owner(owner, flock) else {
            return reply.ok();
        };
        let release = match lock {
            Some(lock) => self.client_id.lock(&owner, lock.kind, lock.start, lock.end),
            None => {
                open.node.drop_lock_owner(owner.id, owner.flock);
                self.client_id.release(&owner)
            }
        };
        self.push_release(open, release, Some(reply));
    }

    fn push_release(&self, open: &Arc<OpenFile>, release: Lock, reply: Option<Reply>) {
        let waiter = Waiter {
            reply,
            open: open.clone(),
            lock: release,
            owner: None,
        };
        self.waiters.push(waiter, ASK_NOW);
    }

    /// A lock to ask for, and it is noted that its owner did.
    fn noted(&self, open: &OpenFile, lock: &LockIn) -> Lock {
        open.locked.store(true, Ordering::Relaxed);
        let owner: LockOwner = open.node.note_lock_owner(lock.into());
        self.client_id.lock(&owner, lock.kind, lock.start, lock.end)
    }
}
