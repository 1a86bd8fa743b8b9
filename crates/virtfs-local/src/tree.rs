//! Which inodes and entries clients have reached.
//!
//! Each directory node keeps its children by name, weakly; each child keeps its parent. There is
//! one node for each directory, and one for each (directory, name) of anything else. An entry is a
//! hint: the host may have moved the file since.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use rustc_hash::{FxHashMap, FxHashSet};
use rustix::fs::Statx;
use rustix::io;
use virtfs_vfs::{Cx, Errno, FileKind};

use crate::budget::Budget;
use crate::hostfs::HostFs;
use crate::inode::{Inode, InodeId};
use crate::opened::LocalOpen;
use crate::options::{Containment, FileHandles, Multidevs, Options};
use crate::ownership::{self, Memory, Met, Ownership};
use crate::proc::ProcFd;
use crate::qid::QidPaths;
use crate::restore;
use crate::search::Searches;
use crate::sync::lock;

/// A file as a client reached it: an inode and the entry that led there.
#[derive(Debug)]
pub(crate) struct LocalNode {
    pub(crate) inode: Arc<Inode>,
    pub(crate) tree: Arc<Tree>,
    pub(crate) is_root: bool,
    /// `None` for the root, and once we removed the entry.
    entry: Mutex<Option<Entry>>,
    children: Mutex<HashMap<Arc<[u8]>, Weak<LocalNode>>>,
    /// The count of moves at which the way up to the root was last seen whole (`contain`).
    pub(crate) checked: AtomicU64,
}

/// Where a node was reached.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) parent: Arc<LocalNode>,
    pub(crate) name: Arc<[u8]>,
}

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
    /// For files that the host has moved.
    pub(crate) searches: Searches,
    hosts: Mutex<FxHashMap<u64, Arc<HostFs>>>,
    /// Whether a file of another device than the root's was met.
    spans: AtomicBool,
    multidevs: Multidevs,
    on_other_device: Option<fn()>,
    inodes: Mutex<FxHashMap<InodeId, Weak<Inode>>>,
    /// Held while entries change, never over a kernel call.
    shape: Mutex<()>,
    /// Held over a rename on local file systems, so that entries follow in the kernel's order.
    pub(crate) renaming: Mutex<()>,
}

impl LocalNode {
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

    /// The node known under this name in this directory.
    pub(crate) fn child(&self, name: &[u8]) -> Option<Arc<LocalNode>> {
        lock(&self.children).get(name).and_then(Weak::upgrade)
    }

    /// Whether this is the entry, as far as we know.
    pub(crate) fn is_child(&self, dir: &Arc<LocalNode>, name: &[u8]) -> bool {
        lock(&self.entry)
            .as_ref()
            .is_some_and(|entry| Arc::ptr_eq(&entry.parent, dir) && *entry.name == *name)
    }

    fn forget_child(&self, name: &[u8], child: *const LocalNode) {
        let mut children = lock(&self.children);
        if children.get(name).is_some_and(|c| c.as_ptr() == child) {
            children.remove(name);
            if children.capacity() > 64.max(8 * children.len()) {
                children.shrink_to_fit();
            }
        }
    }

    /// Takes the entry away.
    fn detach(self: &Arc<Self>) {
        let old = lock(&self.entry).take();
        if let Some(old) = old {
            old.parent.forget_child(&old.name, Arc::as_ptr(self));
        }
    }

    /// Makes the entry this one, unless that would make the node its own ancestor (entries of
    /// which the host knows better).
    fn attach(self: &Arc<Self>, dir: &Arc<LocalNode>, name: Arc<[u8]>) -> bool {
        self.detach();
        let mut above = Some(dir.clone());
        while let Some(node) = above {
            if Arc::ptr_eq(&node, self) {
                return false;
            }
            above = lock(&node.entry).as_ref().map(|e| e.parent.clone());
        }
        let parent = dir.clone();
        lock(&dir.children).insert(name.clone(), Arc::downgrade(self));
        *lock(&self.entry) = Some(Entry { parent, name });
        true
    }
}

impl Drop for LocalNode {
    /// Lets go of the parents one by one: a chain of thousands must not recurse.
    fn drop(&mut self) {
        let mut this: *const Self = self;
        let mut entry = lock(&self.entry).take();
        while let Some(Entry { parent, name }) = entry {
            parent.forget_child(&name, this);
            this = Arc::as_ptr(&parent);
            // The parent's own drop, at the end of the closure, has then nothing above it.
            entry = Arc::into_inner(parent).and_then(|parent| lock(&parent.entry).take());
        }
    }
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
            searches: Searches::default(),
            hosts: Mutex::default(),
            spans: AtomicBool::new(false),
            multidevs: options.multidevs,
            on_other_device: options.on_other_device,
            inodes: Mutex::default(),
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
        let node = Arc::new(self.node(inode, None, 0));
        *lock(&node.inode.place) = Arc::downgrade(&node);
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
        known = match inode.host_kind {
            FileKind::Directory => lock(&inode.place).upgrade(),
            _ => dir.child(name),
        };
        if let Some(node) = known.filter(|node| Arc::ptr_eq(&node.inode, &inode)) {
            // A directory found elsewhere was moved by the host: it has one place only.
            if node.is_root || node.is_child(dir, name) || node.attach(dir, name.into()) {
                return Ok(node);
            }
        }
        let name: Arc<[u8]> = name.into();
        let entry = Entry {
            parent: dir.clone(),
            name: name.clone(),
        };
        let node = Arc::new(self.node(inode, Some(entry), moves));
        if node.inode.host_kind == FileKind::Directory {
            *lock(&node.inode.place) = Arc::downgrade(&node);
        }
        lock(&dir.children).insert(name, Arc::downgrade(&node));
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
        moved.attach(to_dir, to_name.into());
    }

    /// Follows a removal that the kernel has done; `node` was known under the name before it.
    pub(crate) fn removed(&self, node: &Arc<LocalNode>, dir: &Arc<LocalNode>, name: &[u8]) {
        let _shape = lock(&self.shape);
        if node.is_child(dir, name) {
            node.detach();
        }
    }

    fn node(self: &Arc<Self>, inode: Arc<Inode>, entry: Option<Entry>, moves: u64) -> LocalNode {
        // The way up was whole when it was for the parent; the root has none.
        let checked = match &entry {
            Some(entry) if !entry.parent.is_root => entry.parent.checked.load(Ordering::Acquire),
            _ => moves,
        };
        LocalNode {
            inode,
            tree: self.clone(),
            is_root: entry.is_none(),
            entry: Mutex::new(entry),
            children: Mutex::default(),
            checked: AtomicU64::new(checked),
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
        let host = self.host(id, &fd)?;
        let mut fd = fd;
        let mut other: Option<Arc<Inode>> = None;
        loop {
            let mut inodes = lock(&self.inodes);
            let known = inodes.get(&id).and_then(Weak::upgrade);
            match known.filter(|known| !other.as_ref().is_some_and(|o| Arc::ptr_eq(o, known))) {
                Some(known) => {
                    drop(inodes);
                    match known.adopt(fd, stat) {
                        Ok(_) => {
                            if let Some(made) = &memory {
                                known.memory.absorb(made);
                            }
                            return Ok(known);
                        }
                        // The number was used again for another file.
                        Err(back) => (fd, other) = (back, Some(known)),
                    }
                }
                None => {
                    let Some(memory) = memory.take() else {
                        drop(inodes); // The model makes calls.
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
                    let inode = Arc::new(Inode::new(self, stat, kind, memory, fd, host));
                    inodes.insert(id, Arc::downgrade(&inode));
                    drop(inodes);
                    self.nodes.add(&inode);
                    return Ok(inode);
                }
            }
        }
    }

    /// The numbers of all inodes that are known, whatever device they are on.
    pub(crate) fn numbers(&self) -> FxHashSet<u64> {
        lock(&self.inodes).keys().map(InodeId::ino).collect()
    }

    fn host(&self, id: InodeId, fd: &OwnedFd) -> Result<Arc<HostFs>, Errno> {
        if let Some(host) = lock(&self.hosts).get(&id.dev()) {
            return Ok(host.clone());
        }
        let magic = HostFs::magic(fd.as_fd());
        let mut hosts = lock(&self.hosts);
        if let Some(host) = hosts.get(&id.dev()) {
            return Ok(host.clone()); // Another request was quicker.
        }
        let first = hosts.is_empty();
        // Nothing of it gets a number.
        if !first && self.multidevs == Multidevs::Forbid {
            return Err(Errno::ENODEV);
        }
        let index = match self.multidevs {
            Multidevs::Warn => 0,
            Multidevs::Remap | Multidevs::Forbid => hosts.len() as u64,
        };
        let host = Arc::new(HostFs::new(index, magic));
        hosts.insert(id.dev(), host.clone());
        drop(hosts);
        if !first
            && !self.spans.swap(true, Ordering::Relaxed)
            && self.multidevs == Multidevs::Warn
            && let Some(warn) = self.on_other_device
        {
            warn();
        }
        Ok(host)
    }

    /// The `qid.path` of an entry of a directory, by the number that the directory has for it.
    /// That of a mount point is covered; what lies there is known once it was reached.
    pub(crate) fn listed_path(&self, dir: &LocalNode, name: &[u8], ino: u64) -> u64 {
        let index = dir.inode.host.index;
        if self.spans.load(Ordering::Relaxed)
            && let Some(child) = dir.child(name)
            && child.inode.host.index != index
        {
            return child.inode.qid_path;
        }
        self.qids.path(index, ino)
    }

    pub(crate) fn forget_inode(&self, inode: &Inode, held: bool) {
        let mut inodes = lock(&self.inodes);
        if inodes
            .get(&inode.id)
            .is_some_and(|i| std::ptr::eq(i.as_ptr(), inode))
        {
            inodes.remove(&inode.id);
        }
        drop(inodes);
        if held {
            self.nodes.remove();
        }
    }
}
