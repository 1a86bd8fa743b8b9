//! A node: an inode and the entry by which a client reached it.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use virtfs_vfs::{Cx, Errno};

use crate::entryname::EntryName;
use crate::inode::Inode;
use crate::restore;
use crate::sync::lock;
use crate::tree::Tree;

/// A file as a client reached it: an inode and the entry that led there.
#[derive(Debug)]
pub(crate) struct LocalNode {
    pub(crate) inode: Arc<Inode>,
    /// `None` for the root, and once we removed the entry.
    entry: Mutex<Option<Entry>>,
}

/// Where a node was reached.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) parent: Arc<LocalNode>,
    pub(crate) name: EntryName,
}

impl LocalNode {
    /// A node whose directory does not know it yet; without an entry, the root.
    pub(crate) fn new(inode: Arc<Inode>, entry: Option<Entry>) -> Self {
        Self {
            inode,
            entry: Mutex::new(entry),
        }
    }

    /// The inode's descriptor, brought back if it was closed. `ESTALE` if it cannot be found.
    pub(crate) fn fd(&self, cx: &Cx<'_>) -> Result<Arc<OwnedFd>, Errno> {
        match self.inode.held() {
            Some(fd) => Ok(fd),
            None => restore::restore(self, cx),
        }
    }

    /// The entry, as far as we know.
    pub(crate) fn entry(&self) -> Option<Entry> {
        lock(&self.entry).clone()
    }

    pub(crate) fn tree(&self) -> &Arc<Tree> {
        self.inode.tree()
    }

    pub(crate) fn is_root(&self) -> bool {
        let dir = self.inode.dir.as_ref();
        dir.is_some_and(|dir| dir.is_root.load(Ordering::Relaxed))
    }

    /// The node known under this name in this directory.
    pub(crate) fn child(&self, name: &[u8]) -> Option<Arc<LocalNode>> {
        let hash = self.tree().hash_of_name(name);
        let children = &self.inode.dir.as_ref()?.children;
        children.find(hash, |child| child.is_entry_of(&self.inode, name))
    }

    /// Whether this is the entry, as far as we know.
    pub(crate) fn is_child(&self, dir: &LocalNode, name: &[u8]) -> bool {
        self.is_entry_of(&dir.inode, name)
    }

    fn is_entry_of(&self, dir: &Arc<Inode>, name: &[u8]) -> bool {
        lock(&self.entry)
            .as_ref()
            .is_some_and(|entry| Arc::ptr_eq(&entry.parent.inode, dir) && *entry.name == *name)
    }

    /// The hash by which the directory has this node.
    fn hash(&self) -> Option<u64> {
        let entry = lock(&self.entry);
        Some(self.tree().hash_of_name(&entry.as_ref()?.name))
    }

    /// Takes the entry away.
    pub(crate) fn detach(&self) {
        let old = lock(&self.entry).take();
        if let Some(Entry { parent, name }) = old
            && let Some(dir) = &parent.inode.dir
        {
            dir.children.remove(self.tree().hash_of_name(&name), self);
        }
    }

    /// Makes the entry this one, unless that would make the node its own ancestor (entries of
    /// which the host knows better).
    pub(crate) fn attach(self: &Arc<Self>, dir: &Arc<LocalNode>, name: &[u8]) -> bool {
        self.detach();
        let mut above = Some(dir.clone());
        while let Some(node) = above {
            if Arc::ptr_eq(&node, self) {
                return false;
            }
            above = lock(&node.entry).as_ref().map(|e| e.parent.clone());
        }
        let parent = dir.clone();
        let name = name.into();
        *lock(&self.entry) = Some(Entry { parent, name });
        self.enter_parent();
        true
    }

    /// Lets the directory know of a node that has its entry, and of no other by this name: what
    /// was known is another file, or has been moved.
    pub(crate) fn enter_parent(self: &Arc<Self>) {
        let entry = self.entry();
        if let Some(Entry { parent, name }) = entry
            && let Some(dir) = &parent.inode.dir
        {
            let hash = self.tree().hash_of_name(&name);
            while let Some(former) = parent.child(&name) {
                dir.children.remove(hash, &*former);
            }
            dir.children.insert(hash, self, Self::hash);
        }
    }
}

impl Drop for LocalNode {
    /// Lets go of the parents one by one: a chain of thousands must not recurse.
    fn drop(&mut self) {
        let tree = self.tree();
        let mut entry = lock(&self.entry).take();
        while let Some(Entry { parent, name }) = entry {
            if let Some(dir) = &parent.inode.dir {
                let hash = tree.hash_of_name(&name);
                dir.children.forget_dead(hash, Self::hash);
            }
            // The parent's own drop, at the end of the closure, has then nothing above it.
            entry = Arc::into_inner(parent).and_then(|parent| lock(&parent.entry).take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_fits_its_memory() {
        assert!(size_of::<LocalNode>() <= 40, "{}", size_of::<LocalNode>());
    }
}
