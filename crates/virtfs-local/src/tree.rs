//! Which inodes and entries clients have reached.
//!
//! Each directory node keeps its children by name, weakly; each child keeps its parent. There is
//! one node for each directory, and one for each (directory, name) of anything else. An entry is a
//! hint: the host may have moved the file since.

use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use rustc_hash::{FxBuildHasher, FxHashSet};
use rustix::fs::Statx;
use rustix::io;
use virtfs_vfs::{Cx, Errno, FileKind};

use crate::bounce::Bounces;
use crate::budget::Budget;
use crate::hostfs::Hosts;
use crate::inode::{Inode, InodeId};
pub(crate) use crate::node::{Entry, LocalNode};
use crate::opened::LocalOpen;
use crate::options::{Containment, FileHandles, Options};
use crate::ownership::{self, Memory, Met, Ownership};
use crate::proc::ProcFd;
use crate::qid::QidPaths;
use crate::search::Searches;
use crate::sync::lock;
use crate::weaktable::WeakTable;

/// What the nodes of one export share.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) proc: Arc<ProcFd>,
    pub(crate) model: Box<dyn Ownership>,
    pub(crate) qids: QidPaths,
    /// The descriptors of nodes.
    pub(crate) nodes: Budget<Inode>,
    /// Those of open files and locks.
    pub(crate) opens: Budget<LocalOpen>,
    /// Whether the process has restricted itself to the export.
    pub(crate) containment: Containment,
    /// The root, opened: handles of its mount are opened beside it, if that is permitted.
    pub(crate) mount: Option<(InodeId, OwnedFd)>,
    /// Whether it has restricted itself, to whatever.
    pub(crate) shut_in: bool,
    /// Whether only what can be opened by its handle may lose its descriptor.
    pub(crate) needs_handles: bool,
    /// For direct I/O.
    pub(crate) bounces: Bounces,
    /// For files that the host has moved.
    pub(crate) searches: Searches,
    hosts: Hosts,
    inodes: WeakTable<Inode>,
    /// For names, which clients choose.
    names: RandomState,
    /// Held while entries change, never over a kernel call.
    shape: Mutex<()>,
    /// Held over a rename on local file systems, so that entries follow in the kernel's order.
    pub(crate) renaming: Mutex<()>,
}

impl Tree {
    pub(crate) fn new(
        proc: Arc<ProcFd>,
        options: &Options,
        mount: Option<(InodeId, OwnedFd)>,
    ) -> Self {
        Self {
            proc,
            model: ownership::of(options),
            qids: QidPaths::default(),
            nodes: Budget::new(options.max_nodes_open),
            opens: Budget::new(options.max_files_open),
            containment: options.containment,
            mount,
            shut_in: options.containment == Containment::Landlock || options.landlock_in_force,
            needs_handles: options.file_handles == FileHandles::Mandatory,
            bounces: Bounces::default(),
            searches: Searches::default(),
            hosts: Hosts::new(options),
            inodes: WeakTable::default(),
            names: RandomState::new(),
            shape: Mutex::default(),
            renaming: Mutex::default(),
        }
    }

    /// Makes a call that needs a descriptor; when there is none left, closes half of what is held
    /// and tries once more.
    pub(crate) fn with_room<T>(&self, mut f: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        match f() {
            Err(io::Errno::MFILE | io::Errno::NFILE) => {
                self.nodes.halve();
                self.opens.halve();
                f()
            }
            result => result,
        }
    }

    /// The root's node; to be asked for once, first of all.
    pub(crate) fn root(
        self: &Arc<Self>,
        cx: &Cx<'_>,
        fd: OwnedFd,
        stat: &Statx,
    ) -> Result<Arc<LocalNode>, Errno> {
        let inode = self.inode(cx, None, fd, stat, None)?;
        let node = Arc::new(LocalNode::new(inode, None));
        if let Some(dir) = &node.inode.dir {
            dir.is_root.store(true, Ordering::Relaxed);
            *lock(&dir.place) = Arc::downgrade(&node);
        }
        Ok(node)
    }

    /// The node of the file that was found at `name` in `dir`: `fd` is an `O_PATH` descriptor of
    /// it, `stat` its attributes, `moves` the count of moves before the look-up; `made` is given
    /// for one that was just made.
    #[expect(clippy::too_many_arguments, reason = "all that is known of it")]
    pub(crate) fn enter(
        self: &Arc<Self>,
        cx: &Cx<'_>,
        dir: &Arc<LocalNode>,
        name: &[u8],
        fd: OwnedFd,
        stat: &Statx,
        moves: u64,
        made: Option<Memory>,
    ) -> Result<Arc<LocalNode>, Errno> {
        let inode = self.inode(cx, Some((dir, name)), fd, stat, made)?;
        let known;
        let _shape = lock(&self.shape);
        known = match &inode.dir {
            Some(own) => lock(&own.place).upgrade(),
            None => dir.child(name),
        };
        if let Some(node) = known.filter(|node| Arc::ptr_eq(&node.inode, &inode)) {
            let is_there = |entry: Entry| Arc::ptr_eq(&entry.parent, dir) && *entry.name == *name;
            // A directory found elsewhere was moved by the host: it has one place only.
            if node.is_root() || node.entry().is_some_and(is_there) || node.attach(dir, name) {
                return Ok(node);
            }
        }
        let entry = Entry {
            parent: dir.clone(),
            name: name.into(),
        };
        let node = Arc::new(LocalNode::new(inode, Some(entry)));
        if let Some(own) = &node.inode.dir {
            // The way up was whole when it was for the parent; the root has none.
            let checked = match &dir.inode.dir {
                Some(dir) if !dir.is_root.load(Ordering::Relaxed) => {
                    dir.checked.load(Ordering::Acquire)
                }
                _ => moves,
            };
            own.checked.store(checked, Ordering::Release);
            *lock(&own.place) = Arc::downgrade(&node);
        }
        node.enter_parent();
        Ok(node)
    }

    /// Follows a rename that the kernel has done. `moved` and `replaced` are the nodes known
    /// under the old and the new name before it.
    pub(crate) fn renamed(
        &self,
        moved: Option<&Arc<LocalNode>>,
        replaced: Option<&Arc<LocalNode>>,
        to_dir: &Arc<LocalNode>,
        to_name: &[u8],
    ) {
        let Some(moved) = moved else {
            // Whether the new name stands for another file now is seen when it is used.
            return;
        };
        if replaced.is_some_and(|replaced| Arc::ptr_eq(&replaced.inode, &moved.inode)) {
            return; // Two links of one file: the kernel leaves both.
        }
        let _shape = lock(&self.shape);
        if let Some(replaced) = replaced.filter(|r| r.is_child(to_dir, to_name)) {
            replaced.detach();
        }
        moved.attach(to_dir, to_name);
    }

    /// Follows a removal that the kernel has done; `node` was known under the name before it.
    pub(crate) fn removed(&self, node: &Arc<LocalNode>, dir: &Arc<LocalNode>, name: &[u8]) {
        let _shape = lock(&self.shape);
        if node.is_child(dir, name) {
            node.detach();
        }
    }

    /// The inode that a fresh descriptor stands for: the known one if it is the same.
    fn inode(
        self: &Arc<Self>,
        cx: &Cx<'_>,
        at: Option<(&Arc<LocalNode>, &[u8])>,
        fd: OwnedFd,
        stat: &Statx,
        mut memory: Option<Memory>,
    ) -> Result<Arc<Inode>, Errno> {
        let id = InodeId::of(stat);
        let kind = FileKind::from_mode(stat.stx_mode.into()).ok_or(Errno::EIO)?;
        let host = self.hosts.of(self, id, fd.as_fd())?;
        let hash = hash_of_id(&id);
        let is = |inode: &Inode| inode.id() == id;
        let hash_of = |inode: &Inode| Some(hash_of_id(&inode.id()));
        let mut fd = fd;
        loop {
            let (known, back) = if let Some(has) = memory.take() {
                let make = |(fd, memory): (OwnedFd, Memory)| {
                    let inode = Inode::new(host.clone(), id.ino, kind, memory, fd);
                    Arc::new(inode)
                };
                let parts = (fd, has);
                match self.inodes.find_or_insert(hash, is, parts, make, hash_of) {
                    Ok(made) => {
                        self.nodes.add(&made);
                        return Ok(made);
                    }
                    Err((known, (back, met))) => {
                        memory = Some(met);
                        (known, back)
                    }
                }
            } else if let Some(known) = self.inodes.find(hash, is) {
                (known, fd)
            } else {
                let file = Met {
                    tree: self,
                    fd: fd.as_fd(),
                    stat,
                    at,
                    remote: host.remote,
                };
                memory = Some(self.model.meet(cx, &file, kind)?);
                continue;
            };
            match known.adopt(back, stat) {
                Ok(_) => {
                    if let Some(made) = &memory {
                        known.memory.absorb(made);
                    }
                    return Ok(known);
                }
                // The number was used again for another file.
                Err(back) => {
                    self.inodes.remove(hash, &*known);
                    fd = back;
                }
            }
        }
    }

    /// The numbers of all inodes that are known, whatever device they are on.
    pub(crate) fn numbers(&self) -> FxHashSet<u64> {
        let mut numbers = FxHashSet::default();
        self.inodes.each(|inode| {
            numbers.insert(inode.ino);
        });
        numbers
    }

    /// The `qid.path` of an entry of a directory, by the number that the directory has for it.
    /// That of a mount point is covered; what lies there is known once it was reached.
    pub(crate) fn listed_path(&self, dir: &LocalNode, name: &[u8], ino: u64) -> u64 {
        let index = dir.inode.host.index;
        if self.hosts.spans()
            && let Some(child) = dir.child(name)
            && child.inode.host.index != index
        {
            return child.inode.qid_path();
        }
        self.qids.path(index, ino)
    }

    pub(crate) fn forget_inode(&self, inode: &Inode, held: bool) {
        let hash_of = |inode: &Inode| Some(hash_of_id(&inode.id()));
        self.inodes.forget_dead(hash_of_id(&inode.id()), hash_of);
        if held {
            self.nodes.remove();
        }
    }

    /// The hash by which directories have a name.
    pub(crate) fn hash_of_name(&self, name: &[u8]) -> u64 {
        self.names.hash_one(name)
    }
}

fn hash_of_id(id: &InodeId) -> u64 {
    FxBuildHasher.hash_one(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_the_file_that_was_found_there_last() {
        let dir = tempfile::tempdir().unwrap();
        let fs = crate::LocalFs::open(dir.path(), Options::default()).unwrap();
        let cx = Cx::new(virtfs_vfs::User::NOBODY, &virtfs_vfs::Detached);
        let mut known = Vec::new();
        for round in 0..10 {
            std::fs::write(dir.path().join("new"), round.to_string()).unwrap();
            std::fs::rename(dir.path().join("new"), dir.path().join("f")).unwrap();
            let (node, _) = crate::ops::walk::step(&cx, &fs.root, b"f").unwrap();
            let (again, _) = crate::ops::walk::step(&cx, &fs.root, b"f").unwrap();
            assert!(Arc::ptr_eq(&node, &again));
            assert!(known.iter().all(|former| !Arc::ptr_eq(former, &node)));
            known.push(node);
            assert!(Arc::ptr_eq(&fs.root.child(b"f").unwrap(), &known[round]));
        }
        let last = known.pop().unwrap();
        fs.tree.renamed(Some(&last), None, &fs.root, b"g");
        assert!(fs.root.child(b"f").is_none());
        assert!(Arc::ptr_eq(&fs.root.child(b"g").unwrap(), &last));
    }
}
