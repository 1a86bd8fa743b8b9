//! An owner of locks.

use super::hold::Hold;
use crate::{Errno, LockFile, LockHolder, LockKind, LockRange, LockSet};

#[derive(Debug)]
pub(super) struct Owner {
    pub(super) hold: Hold,
    pub(super) id: u64,
    /// For a directory, as `flock` has it.
    pub(super) whole_file_only: bool,
}

impl Owner {
    fn check(&self, range: LockRange) -> Result<(), Errno> {
        if self.whole_file_only && range != LockRange::WHOLE {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }
}

impl LockFile for Owner {
    fn whole_file_only(&self) -> bool {
        self.whole_file_only
    }

    fn set(&self, kind: LockKind, range: LockRange) -> Result<LockSet, Errno> {
        self.check(range)?;
        let mut tree = self.hold.shared.lock();
        let locks = &mut tree.inode_mut(self.hold.ino)?.locks;
        Ok(if locks.set(self.id, kind, range)? {
            LockSet::Done
        } else {
            LockSet::Refused
        })
    }

    fn test(&self, kind: LockKind, range: LockRange) -> Result<Option<LockHolder>, Errno> {
        self.check(range)?;
        let tree = self.hold.shared.lock();
        tree.inode(self.hold.ino)?.locks.test(self.id, kind, range)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Ok(inode) = self.hold.shared.lock().inode_mut(self.hold.ino) {
            inode.locks.forget(self.id);
        }
    }
}
