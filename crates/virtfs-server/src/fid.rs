//! What a fid stands for.
//!
//! A fid's state never changes in place: a message that changes the fid binds its number to a
//! new state. A request that came before keeps the state it was sent for.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use virtfs_vfs::{Errno, Node, Open, XattrPut};

use crate::budget::Permit;
use crate::export::Export;
use crate::locks::{LockTable, Through};
use crate::users::Caller;

/// The state of a fid.
pub(crate) struct Fid {
    attach: Arc<Attach>,
    state: State,
}

/// What all fids have in common that began with one attach.
pub(crate) struct Attach {
    pub(crate) export: Arc<Export>,
    pub(crate) caller: Caller,
}

/// Nearly all fids are only walked to, and there may be a million, so that is all they hold.
enum State {
    Walked(Node),
    Other(Box<FidKind>),
}

/// What can be done with a fid; confusion of kinds cannot be expressed.
pub(crate) enum FidKind {
    /// Walked to by a name, not open.
    Walked(Node),
    /// The same of where the client attached, reached by no name.
    Root(Node),
    /// An open regular file or directory.
    Open(OpenFid),
    /// The value, or the names, of extended attributes, as they were at `Txattrwalk`.
    XattrRead(XattrRead),
    /// An extended attribute that `Tclunk` will set.
    XattrWrite(XattrWrite),
}

/// A [`FidKind`] as it is looked at.
pub(crate) enum Kind<'f> {
    /// Of the root too.
    Walked(&'f Node),
    Open(&'f OpenFid),
    XattrRead(&'f XattrRead),
    XattrWrite(&'f XattrWrite),
}

pub(crate) struct OpenFid {
    pub(crate) node: Node,
    pub(crate) open: Open,
    pub(crate) directory: bool,
    pub(crate) access: Access,
    /// What locks are asked for through.
    pub(crate) through: Through,
    pub(crate) locks: Arc<LockTable>,
    /// As an open file, and as an open directory.
    pub(crate) _permits: (Permit, Option<Permit>),
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
        self.locks.end(&self.through);
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

impl Fid {
    /// The fid of an attach.
    pub(crate) fn root(export: Arc<Export>, caller: Caller, node: Node) -> Self {
        Self {
            attach: Arc::new(Attach { export, caller }),
            state: State::Other(Box::new(FidKind::Root(node))),
        }
    }

    /// One that began with the same attach.
    pub(crate) fn another(&self, kind: FidKind) -> Self {
        Self {
            attach: self.attach.clone(),
            state: match kind {
                FidKind::Walked(node) => State::Walked(node),
                other => State::Other(Box::new(other)),
            },
        }
    }

    /// What can be done with it.
    pub(crate) fn kind(&self) -> Kind<'_> {
        match &self.state {
            State::Walked(node) => Kind::Walked(node),
            State::Other(kind) => match &**kind {
                FidKind::Walked(node) | FidKind::Root(node) => Kind::Walked(node),
                FidKind::Open(open) => Kind::Open(open),
                FidKind::XattrRead(xattr) => Kind::XattrRead(xattr),
                FidKind::XattrWrite(xattr) => Kind::XattrWrite(xattr),
            },
        }
    }

    /// The node of a fid that was walked to or opened; `EBADF` for extended attributes.
    pub(crate) fn node(&self) -> Result<&Node, Errno> {
        match self.kind() {
            Kind::Walked(node) => Ok(node),
            Kind::Open(open) => Ok(&open.node),
            Kind::XattrRead(_) | Kind::XattrWrite(_) => Err(Errno::EBADF),
        }
    }

    /// The node of a fid that is not open; `EINVAL` otherwise.
    pub(crate) fn unopened(&self) -> Result<&Node, Errno> {
        match self.kind() {
            Kind::Walked(node) => Ok(node),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Whether this is where the client attached, or a clone of it.
    pub(crate) fn is_root(&self) -> bool {
        matches!(&self.state, State::Other(kind) if matches!(**kind, FidKind::Root(_)))
    }

    /// The open file; `EBADF` if there is none.
    pub(crate) fn opened(&self) -> Result<&OpenFid, Errno> {
        match self.kind() {
            Kind::Open(open) => Ok(open),
            _ => Err(Errno::EBADF),
        }
    }

    /// The open file beside a node, where there is one.
    pub(crate) fn open(&self) -> Option<&Open> {
        match self.kind() {
            Kind::Open(open) => Some(&open.open),
            _ => None,
        }
    }
}

impl Deref for Fid {
    type Target = Attach;

    fn deref(&self) -> &Attach {
        &self.attach
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fid_that_is_walked_to_holds_nothing_more() {
        assert_eq!(size_of::<Fid>(), 24);
    }
}
