//! [`LocalFs`]: a directory of the host as a file system that can be served.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, openat};
use virtfs_vfs::{
    Attr, Cx, Detached, DirEntry, Errno, FileSystem, LockFile, Make, Name, Node, Open, OpenFlags,
    Opened, Place, Qid, Qids, Removal, ReplyBody, RequestBody, SetAttr, StatFs, StatWant, User,
    XattrPut,
};

use crate::inode::{InodeId, LOOK, look};
use crate::opened::LocalOpen;
use crate::options::{Containment, Options, Writeout};
use crate::ownership::Ownership;
use crate::proc::ProcFd;
use crate::sys::handle;
use crate::tree::{LocalNode, Tree};
use crate::xattrs::Holder;
use crate::{ops, thread};

/// A directory of the host, served.
///
/// It holds the directory, and `/proc/self/fd` once for the whole process: make it after the last
/// fork. Threads that call it become its own in umask, current directory and `CAP_FSETID`; see
/// [`FileSystem::prepare_thread`].
pub struct LocalFs {
    pub(crate) tree: Arc<Tree>,
    pub(crate) root: Arc<LocalNode>,
    /// In use for ever: what everything else is found again from is never closed.
    _root_fd: Option<Arc<OwnedFd>>,
    pub(crate) readonly: bool,
    pub(crate) writeout: Writeout,
}

impl LocalFs {
    /// Serves an open directory (by `O_PATH` or for reading). `EOPNOTSUPP` if the model is
    /// [`SecurityModel::MappedXattr`](crate::SecurityModel::MappedXattr) and the file system has no
    /// user attributes: [`SecurityModel::MappedFile`](crate::SecurityModel::MappedFile) is for
    /// those.
    pub fn new(root: OwnedFd, options: Options) -> io::Result<Self> {
        let directory = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = openat(&root, c".", OFlags::PATH | directory, Mode::empty())?;
        drop(root);
        let stat = look(path.as_fd(), LOOK)?;
        let landlock = options.containment == Containment::Landlock;
        // Handles are an extra: without permission nodes are found again by their entries.
        let mount = openat(&path, c".", OFlags::RDONLY | directory, Mode::empty())
            .ok()
            .filter(|mount| {
                handle::of(mount.as_fd())
                    .and_then(|handle| handle::open(mount.as_fd(), &handle))
                    .is_ok()
            })
            .map(|mount| (InodeId::of(&stat), mount));
        let tree = Tree::new(ProcFd::get()?, &options, landlock, mount);
        let tree = Arc::new(tree);
        let cx = &Cx::new(User::NOBODY, &Detached);
        tree.model
            .check(cx, &Holder::Path(&tree.proc, path.as_fd()))?;
        let root = tree
            .root(cx, path, &stat)
            .map_err(|e| io::Error::from_raw_os_error(e.raw() as i32))?;
        Ok(Self {
            tree,
            _root_fd: root.inode.held(),
            root,
            readonly: options.readonly,
            writeout: options.writeout,
        })
    }

    /// Serves the directory at `path`.
    pub fn open(path: impl AsRef<Path>, options: Options) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self::new(openat(CWD, path.as_ref(), flags, Mode::empty())?, options)
    }

    /// How many descriptors nodes hold at present; open files are not counted.
    pub fn nodes_open(&self) -> usize {
        self.tree.nodes.held()
    }

    /// How many descriptors open files and locks hold at present.
    pub fn files_open(&self) -> usize {
        self.tree.opens.held()
    }

    pub(crate) fn node(&self, node: &Node) -> Result<Arc<LocalNode>, Errno> {
        node.share::<LocalNode>().and_then(|n| {
            if self.owns(&n) {
                Ok(n)
            } else {
                Err(Errno::EXDEV)
            }
        })
    }

    pub(crate) fn opened<'o>(&self, open: &'o Open) -> Result<&'o LocalOpen, Errno> {
        open.get::<LocalOpen>().and_then(|o| {
            if self.owns(&o.node) {
                Ok(o)
            } else {
                Err(Errno::EBADF)
            }
        })
    }

    fn owns(&self, node: &LocalNode) -> bool {
        Arc::ptr_eq(&node.tree, &self.tree)
    }

    pub(crate) fn model(&self) -> &dyn Ownership {
        &*self.tree.model
    }

    /// Refuses a name that is the server's own (`EINVAL`). To be asked for every name that a
    /// client gives.
    pub(crate) fn usable(&self, name: Name<'_>) -> Result<(), Errno> {
        match self.model().is_reserved(name.as_bytes()) {
            true => Err(Errno::EINVAL),
            false => Ok(()),
        }
    }

    /// To be asked first by everything that changes something.
    pub(crate) fn writable(&self) -> Result<(), Errno> {
        if self.readonly {
            return Err(Errno::EROFS);
        }
        thread::prepared()
    }
}

impl FileSystem for LocalFs {
    fn prepare_thread(&self) {
        // A failure is told by the first call that changes something: it tries again.
        let _ = thread::prepared();
    }

    fn attach(&self, cx: &Cx<'_>) -> Result<(Node, Qid), Errno> {
        ops::walk::attach(self, cx)
    }

    fn walk(
        &self,
        cx: &Cx<'_>,
        start: &Node,
        names: &[Name<'_>],
        qids: &mut Qids,
    ) -> Result<Node, Errno> {
        ops::walk::walk(self, cx, start, names, qids)
    }

    fn stat(
        &self,
        cx: &Cx<'_>,
        node: &Node,
        open: Option<&Open>,
        want: StatWant,
    ) -> Result<Attr, Errno> {
        ops::stat::stat(self, cx, node, open, want)
    }

    fn set(
        &self,
        cx: &Cx<'_>,
        node: &Node,
        open: Option<&Open>,
        changes: &SetAttr,
    ) -> Result<(), Errno> {
        ops::set::set(self, cx, node, open, changes)
    }

    fn open(&self, cx: &Cx<'_>, node: &Node, flags: OpenFlags) -> Result<Opened, Errno> {
        ops::open::open(self, cx, node, flags)
    }

    fn create(
        &self,
        cx: &Cx<'_>,
        dir: &Node,
        name: Name<'_>,
        flags: OpenFlags,
        mode: u32,
        gid: u32,
    ) -> Result<(Node, Opened), Errno> {
        ops::create::create(self, cx, dir, name, flags, mode, gid)
    }

    fn make(
        &self,
        cx: &Cx<'_>,
        dir: &Node,
        name: Name<'_>,
        what: Make<'_>,
        gid: u32,
    ) -> Result<Qid, Errno> {
        ops::make::make(self, cx, dir, name, what, gid)
    }

    fn link(&self, cx: &Cx<'_>, node: &Node, dir: &Node, name: Name<'_>) -> Result<(), Errno> {
        ops::entry::link(self, cx, node, dir, name)
    }

    fn rename(
        &self,
        cx: &Cx<'_>,
        from: Place<'_>,
        to_dir: &Node,
        to_name: Name<'_>,
    ) -> Result<(), Errno> {
        ops::entry::rename(self, cx, from, to_dir, to_name)
    }

    fn remove(&self, cx: &Cx<'_>, what: Place<'_>, kind: Removal) -> Result<(), Errno> {
        ops::entry::remove(self, cx, what, kind)
    }

    fn read(
        &self,
        cx: &Cx<'_>,
        open: &Open,
        offset: u64,
        reply: &mut dyn ReplyBody,
    ) -> Result<(), Errno> {
        ops::io::read(self, cx, open, offset, reply)
    }

    fn write(
        &self,
        cx: &Cx<'_>,
        open: &Open,
        offset: u64,
        body: &mut dyn RequestBody,
    ) -> Result<usize, Errno> {
        ops::io::write(self, cx, open, offset, body)
    }

    fn list(
        &self,
        cx: &Cx<'_>,
        open: &Open,
        cookie: u64,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<(), Errno> {
        ops::list::list(self, cx, open, cookie, take)
    }

    fn sync(&self, cx: &Cx<'_>, open: &Open, data_only: bool) -> Result<(), Errno> {
        ops::io::sync(self, cx, open, data_only)
    }

    fn lock_file(&self, cx: &Cx<'_>, node: &Node, open: &Open) -> Result<Box<dyn LockFile>, Errno> {
        ops::lock::lock_file(self, cx, node, open)
    }

    fn statfs(&self, cx: &Cx<'_>, node: &Node) -> Result<StatFs, Errno> {
        ops::stat::statfs(self, cx, node)
    }

    fn readlink(&self, cx: &Cx<'_>, node: &Node) -> Result<Vec<u8>, Errno> {
        ops::stat::readlink(self, cx, node)
    }

    fn xattr(
        &self,
        cx: &Cx<'_>,
        node: &Node,
        open: Option<&Open>,
        name: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, Errno> {
        ops::xattr::get(self, cx, node, open, name, limit)
    }

    fn xattr_list(
        &self,
        cx: &Cx<'_>,
        node: &Node,
        open: Option<&Open>,
        limit: usize,
    ) -> Result<Vec<u8>, Errno> {
        ops::xattr::list(self, cx, node, open, limit)
    }

    fn xattr_put(
        &self,
        cx: &Cx<'_>,
        node: &Node,
        open: Option<&Open>,
        name: &[u8],
        value: &[u8],
        how: XattrPut,
    ) -> Result<(), Errno> {
        ops::xattr::put(self, cx, node, open, name, value, how)
    }

    fn xattr_remove(
        &self,
        cx: &Cx<'_>,
        node: &Node,
        open: Option<&Open>,
        name: &[u8],
    ) -> Result<(), Errno> {
        ops::xattr::remove(self, cx, node, open, name)
    }
}
