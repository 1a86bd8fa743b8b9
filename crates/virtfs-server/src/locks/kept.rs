//! For tests: a thread that the host keeps while it has the owners of an inode's locks; and
//! whether there are any.

use std::sync::Arc;

use virtfs_vfs::Detached;

use super::gate::{Gate, Hold};
use super::owner::Owner;
use super::{InodeKey, LockTable};

pub(crate) struct Kept {
    inode: InodeKey,
    gate: Arc<Gate>,
    owners: Vec<Owner>,
}

impl LockTable {
    /// Whether nobody holds anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.used() == 0 && self.lock_inodes().is_empty()
    }

    /// Takes the owners of an inode, where nobody has them.
    pub(crate) fn keep(&self, inode: InodeKey) -> Kept {
        let gate = self.lock_inodes().entry(inode).or_default().clone();
        let owners = gate.take(&Detached).unwrap();
        Kept {
            inode,
            gate,
            owners,
        }
    }

    /// Gives them back.
    pub(crate) fn let_go(&self, kept: Kept) {
        let Kept {
            inode,
            gate,
            owners,
        } = kept;
        drop(Hold::of(self, (inode, &gate), owners));
        self.forget_if_unused(inode, gate);
    }
}
