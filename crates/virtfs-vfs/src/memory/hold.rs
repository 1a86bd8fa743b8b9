//! What nodes, open files and locks are made of: a claim on an inode, and on an entry.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::tree::{EntryId, Ino, Tree};
use crate::OpenFlags;

#[derive(Debug)]
pub(super) struct Shared(Mutex<Tree>);

impl Shared {
    pub(super) fn new(tree: Tree) -> Self {
        Self(Mutex::new(tree))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Tree> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps an inode, and the entry by which it was reached, from being forgotten. Dropping it
/// takes the tree's lock, so none is ever dropped under that.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) shared: Arc<Shared>,
    pub(super) ino: Ino,
    /// None for open files, which are inodes alone.
    pub(super) entry: Option<EntryId>,
}

impl Hold {
    /// `tree` is the one behind `shared`, locked.
    pub(super) fn new(
        shared: &Arc<Shared>,
        tree: &mut Tree,
        ino: Ino,
        entry: Option<EntryId>,
    ) -> Self {
        tree.hold(ino, entry);
        let shared = Arc::clone(shared);
        Self { shared, ino, entry }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.lock().release(self.ino, self.entry);
    }
}

/// What an [`crate::Open`] holds.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) hold: Hold,
    pub(super) flags: OpenFlags,
    pub(super) is_dir: bool,
}
