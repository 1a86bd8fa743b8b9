//! `none`: like passthrough, but a server that may not change owners keeps what it makes.

use std::os::fd::BorrowedFd;

use virtfs_vfs::{Errno, User};

use super::{Ownership, chown};

pub(crate) struct None;

impl Ownership for None {
    fn created(&self, fd: BorrowedFd<'_>, user: User, gid: u32) -> Result<(), Errno> {
        if user != User::NOBODY || gid != u32::MAX {
            // Only the attempt is promised.
            let _ = chown(fd, user.uid, gid);
        }
        Ok(())
    }

    fn serves_acls(&self) -> bool {
        false
    }
}
