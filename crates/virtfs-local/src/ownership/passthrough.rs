//! `passthrough`: the client's users and groups are the host's own.

use std::os::fd::BorrowedFd;

use virtfs_vfs::{Errno, User};

use super::{Ownership, chown};
use crate::call::errno;

pub(crate) struct Passthrough;

impl Ownership for Passthrough {
    fn created(&self, fd: BorrowedFd<'_>, user: User, gid: u32) -> Result<(), Errno> {
        if user == User::NOBODY && gid == u32::MAX {
            return Ok(());
        }
        chown(fd, user.uid, gid).map_err(errno)
    }

    fn serves_acls(&self) -> bool {
        true
    }
}
