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
use crate::options::{FileHandles, Options, Writeout};
use crate::ownership::Ownership;
use crate::proc::ProcFd;
use crate::sys::handle;
use crate::tree::{LocalNode, Tree};
use crate::xattrs::Holder;
use crate::{access, ops, thread};

/// A directory of the host, served.
///
/// It holds the directory, and `/proc/self/fd` once for the whole process: make it after the last
/// fork. Threads that call it become its own in umask, current directory and `CAP_FSETID`; see
/// [`FileSystem::prepare_thread`].
///
/// A call whose [`Cx`] names [`Credentials`](virtfs_vfs::Credentials) is made with that user's
/// rights. The server's own are those of the thread that makes the `LocalFs`.
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
        access::remember()?;
        let directory = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = openat(&root, c".", OFlags::PATH | directory, Mode::empty())?;
        drop(root);
        let stat = look(path.as_fd(), LOOK)?;
        // Handles are an extra: without permission nodes are found again by their entries.
        let mount = openat(&path, c".", OFlags::RDONLY | directory, Mode::empty())
            .ok()
            .filter(|_| options.file_handles != FileHandles::Never)
            .filter(|mount| {
                handle::of(mount.as_fd())
                    .and_then(|handle| handle::open(mount.as_fd(), &handle))
                    .is_ok()
            })
            .map(|mount| (InodeId::of(&stat), mount));
        if options.file_handles == FileHandles::Mandatory && mount.is_none() {
            return Err(rustix::io::Errno::OPNOTSUPP.into());
        }
        let tree = Tree::new(ProcFd::get()?, &options, mount);
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
        Arc::ptr_eq(node.tree(), &self.tree)
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

/// The operations: a line says what it is given, gives, and where it is done. All
/// begin by giving the thread the rights that the request has; none can be written here without.
macro_rules! operations {
    ($(
        fn $method:ident($($given:ident: $kind:ty),*) -> $result:ty = $done:path;
    )*) => {$(
        fn $method(&self, cx: &Cx<'_> $(, $given: $kind)*) -> Result<$result, Errno> {
            access::enter(cx)?;
            $done(self, cx $(, $given)*)
        }
    )*};
}

impl FileSystem for LocalFs {
    fn prepare_thread(&self) {
        // A failure is told by the first call that changes something: it tries again.
        let _ = thread::prepared();
    }

    operations! {
        fn attach() -> (Node, Qid) = ops::walk::attach;
        fn walk(start: &Node, names: &[Name<'_>], qids: &mut Qids) -> Node = ops::walk::walk;
        fn stat(node: &Node, open: Option<&Open>, want: StatWant) -> Attr = ops::stat::stat;
        fn set(node: &Node, open: Option<&Open>, changes: &SetAttr) -> () = ops::set::set;
        fn open(node: &Node, flags: OpenFlags) -> Opened = ops::open::open;
        fn create(dir: &Node, name: Name<'_>, flags: OpenFlags, mode: u32, gid: u32)
            -> (Node, Opened) = ops::create::create;
        fn make(dir: &Node, name: Name<'_>, what: Make<'_>, gid: u32) -> Qid = ops::make::make;
        fn link(node: &Node, dir: &Node, name: Name<'_>) -> () = ops::entry::link;
        fn rename(from: Place<'_>, to_dir: &Node, to_name: Name<'_>) -> () = ops::entry::rename;
        fn remove(what: Place<'_>, kind: Removal) -> () = ops::entry::remove;
        fn read(open: &Open, offset: u64, reply: &mut dyn ReplyBody) -> () = ops::io::read;
        fn write(open: &Open, offset: u64, body: &mut dyn RequestBody) -> usize = ops::io::write;
        fn list(open: &Open, cookie: u64, take: &mut dyn FnMut(&DirEntry<'_>) -> bool)
            -> () = ops::list::list;
        fn sync(open: &Open, data_only: bool) -> () = ops::io::sync;
        fn lock_file(node: &Node, open: &Open) -> Box<dyn LockFile> = lock_file;
        fn statfs(node: &Node) -> StatFs = ops::stat::statfs;
        fn readlink(node: &Node) -> Vec<u8> = ops::stat::readlink;
        fn xattr(node: &Node, open: Option<&Open>, name: &[u8], limit: usize)
            -> Vec<u8> = ops::xattr::get;
        fn xattr_list(node: &Node, open: Option<&Open>, limit: usize) -> Vec<u8> = ops::xattr::list;
        fn xattr_put(
            node: &Node,
            open: Option<&Open>,
            name: &[u8],
            value: &[u8],
            how: XattrPut
        ) -> () = ops::xattr::put;
        fn xattr_remove(node: &Node, open: Option<&Open>, name: &[u8]) -> () = ops::xattr::remove;
    }
}

/// By the server's rights where they suffice, so that all users of a file get locks of one kind.
fn lock_file(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &Node,
    open: &Open,
) -> Result<Box<dyn LockFile>, Errno> {
    match access::as_server(|| ops::lock::lock_file(fs, cx, node, open)) {
        Err(Errno::EACCES | Errno::EPERM) => ops::lock::lock_file(fs, cx, node, open),
        result => result,
    }
}
