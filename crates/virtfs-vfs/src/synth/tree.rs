//! The tree, and how it is built.

use std::fmt;
use std::sync::Arc;

use super::File;
use crate::{Errno, FileKind, Name, Node, Qid};

/// A file system made by code. Built first, then served unchanged.
///
/// ```
/// use virtfs_vfs::synth::{File, Synth};
///
/// let fs = Synth::new()
///     .dir("empty")
///     .file("etc/motd", File::bytes("hello\n"))
///     .file("etc/uptime", File::text(|| format!("{}\n", 42)));
/// ```
pub struct Synth {
    owner: Arc<()>,
    inodes: Vec<Inode>,
}

/// A file or directory; its place in the table is its identity.
pub(super) struct Inode {
    pub(super) name: Vec<u8>,
    /// The root's is the root.
    pub(super) parent: usize,
    pub(super) content: Content,
    /// Made once, cloned for every walk.
    pub(super) node: Node,
}

pub(super) enum Content {
    /// The children, sorted by name.
    Directory(Vec<usize>),
    File(File),
}

/// What a [`Node`] holds.
struct Reached {
    owner: Arc<()>,
    inode: usize,
}

pub(super) const ROOT: usize = 0;

impl Synth {
    /// An empty root directory.
    pub fn new() -> Self {
        let mut synth = Self {
            owner: Arc::new(()),
            inodes: Vec::new(),
        };
        synth.push(Vec::new(), ROOT, Content::Directory(Vec::new()));
        synth
    }

    /// Adds a directory, with those above it that are missing; no matter if it exists.
    ///
    /// # Panics
    ///
    /// If a component of the path, which is relative to the root, cannot be a name, or if the
    /// path leads through a file.
    #[must_use]
    pub fn dir(mut self, path: impl AsRef<[u8]>) -> Self {
        self.directory(path.as_ref());
        self
    }

    /// Adds a file, with the directories above it that are missing.
    ///
    /// # Panics
    ///
    /// If a component of the path, which is relative to the root, cannot be a name, if the path
    /// leads through a file, or if it exists.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<[u8]>, file: File) -> Self {
        let path = path.as_ref();
        let (parent, name) = match path.iter().rposition(|&b| b == b'/') {
            Some(slash) => (self.directory(&path[..slash]), &path[slash + 1..]),
            None => (ROOT, path),
        };
        let shown = path.escape_ascii();
        assert!(self.find(parent, name).is_none(), "{shown} exists");
        self.add(parent, name, Content::File(file));
        self
    }

    fn directory(&mut self, path: &[u8]) -> usize {
        path.split(|&b| b == b'/')
            .fold(ROOT, |parent, name| match self.find(parent, name) {
                Some(inode) => inode,
                None => self.add(parent, name, Content::Directory(Vec::new())),
            })
    }

    fn add(&mut self, parent: usize, name: &[u8], content: Content) -> usize {
        let is_name = Name::new(name).is_ok_and(Name::is_entry);
        assert!(is_name, "`{}` is not a name", name.escape_ascii());
        let inode = self.push(name.to_vec(), parent, content);
        let at = match &self.inodes[parent].content {
            Content::Directory(children) => {
                children.partition_point(|&child| self.inodes[child].name.as_slice() < name)
            }
            Content::File(_) => panic!("`{}` would be in a file", name.escape_ascii()),
        };
        if let Content::Directory(children) = &mut self.inodes[parent].content {
            children.insert(at, inode);
        }
        inode
    }

    fn push(&mut self, name: Vec<u8>, parent: usize, content: Content) -> usize {
        let inode = self.inodes.len();
        let owner = Arc::clone(&self.owner);
        self.inodes.push(Inode {
            name,
            parent,
            content,
            node: Node::new(Arc::new(Reached { owner, inode })),
        });
        inode
    }

    /// The child of this name, if `parent` is a directory that has it.
    pub(super) fn find(&self, parent: usize, name: &[u8]) -> Option<usize> {
        let Content::Directory(children) = &self.inodes.get(parent)?.content else {
            return None;
        };
        let at = children
            .binary_search_by(|&child| self.inodes[child].name.as_slice().cmp(name))
            .ok()?;
        children.get(at).copied()
    }

    /// The identity of a node; `EBADF` if another file system made it.
    pub(super) fn id(&self, node: &Node) -> Result<usize, Errno> {
        let reached: &Reached = node.get()?;
        if Arc::ptr_eq(&reached.owner, &self.owner) {
            Ok(reached.inode)
        } else {
            Err(Errno::EBADF)
        }
    }

    pub(super) fn owner(&self) -> &Arc<()> {
        &self.owner
    }

    pub(super) fn inode(&self, id: usize) -> Result<&Inode, Errno> {
        self.inodes.get(id).ok_or(Errno::EBADF)
    }

    pub(super) fn len(&self) -> usize {
        self.inodes.len()
    }
}

impl Inode {
    pub(super) fn kind(&self) -> FileKind {
        match self.content {
            Content::Directory(_) => FileKind::Directory,
            Content::File(_) => FileKind::Regular,
        }
    }

    pub(super) fn qid(&self, id: usize) -> Qid {
        Qid {
            kind: Some(self.kind()),
            version: 0,
            path: id as u64 + 1,
        }
    }
}

impl Default for Synth {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Synth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Synth")
            .field("inodes", &self.inodes.len())
            .finish()
    }
}
