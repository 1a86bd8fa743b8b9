//! Byte-range locks.

use std::sync::atomic::Ordering;
use std::time::Duration;

use virtfs_vfs::{Errno, LockFile, LockHolder, LockKind, LockRange, LockSet};

use super::{Outcome, Request, Retry};
use crate::budget::Permit;
use crate::fid::{Fid, OpenFid};
use crate::locks::{Asked, InodeKey, OwnerKey, Taken};
use crate::lower::LockOwner;
use crate::raise::Answer;

/// How long a request waits whose process waits. Not longer, so that a client hears in time of a
/// signal for that process: Linux asks again.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long one waits whose process does not, if another process of its client is in the way: Linux
/// lets go of a lock on its own side before it says so.
const PATIENCE_WITH_ITSELF: Duration = Duration::from_millis(50);

impl Request<'_> {
    pub(super) fn lock(
        &self,
        kind: LockKind,
        range: LockRange,
        owner: LockOwner<'_>,
        blocking: bool,
    ) -> Result<Outcome, Errno> {
        let fid = self.fid()?;
        let open = fid.opened()?;
        open.locked.store(true, Ordering::SeqCst);
        let locks = &self.shared.locks;
        let inode = inode_of(fid, open);
        let seen = locks.waiters().releases(inode);
        let asked = Asked {
            open: open.id,
            kind,
            range,
        };
        let taken = locks.set(
            inode,
            self.owner(owner),
            asked,
            || open.unlockable.load(Ordering::SeqCst),
            || self.lock_file(fid, open),
        )?;
        let patience = match taken {
            Taken::Granted => return Ok(Answer::Granted(true).into()),
            _ if blocking => PATIENCE,
            Taken::HeldBySession => PATIENCE_WITH_ITSELF,
            Taken::HeldByOther | Taken::HeldByHost => Duration::ZERO,
        };
        Ok(Outcome {
            answer: Answer::Granted(false),
            state: None,
            retry: (!patience.is_zero()).then_some(Retry {
                inode,
                patience,
                poll: taken == Taken::HeldByHost,
                seen,
            }),
        })
    }

    pub(super) fn test_lock(
        &self,
        kind: LockKind,
        range: LockRange,
        owner: LockOwner<'_>,
    ) -> Result<Outcome, Errno> {
        let fid = self.fid()?;
        let open = fid.opened()?;
        let key = self.owner(owner);
        let found = self
            .shared
            .locks
            .test(inode_of(fid, open), &key, kind, range, || {
                self.lock_file(fid, open)
            })?;
        Ok(match found {
            Some(found) => Answer::Holder {
                kind: found.kind,
                range: found.range,
                proc_id: found.proc_id,
                client_id: found.client_id,
            },
            None => Answer::Holder {
                kind: LockKind::Unlock,
                range,
                proc_id: owner.proc_id,
                client_id: owner.client_id.to_vec(),
            },
        }
        .into())
    }

    /// Drops what was locked through a fid that is given up.
    pub(super) fn release_locks(&self, fid: &Fid, open: &OpenFid) {
        // First: a lock that is asked for beside this must not come after it.
        open.unlockable.store(true, Ordering::SeqCst);
        if open.locked.load(Ordering::SeqCst) {
            self.shared.locks.release_open(inode_of(fid, open), open.id);
        }
    }

    /// A file of an owner's own to lock: a descriptor, counted as any open file.
    fn lock_file(&self, fid: &Fid, open: &OpenFid) -> Result<Box<dyn LockFile>, Errno> {
        let _permit = self.open_permit()?;
        let file = fid.fs().lock_file(&self.cx(fid), &open.node, &open.open)?;
        Ok(Box::new(Counted { file, _permit }))
    }

    fn owner(&self, owner: LockOwner<'_>) -> OwnerKey {
        OwnerKey {
            session: self.session,
            client_id: owner.client_id.into(),
            proc_id: owner.proc_id,
        }
    }
}

/// A lock file, and its share of the budget of open files.
struct Counted {
    file: Box<dyn LockFile>,
    _permit: Permit,
}

impl LockFile for Counted {
    fn whole_file_only(&self) -> bool {
        self.file.whole_file_only()
    }

    fn set(&self, kind: LockKind, range: LockRange) -> Result<LockSet, Errno> {
        self.file.set(kind, range)
    }

    fn test(&self, kind: LockKind, range: LockRange) -> Result<Option<LockHolder>, Errno> {
        self.file.test(kind, range)
    }
}

fn inode_of(fid: &Fid, open: &OpenFid) -> InodeKey {
    InodeKey {
        export: fid.export.id,
        path: open.path,
    }
}
