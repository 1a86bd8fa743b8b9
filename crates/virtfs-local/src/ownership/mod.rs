//! Ownership models: who owns what clients create, and which attributes they may touch. One file
//! each.

mod none;
mod passthrough;

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, Gid, Uid, chownat};
use rustix::io;
use virtfs_vfs::{Errno, User};

use crate::SecurityModel;

/// What the models differ in.
pub(crate) trait Ownership: Send + Sync {
    /// Gives a file that was just made to its creator. `gid` is `u32::MAX` for no group.
    fn created(&self, fd: BorrowedFd<'_>, user: User, gid: u32) -> Result<(), Errno>;

    /// Whether clients see and set the host's POSIX ACLs.
    fn serves_acls(&self) -> bool;
}

/// The implementation of a model.
pub(crate) fn of(model: SecurityModel) -> &'static dyn Ownership {
    match model {
        SecurityModel::Passthrough => &passthrough::Passthrough,
        SecurityModel::None => &none::None,
    }
}

/// Changes owner and group of what a descriptor (`O_PATH` or open) stands for; `u32::MAX` leaves
/// one as it is.
pub(crate) fn chown(fd: BorrowedFd<'_>, uid: u32, gid: u32) -> io::Result<()> {
    let uid = (uid != u32::MAX).then(|| Uid::from_raw(uid));
    let gid = (gid != u32::MAX).then(|| Gid::from_raw(gid));
    chownat(fd, c"", uid, gid, AtFlags::EMPTY_PATH)
}
