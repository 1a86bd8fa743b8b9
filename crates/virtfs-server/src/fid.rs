//! What a fid stands for.
//!
//! A fid's state never changes in place: a message that changes the fid binds its number to a
//! new state. A request that came before keeps the state it was sent for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use virtfs_vfs::{Errno, Node, Open, XattrPut};

use crate::budget::Permit;
use crate::export::Export;
use crate::locks::{InodeKey, LockTable};
use crate::users::Caller;

/// The state of a fid.
pub(crate) struct Fid {
    pub(crate) export: Arc<Export>,
    pub(crate) caller: Caller,
    pub(crate) kind: FidKind,
}

/// What can be done with a fid; confusion of kinds cannot be expressed. Nearly all fids are only
/// walked to, and there may be a million: what the others have more is kept apart.
pub(crate) enum FidKind {
    /// Attached or walked to, not open. `root`: where the client attached, reached by no name.
    Walked { node: Node, root: bool },
    /// An open regular file or directory.
    Open(Box<OpenFid>),
    /// The value, or the names, of extended attributes, as they were at `Txattrwalk`.
    XattrRead(Box<XattrRead>),
    /// An extended attribute that `Tclunk` will set.
    XattrWrite(Box<XattrWrite>),
}

pub(crate) struct OpenFid {
    pub(crate) node: Node,
    pub(crate) open: Open,
    pub(crate) directory: bool,
    pub(crate) access: Access,
    /// What identifies the file, for the lock table.
    pub(crate) path: u64,
    /// Names this open file in lock records.
    pub(crate) id: OpenId,
    /// Whether a lock was ever asked for through this fid.
    pub(crate) locked: AtomicBool,
    /// No lock can be had through this fid any more: it is given up.
    pub(crate) unlockable: AtomicBool,
    pub(crate) locks: Arc<LockTable>,
    pub(crate) export: usize,
    pub(crate) _permit: Permit,
}

/// What may be moved through an open file, whatever permission it was opened with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Access {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Drop for OpenFid {
    /// A fid that ends with its session, or by a `Tversion`, leaves no lock behind either.
    fn drop(&mut self) {
        if *self.locked.get_mut() {
            let inode = InodeKey {
                export: self.export,
                path: self.path,
            };
            self.locks.release_open(inode, self.id);
        }
    }
}

pub(crate) struct XattrRead {
    pub(crate) value: Vec<u8>,
    pub(crate) _permit: Permit,
}

pub(crate) struct XattrWrite {
    pub(crate) node: Node,
    pub(crate) name: Box<[u8]>,
    pub(crate) size: usize,
    pub(crate) how: XattrPut,
    pub(crate) value: Mutex<Vec<u8>>,
    pub(crate) _permit: Permit,
}

/// A number that no other open file of this process has had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OpenId(u64);

impl OpenId {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Fid {
    /// The node of a fid that was walked to or opened; `EBADF` for extended attributes.
    pub(crate) fn node(&self) -> Result<&Node, Errno> {
        match &self.kind {
            FidKind::Walked { node, .. } => Ok(node),
            FidKind::Open(open) => Ok(&open.node),
            FidKind::XattrRead(_) | FidKind::XattrWrite(_) => Err(Errno::EBADF),
        }
    }

    /// The node of a fid that is not open; `EINVAL` otherwise.
    pub(crate) fn unopened(&self) -> Result<&Node, Errno> {
        match &self.kind {
            FidKind::Walked { node, .. } => Ok(node),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Whether this is where the client attached, or a clone of it.
    pub(crate) fn is_root(&self) -> bool {
        matches!(self.kind, FidKind::Walked { root: true, .. })
    }

    /// The open file; `EBADF` if there is none.
    pub(crate) fn opened(&self) -> Result<&OpenFid, Errno> {
        match &self.kind {
            FidKind::Open(open) => Ok(open),
            _ => Err(Errno::EBADF),
        }
    }

    /// The open file beside a node, where there is one.
    pub(crate) fn open(&self) -> Option<&Open> {
        match &self.kind {
            FidKind::Open(open) => Some(&open.open),
            _ => None,
        }
    }
}
