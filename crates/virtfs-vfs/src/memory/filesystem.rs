//! The trait over the tree.

use std::sync::{Arc, MutexGuard};

use super::budget::INODE;
use super::content::PAGE;
use super::directory::Directory;
use super::hold::{Hold, OpenFile, Shared};
use super::inode::What;
use super::lock_file::Owner;
use super::tree::{EntryId, Ino, New, ROOT, ROOT_ENTRY, Tree};
use crate::{
    Attr, Cx, DirEntry, Errno, FileKind, FileSystem, LockFile, Make, Name, Node, Open, OpenFlags,
    Opened, Place, Qid, Qids, Removal, ReplyBody, RequestBody, SetAttr, StatFs, StatWant, User,
    XattrPut,
};

/// The type that [`FileSystem::statfs`] gives: that of Linux's own file system in memory.
const TMPFS_MAGIC: u32 = 0x0102_1994;
/// Bytes copied at a time while the tree is locked for a read.
const CHUNK: usize = 1 << 18;
const DEFAULT_LIMIT: u64 = 256 << 20;
/// A group that was not sent.
const NO_ID: u32 = u32::MAX;
/// The longest text of a symbolic link, as on Linux (`PATH_MAX` with its NUL).
const TARGET_MAX: usize = 4095;

/// A file system in memory. Clones are the same one.
///
/// ```
/// use virtfs_vfs::memory::MemoryFs;
/// use virtfs_vfs::{Cx, Detached, FileSystem, Make, Name, Qids, User};
///
/// let fs = MemoryFs::with_limit(1 << 20);
/// let cx = Cx::new(User { uid: 1000 }, &Detached);
/// let (root, _) = fs.attach(&cx)?;
/// fs.make(&cx, &root, Name::new(b"d")?, Make::Directory { mode: 0o755 }, 1000)?;
/// let mut qids = Qids::new();
/// fs.walk(&cx, &root, &[Name::new(b"d")?, Name::new(b"..")?], &mut qids)?;
/// assert_eq!(qids.len(), 2);
/// # Ok::<(), virtfs_vfs::Errno>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryFs {
    shared: Arc<Shared>,
}

impl MemoryFs {
    /// An empty one with a limit of 256 MiB. Its root is owned by user and group 0, mode `0755`.
    pub fn new() -> Self {
        Self::with_limit(DEFAULT_LIMIT)
    }

    /// An empty one that holds at most this many bytes: content in pages of 4 KiB, names,
    /// attributes, and what it takes to keep them. Beyond, `ENOSPC`.
    pub fn with_limit(bytes: u64) -> Self {
        let shared = Arc::new(Shared::new(Tree::new(bytes)));
        Self { shared }
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.shared.lock()
    }

    /// What a node stands for; `EBADF` if another file system made it.
    fn reached(&self, node: &Node) -> Result<(Ino, EntryId), Errno> {
        let hold: &Hold = node.get()?;
        match hold.entry {
            Some(entry) if Arc::ptr_eq(&hold.shared, &self.shared) => Ok((hold.ino, entry)),
            _ => Err(Errno::EBADF),
        }
    }

    fn ino(&self, node: &Node) -> Result<Ino, Errno> {
        self.reached(node).map(|(ino, _)| ino)
    }

    /// The open file, if it was opened for this; `EBADF` if not, or if another file system made
    /// it.
    fn opened<'a>(&self, open: &'a Open, needs: OpenFlags) -> Result<&'a OpenFile, Errno> {
        let file: &OpenFile = open.get()?;
        if !Arc::ptr_eq(&file.hold.shared, &self.shared) {
            return Err(Errno::EBADF);
        }
        if file.is_dir {
            return Err(Errno::EISDIR);
        }
        if !file.flags.contains(needs) {
            return Err(Errno::EBADF);
        }
        Ok(file)
    }

    fn node(&self, tree: &mut Tree, ino: Ino, entry: EntryId) -> Node {
        Node::new(Arc::new(Hold::new(&self.shared, tree, ino, Some(entry))))
    }

    fn open_inode(&self, tree: &mut Tree, ino: Ino, flags: OpenFlags) -> Result<Opened, Errno> {
        let changes = flags.intersects(OpenFlags::WRITE | OpenFlags::TRUNCATE);
        match tree.inode(ino)?.what {
            What::Directory(_) if changes => return Err(Errno::EISDIR),
            What::Directory(_) => {}
            What::Symlink(_) => return Err(Errno::ELOOP),
            _ if flags.contains(OpenFlags::DIRECTORY) => return Err(Errno::ENOTDIR),
            What::Special(..) => return Err(Errno::ENXIO),
            What::Regular(_) => {}
        }
        if flags.contains(OpenFlags::TRUNCATE) {
            tree.resize(ino, 0)?;
        }
        let inode = tree.inode(ino)?;
        let (qid, is_dir) = (inode.qid(ino), inode.is_dir());
        let hold = Hold::new(&self.shared, tree, ino, None);
        Ok(Opened {
            open: Open::new(Arc::new(OpenFile {
                hold,
                flags,
                is_dir,
            })),
            qid,
            blksize: PAGE as u32,
        })
    }
}

impl Default for MemoryFs {
    fn default() -> Self {
        Self::new()
    }
}

impl FileSystem for MemoryFs {
    fn attach(&self, _cx: &Cx<'_>) -> Result<(Node, Qid), Errno> {
        let mut tree = self.tree();
        let qid = tree.inode(ROOT)?.qid(ROOT);
        Ok((self.node(&mut tree, ROOT, ROOT_ENTRY), qid))
    }

    fn walk(
        &self,
        _cx: &Cx<'_>,
        start: &Node,
        names: &[Name<'_>],
        qids: &mut Qids,
    ) -> Result<Node, Errno> {
        let (mut ino, mut entry) = self.reached(start)?;
        let mut tree = self.tree();
        for &name in names {
            (ino, entry) = tree.step(ino, entry, name)?;
            qids.push(tree.inode(ino)?.qid(ino));
        }
        Ok(self.node(&mut tree, ino, entry))
    }

    fn stat(
        &self,
        _cx: &Cx<'_>,
        node: &Node,
        _open: Option<&Open>,
        want: StatWant,
    ) -> Result<Attr, Errno> {
        let ino = self.ino(node)?;
        Ok(self.tree().inode(ino)?.attr(ino, want))
    }

    /// All of the changes are made or, on an error, none.
    fn set(
        &self,
        _cx: &Cx<'_>,
        node: &Node,
        _open: Option<&Open>,
        changes: &SetAttr,
    ) -> Result<(), Errno> {
        let ino = self.ino(node)?;
        self.tree().set(ino, changes)
    }

    fn open(&self, _cx: &Cx<'_>, node: &Node, flags: OpenFlags) -> Result<Opened, Errno> {
        let ino = self.ino(node)?;
        self.open_inode(&mut self.tree(), ino, flags)
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
        let dir = self.ino(dir)?;
        if flags.contains(OpenFlags::DIRECTORY) {
            return Err(Errno::EINVAL);
        }
        let mut tree = self.tree();
        let (ino, entry, flags) = match tree.check_vacant(dir, name) {
            Ok(()) => {
                let (uid, gid) = owner(cx.user, gid);
                let new = |_| New::file(mode, uid, gid);
                let (ino, entry) = tree.add(dir, name.as_bytes(), new)?;
                (ino, entry, flags & !OpenFlags::TRUNCATE)
            }
            Err(Errno::EEXIST) if !flags.contains(OpenFlags::EXCLUSIVE) => {
                let entry = tree.find(dir, name)?;
                let ino = tree.entry(entry)?.target;
                if tree.inode(ino)?.is_dir() {
                    return Err(Errno::EISDIR);
                }
                (ino, entry, flags)
            }
            Err(error) => return Err(error),
        };
        let opened = self.open_inode(&mut tree, ino, flags)?;
        Ok((self.node(&mut tree, ino, entry), opened))
    }

    fn make(
        &self,
        cx: &Cx<'_>,
        dir: &Node,
        name: Name<'_>,
        what: Make<'_>,
        gid: u32,
    ) -> Result<Qid, Errno> {
        let dir = self.ino(dir)?;
        let (uid, gid) = owner(cx.user, gid);
        check_make(what)?;
        let mut tree = self.tree();
        tree.check_vacant(dir, name)?;
        let new = |entry| {
            let (what, mode) = match what {
                Make::Directory { mode } => (What::Directory(Directory::new(entry)), mode),
                Make::Symlink { target } => (What::Symlink(target.into()), 0o777),
                Make::Node { kind, mode, device } => match kind {
                    FileKind::CharDevice | FileKind::BlockDevice => {
                        (What::Special(kind, device), mode)
                    }
                    FileKind::Regular => return New::file(mode, uid, gid),
                    _ => (What::Special(kind, Default::default()), mode),
                },
            };
            New {
                what,
                mode,
                uid,
                gid,
            }
        };
        let (ino, _) = tree.add(dir, name.as_bytes(), new)?;
        Ok(tree.inode(ino)?.qid(ino))
    }

    fn link(&self, _cx: &Cx<'_>, node: &Node, dir: &Node, name: Name<'_>) -> Result<(), Errno> {
        let (ino, dir) = (self.ino(node)?, self.ino(dir)?);
        self.tree().link(ino, dir, name)
    }

    fn rename(
        &self,
        _cx: &Cx<'_>,
        from: Place<'_>,
        to_dir: &Node,
        to_name: Name<'_>,
    ) -> Result<(), Errno> {
        let to_dir = self.ino(to_dir)?;
        let mut tree = self.tree();
        let entry = tree.entry_at(from, |node| self.reached(node))?;
        tree.rename(entry, to_dir, to_name)
    }

    fn remove(&self, _cx: &Cx<'_>, what: Place<'_>, kind: Removal) -> Result<(), Errno> {
        let mut tree = self.tree();
        let entry = tree.entry_at(what, |node| self.reached(node))?;
        tree.remove(entry, kind)
    }

    fn read(
        &self,
        _cx: &Cx<'_>,
        open: &Open,
        offset: u64,
        reply: &mut dyn ReplyBody,
    ) -> Result<(), Errno> {
        let file = self.opened(open, OpenFlags::READ)?;
        let keep_atime = file.flags.contains(OpenFlags::NOATIME);
        let mut at = offset;
        while reply.room() > 0 {
            let count = reply.room().min(CHUNK);
            // In a statement of its own, so that the tree is free when the bytes are put.
            let bytes = self.tree().read(file.hold.ino, at, count, keep_atime)?;
            let put = reply.put(&bytes);
            if put == 0 || bytes.len() < count {
                break;
            }
            at = at.saturating_add(put as u64);
        }
        Ok(())
    }

    fn write(
        &self,
        _cx: &Cx<'_>,
        open: &Open,
        offset: u64,
        body: &mut dyn RequestBody,
    ) -> Result<usize, Errno> {
        let file = self.opened(open, OpenFlags::WRITE)?;
        // All at once, so that what two writers append is never mixed.
        let mut bytes = vec![0; body.remaining()];
        let taken = body.take(&mut bytes);
        bytes.truncate(taken);
        let at = (!file.flags.contains(OpenFlags::APPEND)).then_some(offset);
        self.tree().write(file.hold.ino, at, &bytes)
    }

    fn list(
        &self,
        _cx: &Cx<'_>,
        open: &Open,
        cookie: u64,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<(), Errno> {
        let file: &OpenFile = open.get()?;
        if !Arc::ptr_eq(&file.hold.shared, &self.shared) {
            return Err(Errno::EBADF);
        }
        let mut behind = cookie;
        loop {
            let batch = self.tree().list(file.hold.ino, behind)?;
            let Some(last) = batch.last() else {
                return Ok(());
            };
            behind = last.next;
            if !batch.iter().all(|entry| take(&entry.as_entry())) {
                return Ok(());
            }
        }
    }

    fn sync(&self, _cx: &Cx<'_>, open: &Open, _data_only: bool) -> Result<(), Errno> {
        let file: &OpenFile = open.get()?;
        if Arc::ptr_eq(&file.hold.shared, &self.shared) {
            Ok(())
        } else {
            Err(Errno::EBADF)
        }
    }

    /// Whole files alone for directories, and for nothing but them.
    fn lock_file(
        &self,
        _cx: &Cx<'_>,
        node: &Node,
        _open: &Open,
    ) -> Result<Box<dyn LockFile>, Errno> {
        let ino = self.ino(node)?;
        let mut tree = self.tree();
        let whole_file_only = tree.inode(ino)?.is_dir();
        let id = tree.new_owner();
        let hold = Hold::new(&self.shared, &mut tree, ino, None);
        Ok(Box::new(Owner {
            hold,
            id,
            whole_file_only,
        }))
    }

    fn statfs(&self, _cx: &Cx<'_>, node: &Node) -> Result<StatFs, Errno> {
        self.ino(node)?;
        let tree = self.tree();
        let free = tree.budget.free();
        Ok(StatFs {
            kind: TMPFS_MAGIC,
            bsize: PAGE as u32,
            blocks: tree.budget.limit() / PAGE as u64,
            bfree: free / PAGE as u64,
            bavail: free / PAGE as u64,
            files: tree.len() + free / INODE,
            ffree: free / INODE,
            fsid: 0,
            namelen: 255,
        })
    }

    fn readlink(&self, _cx: &Cx<'_>, node: &Node) -> Result<Vec<u8>, Errno> {
        let ino = self.ino(node)?;
        match &self.tree().inode(ino)?.what {
            What::Symlink(target) => Ok(target.to_vec()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn xattr(
        &self,
        _cx: &Cx<'_>,
        node: &Node,
        _open: Option<&Open>,
        name: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, Errno> {
        let ino = self.ino(node)?;
        self.tree().xattr(ino, name, limit)
    }

    fn xattr_list(
        &self,
        _cx: &Cx<'_>,
        node: &Node,
        _open: Option<&Open>,
        limit: usize,
    ) -> Result<Vec<u8>, Errno> {
        let ino = self.ino(node)?;
        self.tree().xattr_list(ino, limit)
    }

    fn xattr_put(
        &self,
        _cx: &Cx<'_>,
        node: &Node,
        _open: Option<&Open>,
        name: &[u8],
        value: &[u8],
        how: XattrPut,
    ) -> Result<(), Errno> {
        let ino = self.ino(node)?;
        self.tree().xattr_put(ino, name, value, how)
    }

    fn xattr_remove(
        &self,
        _cx: &Cx<'_>,
        node: &Node,
        _open: Option<&Open>,
        name: &[u8],
    ) -> Result<(), Errno> {
        let ino = self.ino(node)?;
        self.tree().xattr_remove(ino, name)
    }
}

/// What a new file is owned by: 0 for whom nobody named.
fn owner(user: User, gid: u32) -> (u32, u32) {
    let named = |id| if id == NO_ID { 0 } else { id };
    (named(user.uid), named(gid))
}

fn check_make(what: Make<'_>) -> Result<(), Errno> {
    match what {
        Make::Symlink { target: b"" } => Err(Errno::ENOENT),
        Make::Symlink { target } if target.len() > TARGET_MAX => Err(Errno::ENAMETOOLONG),
        Make::Symlink { target } if target.contains(&0) => Err(Errno::EINVAL),
        Make::Node {
            kind: FileKind::Directory | FileKind::Symlink,
            ..
        } => Err(Errno::EINVAL),
        _ => Ok(()),
    }
}
