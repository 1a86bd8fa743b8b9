//! What a case runs on.

use std::any::Any;
use std::fmt;

use bitflags::bitflags;

use crate::{Cx, Detached, FileSystem, Node, Qid, StatWant, User};

bitflags! {
    /// What a file system has beyond what every case asks for. A case that needs more is left
    /// out, and says so.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Has: u32 {
        /// Character and block devices can be made.
        const DEVICE_NODES = 0x1;
        /// Files are made for the calling user and the given group, and can be given away.
        const OWNERS = 0x2;
        /// Byte-range locks.
        const LOCKS = 0x4;
        /// Extended attributes of the `user.` namespace.
        const XATTRS = 0x8;
        /// `system.posix_acl_access` and `system.posix_acl_default`.
        const ACLS = 0x10;
        /// Birth times.
        const BIRTH_TIME = 0x20;
        /// Generations.
        const GENERATION = 0x40;
        /// Permission bits are kept, setuid, setgid and sticky among them.
        const MODES = 0x80;
        /// Sockets can be made.
        const SOCKETS = 0x100;
    }
}

/// A fresh file system, empty and writable, and what it has.
pub struct Fixture {
    root: Node,
    root_qid: Qid,
    gid: u32,
    fs: Box<dyn FileSystem>,
    has: Has,
    exceptions: Vec<(&'static str, &'static str)>,
    _kept: Vec<Box<dyn Any + Send + Sync>>,
}

impl Fixture {
    /// Prepares the calling thread ([`FileSystem::prepare_thread`]) and attaches.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn new(fs: impl FileSystem, has: Has) -> Self {
        fs.prepare_thread();
        let cx = Cx::new(User::NOBODY, &Detached);
        let (root, root_qid) = fs.attach(&cx).expect("attach");
        let attr = fs.stat(&cx, &root, None, StatWant::empty());
        Self {
            root,
            root_qid,
            gid: attr.expect("stat of the root").gid,
            fs: Box::new(fs),
            has,
            exceptions: Vec::new(),
            _kept: Vec::new(),
        }
    }

    /// Keeps something for as long as the file system: a temporary directory.
    #[must_use]
    pub fn keeping(mut self, what: impl Any + Send + Sync) -> Self {
        self._kept.push(Box::new(what));
        self
    }

    /// Leaves a case out, for this reason.
    #[must_use]
    pub fn except(mut self, case: &'static str, reason: &'static str) -> Self {
        self.exceptions.push((case, reason));
        self
    }

    /// The file system.
    pub fn fs(&self) -> &dyn FileSystem {
        &*self.fs
    }

    /// Its root.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The root's qid, as the attach gave it.
    pub fn root_qid(&self) -> Qid {
        self.root_qid
    }

    /// The group that new files are given: the root's.
    pub(super) fn gid(&self) -> u32 {
        self.gid
    }

    /// Nobody's call, so that new files keep the server's own owner.
    pub(super) fn cx(&self) -> Cx<'static> {
        Cx::new(User::NOBODY, &Detached)
    }

    /// Whether a case can run; says so if not.
    pub(super) fn has(&self, what: Has) -> bool {
        let missing = what.difference(self.has);
        if !missing.is_empty() {
            eprintln!("left out in part or whole: needs {missing:?}");
        }
        missing.is_empty()
    }

    pub(super) fn exception(&self, case: &str) -> Option<&'static str> {
        let found = self.exceptions.iter().find(|(name, _)| *name == case);
        found.map(|(_, reason)| *reason)
    }

    pub(super) fn exceptions(&self) -> impl Iterator<Item = &'static str> {
        self.exceptions.iter().map(|(name, _)| *name)
    }
}

impl fmt::Debug for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixture").field("has", &self.has).finish()
    }
}
