//! The trait over the tree.

use std::sync::Arc;

use super::File;
use super::tree::{Content, ROOT, Synth};
use crate::{
    Attr, Cx, Device, DirEntry, Errno, FileKind, FileSystem, Make, Name, Node, Open, OpenFlags,
    Opened, Place, Qid, Qids, Removal, ReplyBody, RequestBody, SetAttr, StatFs, StatWant, Time,
    XattrPut,
};

/// The type that [`FileSystem::statfs`] gives, QEMU's number for it.
const KIND: u32 = 0xabcd;
const BLOCK: u32 = 512;

/// What an [`Open`] holds.
struct OpenFile {
    owner: Arc<()>,
    inode: usize,
    flags: OpenFlags,
}

impl Synth {
    fn opened<'a>(&'a self, open: &'a Open) -> Result<(&'a Content, &'a OpenFile), Errno> {
        let file: &OpenFile = open.get()?;
        if !Arc::ptr_eq(&file.owner, self.owner()) {
            return Err(Errno::EBADF);
        }
        Ok((&self.inode(file.inode)?.content, file))
    }

    fn open_file<'a>(&'a self, open: &'a Open, needs: OpenFlags) -> Result<&'a File, Errno> {
        match self.opened(open)? {
            (Content::Directory(_), _) => Err(Errno::EISDIR),
            (Content::File(_), how) if !how.flags.contains(needs) => Err(Errno::EBADF),
            (Content::File(file), _) => Ok(file),
        }
    }

    fn dir_id(&self, node: &Node) -> Result<usize, Errno> {
        let id = self.id(node)?;
        match self.inode(id)?.content {
            Content::Directory(_) => Ok(id),
            Content::File(_) => Err(Errno::ENOTDIR),
        }
    }

    fn step(&self, from: usize, name: Name<'_>) -> Result<usize, Errno> {
        let inode = self.inode(from)?;
        if inode.kind() != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        if name.is_dot() {
            return Ok(from);
        }
        if name.is_dotdot() {
            return Ok(inode.parent);
        }
        self.find(from, name.as_bytes()).ok_or(Errno::ENOENT)
    }
}

impl FileSystem for Synth {
    fn attach(&self, _cx: &Cx<'_>) -> Result<(Node, Qid), Errno> {
        let root = self.inode(ROOT)?;
        Ok((root.node.clone(), root.qid(ROOT)))
    }

    fn walk(
        &self,
        _cx: &Cx<'_>,
        start: &Node,
        names: &[Name<'_>],
        qids: &mut Qids,
    ) -> Result<Node, Errno> {
        let mut at = self.id(start)?;
        for &name in names {
            at = self.step(at, name)?;
            qids.push(self.inode(at)?.qid(at));
        }
        Ok(self.inode(at)?.node.clone())
    }

    fn stat(
        &self,
        _cx: &Cx<'_>,
        node: &Node,
        _open: Option<&Open>,
        _want: StatWant,
    ) -> Result<Attr, Errno> {
        let id = self.id(node)?;
        let inode = self.inode(id)?;
        let (mode, nlink, size) = match &inode.content {
            Content::Directory(_) => (FileKind::Directory.mode_bits() | 0o555, 2, 0),
            Content::File(file) => (file.mode(), 1, file.size()),
        };
        Ok(Attr {
            qid: inode.qid(id),
            mode,
            uid: 0,
            gid: 0,
            nlink,
            rdev: Device::default(),
            size,
            blksize: BLOCK,
            blocks: 0,
            atime: Time::default(),
            mtime: Time::default(),
            ctime: Time::default(),
            btime: None,
            generation: None,
        })
    }

    /// Times are accepted and forgotten, and so is a cut to nothing of a file that can be written
    /// (what opening with `O_TRUNC` comes to on Linux); mode and owner answer `EPERM`, any other
    /// length `ENOSYS`.
    fn set(
        &self,
        _cx: &Cx<'_>,
        node: &Node,
        _open: Option<&Open>,
        changes: &SetAttr,
    ) -> Result<(), Errno> {
        let inode = self.inode(self.id(node)?)?;
        if changes.mode.is_some() || changes.uid.is_some() || changes.gid.is_some() {
            return Err(Errno::EPERM);
        }
        match (changes.size, &inode.content) {
            (None, _) => Ok(()),
            (Some(_), Content::Directory(_)) => Err(Errno::EISDIR),
            (Some(0), Content::File(file)) if file.on_write().is_some() => Ok(()),
            (Some(_), Content::File(_)) => Err(Errno::ENOSYS),
        }
    }

    fn open(&self, _cx: &Cx<'_>, node: &Node, flags: OpenFlags) -> Result<Opened, Errno> {
        let id = self.id(node)?;
        let inode = self.inode(id)?;
        let changes = flags.intersects(OpenFlags::WRITE | OpenFlags::TRUNCATE);
        match &inode.content {
            Content::Directory(_) if changes => return Err(Errno::EISDIR),
            Content::Directory(_) => {}
            Content::File(_) if flags.contains(OpenFlags::DIRECTORY) => {
                return Err(Errno::ENOTDIR);
            }
            Content::File(file) => {
                let unreadable = flags.contains(OpenFlags::READ) && file.on_read().is_none();
                if unreadable || changes && file.on_write().is_none() {
                    return Err(Errno::EACCES);
                }
            }
        }
        Ok(Opened {
            open: Open::new(Arc::new(OpenFile {
                owner: Arc::clone(self.owner()),
                inode: id,
                flags,
            })),
            qid: inode.qid(id),
            blksize: BLOCK,
        })
    }

    /// Opens what exists; what does not, cannot be made: `ENOSYS`.
    fn create(
        &self,
        cx: &Cx<'_>,
        dir: &Node,
        name: Name<'_>,
        flags: OpenFlags,
        _mode: u32,
        _gid: u32,
    ) -> Result<(Node, Opened), Errno> {
        let dir = self.dir_id(dir)?;
        let Some(id) = self.find(dir, name.as_bytes()) else {
            return Err(Errno::ENOSYS);
        };
        if flags.contains(OpenFlags::EXCLUSIVE) {
            return Err(Errno::EEXIST);
        }
        let inode = self.inode(id)?;
        if inode.kind() == FileKind::Directory {
            return Err(Errno::EISDIR);
        }
        let opened = self.open(cx, &inode.node, flags)?;
        Ok((inode.node.clone(), opened))
    }

    fn make(
        &self,
        _cx: &Cx<'_>,
        dir: &Node,
        _name: Name<'_>,
        _what: Make<'_>,
        _gid: u32,
    ) -> Result<Qid, Errno> {
        self.dir_id(dir)?;
        Err(Errno::EPERM)
    }

    fn link(&self, _cx: &Cx<'_>, node: &Node, dir: &Node, _name: Name<'_>) -> Result<(), Errno> {
        self.id(node)?;
        self.dir_id(dir)?;
        Err(Errno::EPERM)
    }

    /// `EPERM` for an entry by its name (`Tunlinkat`), `EOPNOTSUPP` by its node (`Tremove`), as
    /// QEMU has it.
    fn remove(&self, _cx: &Cx<'_>, what: Place<'_>, _kind: Removal) -> Result<(), Errno> {
        match what {
            Place::Entry(dir, _) => self.dir_id(dir).and(Err(Errno::EPERM)),
            Place::Node(node) => self.id(node).and(Err(Errno::EOPNOTSUPP)),
        }
    }

    fn read(
        &self,
        cx: &Cx<'_>,
        open: &Open,
        offset: u64,
        reply: &mut dyn ReplyBody,
    ) -> Result<(), Errno> {
        let file = self.open_file(open, OpenFlags::READ)?;
        let read = file.on_read().ok_or(Errno::EBADF)?;
        let room = reply.room();
        match read(cx, offset, reply) {
            Err(_) if reply.room() < room => Ok(()),
            answer => answer,
        }
    }

    fn write(
        &self,
        cx: &Cx<'_>,
        open: &Open,
        offset: u64,
        body: &mut dyn RequestBody,
    ) -> Result<usize, Errno> {
        let file = self.open_file(open, OpenFlags::WRITE)?;
        let write = file.on_write().ok_or(Errno::EBADF)?;
        write(cx, offset, body)
    }

    fn list(
        &self,
        _cx: &Cx<'_>,
        open: &Open,
        cookie: u64,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<(), Errno> {
        let (Content::Directory(children), file) = self.opened(open)? else {
            return Err(Errno::ENOTDIR);
        };
        let parent = self.inode(file.inode)?.parent;
        let dots = [(file.inode, &b"."[..]), (parent, &b".."[..])];
        let named = children.iter().map(|&child| (child, &b""[..]));
        let Ok(done) = usize::try_from(cookie) else {
            return Ok(());
        };
        for (at, (id, dot)) in dots.into_iter().chain(named).enumerate().skip(done) {
            let inode = self.inode(id)?;
            let entry = DirEntry {
                qid: inode.qid(id),
                next: at as u64 + 1,
                kind: inode.kind().dirent_type(),
                name: if dot.is_empty() { &inode.name } else { dot },
            };
            if !take(&entry) {
                break;
            }
        }
        Ok(())
    }

    fn sync(&self, _cx: &Cx<'_>, open: &Open, _data_only: bool) -> Result<(), Errno> {
        self.opened(open).map(drop)
    }

    fn statfs(&self, _cx: &Cx<'_>, node: &Node) -> Result<StatFs, Errno> {
        self.id(node)?;
        Ok(StatFs {
            kind: KIND,
            bsize: BLOCK,
            files: self.len() as u64,
            namelen: 255,
            ..StatFs::default()
        })
    }

    /// `EINVAL`: there are no symbolic links.
    fn readlink(&self, _cx: &Cx<'_>, node: &Node) -> Result<Vec<u8>, Errno> {
        self.id(node).and(Err(Errno::EINVAL))
    }

    /// Accepted and forgotten.
    fn xattr_put(
        &self,
        _cx: &Cx<'_>,
        node: &Node,
        _open: Option<&Open>,
        _name: &[u8],
        _value: &[u8],
        _how: XattrPut,
    ) -> Result<(), Errno> {
        self.id(node).map(drop)
    }

    /// Accepted and forgotten.
    fn xattr_remove(
        &self,
        _cx: &Cx<'_>,
        node: &Node,
        _open: Option<&Open>,
        _name: &[u8],
    ) -> Result<(), Errno> {
        self.id(node).map(drop)
    }
}
