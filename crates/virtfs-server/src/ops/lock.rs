//! Byte-range locks.

use std::time::Duration;

use virtfs_vfs::{Errno, LockFile, LockHolder, LockKind, LockRange, LockSet};

use super::{Outcome, Request, Retry};
use crate::budget::Permit;
use crate::fid::{Fid, OpenFid};
use crate::locks::{Asked, OwnerKey, Taken};
use crate::lower::LockOwner;
use crate::raise::Answer;
use crate::shares::Part;

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
        let locks = &self.shared.locks;
        let inode = open.through.inode;
        let seen = locks.waiters().releases(inode);
        let asked = Asked {
            through: &open.through,
            kind,
            range,
            records: &self.locks.records,
        };
        let lock_file = || self.lock_file(fid, open);
        let taken = locks.set(&self.owner(owner), asked, self.call, lock_file)?;
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
                range,
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
        let (inode, lock_file) = (open.through.inode, || self.lock_file(fid, open));
        let locks = &self.shared.locks;
        let found = locks.test(inode, &key, (kind, range), self.call, lock_file)?;
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

    /// Releases what was locked through a fid that is given up. `EINTR`: its drop will.
    pub(super) fn release_locks(&self, open: &OpenFid) -> Result<(), Errno> {
        self.shared.locks.release(&open.through, self.call)
    }

    /// A file of an owner's own to lock: a descriptor, counted as any open file.
    fn lock_file(&self, fid: &Fid, open: &OpenFid) -> Result<Box<dyn LockFile>, Errno> {
        let part = Part::take(&self.locks.files, 1).ok_or(Errno::ENOLCK)?;
        let permit = self.open_permit()?;
        let file = fid.fs().lock_file(&self.cx(fid), &open.node, &open.open)?;
        Ok(Box::new(Counted {
            file,
            _part: part,
            _permit: permit,
        }))
    }

    fn owner(&self, owner: LockOwner<'_>) -> OwnerKey {
        OwnerKey {
            session: self.session,
            client_id: owner.client_id.into(),
            proc_id: owner.proc_id,
        }
    }
}

/// A lock file, and what it takes of the budgets.
struct Counted {
    file: Box<dyn LockFile>,
    _part: Part,
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
