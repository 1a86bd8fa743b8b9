//! Ownership models: what a client's owners, modes, kinds of files and attributes are on the
//! host. One file, or folder, each.

pub(crate) mod mapped;
pub(crate) mod mapped_file;
pub(crate) mod mapped_xattr;
mod real;
mod xattr_rules;

use std::fmt::Debug;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, Gid, Statx, StatxFlags, Uid, chownat};
use rustix::io;
use rustix::thread::{CapabilitySet, capabilities};
use virtfs_vfs::{Cx, Device, Errno, FileKind};

use crate::ops::stat::Subject;
use crate::options::{Options, SecurityModel};
use crate::tree::{LocalNode, Tree};
use crate::xattrs::Holder;

pub(crate) use mapped::Memory;
pub(crate) use xattr_rules::{ACLS, Acls, HostName, XattrRules};

/// What the models differ in. Where a method says nothing else, its default is what the host
/// itself does.
pub(crate) trait Ownership: Send + Sync + Debug {
    /// Whether the file system of the root, whose `O_PATH` descriptor this is, can hold what the
    /// model stores.
    fn check(&self, _cx: &Cx<'_>, _root: &Holder<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Which extended attributes clients have.
    fn xattrs(&self) -> &XattrRules;

    /// Turns an ACL of the host's into the client's.
    fn acl_to_guest(&self, _acl: &mut [u8]) {}

    /// Turns an ACL of the client's into the host's.
    fn acl_to_host(&self, _acl: &mut [u8]) -> Result<(), Errno> {
        Ok(())
    }

    /// Whether a name is the server's own: clients neither see nor use it.
    fn is_reserved(&self, _name: &[u8]) -> bool {
        false
    }

    /// Whether a file is on the host of the kind that it is to clients.
    fn keeps_kinds(&self) -> bool {
        true
    }

    /// The permission bits with which the host's file is made.
    fn host_mode(&self, _kind: FileKind, mode: u32) -> u32 {
        mode & 0o7777
    }

    /// Gives a file that was just made its owner, mode and kind. Nothing of it stays after a
    /// failure but the file.
    fn created(&self, cx: &Cx<'_>, new: &New<'_>) -> Result<(), Errno>;

    /// What is to be remembered of a file that was just made.
    fn made(&self, kind: FileKind, _mode: u32) -> Memory {
        Memory::of(kind)
    }

    /// Told after a file that was made is removed again, since a later step failed.
    fn abandoned(&self, _cx: &Cx<'_>, _at: &Spot<'_>) {}

    /// The kind of a file that is seen for the first time, and what is to be remembered of it.
    fn meet(&self, _cx: &Cx<'_>, _file: &Met<'_>, host: FileKind) -> Result<Memory, Errno> {
        Ok(Memory::of(host))
    }

    /// The attributes of a file, as the host has them and as the client gets them.
    fn stat(&self, cx: &Cx<'_>, file: &File<'_>, want: StatxFlags)
    -> Result<(Statx, Owned), Errno>;

    /// Changes owner, group and permission bits. A change of owner takes setuid and setgid bits
    /// away, unless new ones are given.
    fn set(&self, cx: &Cx<'_>, file: &File<'_>, to: &Change) -> Result<(), Errno>;

    /// Takes away what a change of content takes away: setuid, setgid, capabilities. To be asked
    /// only while [`Memory::has_privileges`].
    fn drop_privileges(&self, _cx: &Cx<'_>, _file: &File<'_>) -> Result<(), Errno> {
        Ok(())
    }

    /// Gives a file one more name, by `host`.
    fn link(
        &self,
        _cx: &Cx<'_>,
        _file: &File<'_>,
        _to: &Spot<'_>,
        host: &mut dyn FnMut() -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        host()
    }

    /// Renames, by `host`.
    fn rename(
        &self,
        _cx: &Cx<'_>,
        _from: &Spot<'_>,
        _to: &Spot<'_>,
        _replaced: Option<&LocalNode>,
        host: &mut dyn FnMut() -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        host()
    }

    /// Removes an entry, by `host`; `node` is what is known under it.
    fn remove(
        &self,
        _cx: &Cx<'_>,
        _what: &Spot<'_>,
        _node: Option<&LocalNode>,
        host: &mut dyn FnMut() -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        host()
    }
}

/// An entry: a directory and a name in it.
#[derive(Clone, Copy)]
pub(crate) struct Spot<'a> {
    pub(crate) dir: &'a LocalNode,
    /// The directory's descriptor.
    pub(crate) fd: BorrowedFd<'a>,
    pub(crate) name: &'a [u8],
}

/// A file just made.
pub(crate) struct New<'a> {
    pub(crate) at: Spot<'a>,
    pub(crate) file: Holder<'a>,
    pub(crate) kind: FileKind,
    /// The permission bits that were asked for.
    pub(crate) mode: u32,
    /// `None` for a caller without a user.
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    /// What `mknod` was asked for, of whatever kind.
    pub(crate) device: Option<Device>,
}

/// A file that is seen for the first time.
pub(crate) struct Met<'a> {
    pub(crate) tree: &'a Tree,
    /// Its `O_PATH` descriptor.
    pub(crate) fd: BorrowedFd<'a>,
    pub(crate) stat: &'a Statx,
    /// Where it was found; nowhere for the root.
    pub(crate) at: Option<(&'a Arc<LocalNode>, &'a [u8])>,
    /// Whether any call about it may wait for somebody else.
    pub(crate) remote: bool,
}

/// A file that has a node.
#[derive(Clone, Copy)]
pub(crate) struct File<'a> {
    pub(crate) node: &'a LocalNode,
    pub(crate) fd: &'a Subject,
}

impl<'a> File<'a> {
    /// For its extended attributes.
    pub(crate) fn holder(&self) -> Holder<'a> {
        self.fd.holder(self.node.tree())
    }
}

/// What to change of a file; `None` leaves it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Change {
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    /// Permission bits.
    pub(crate) mode: Option<u32>,
}

impl Change {
    /// Whether the owner or the group changes.
    pub(crate) fn of_owner(&self) -> bool {
        self.uid.is_some() || self.gid.is_some()
    }
}

/// The attributes that a model decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Owned {
    /// With the bits of the kind.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) rdev: Device,
}

impl Owned {
    /// As the host has them.
    pub(crate) fn of(stat: &Statx) -> Self {
        Self {
            mode: stat.stx_mode.into(),
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            rdev: Device {
                major: stat.stx_rdev_major,
                minor: stat.stx_rdev_minor,
            },
        }
    }
}

/// The implementation of a model.
pub(crate) fn of(options: &Options) -> Box<dyn Ownership> {
    match options.model {
        SecurityModel::Passthrough => Box::new(real::Real::passthrough(options)),
        SecurityModel::None => Box::new(real::Real::none(options)),
        SecurityModel::MappedXattr => Box::new(mapped_xattr::MappedXattr::new(options)),
        SecurityModel::MappedFile => Box::new(mapped_file::MappedFile::new(options)),
    }
}

/// Changes owner and group of what a descriptor (`O_PATH` or open) stands for.
pub(crate) fn chown(fd: BorrowedFd<'_>, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
    chownat(fd, c"", uid, gid, AtFlags::EMPTY_PATH).map_err(|error| match error {
        // The user namespace has not got the number. Who may give nothing away is not told so.
        rustix::io::Errno::INVAL if !may_give() => rustix::io::Errno::PERM,
        error => error,
    })
}

/// Whether this thread may give files to others at all.
fn may_give() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::CHOWN))
}
