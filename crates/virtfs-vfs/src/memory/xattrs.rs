//! Extended attributes.

use super::budget::xattr_cost;
use super::clock::now;
use super::inode::{Inode, What};
use super::tree::{Ino, Tree};
use crate::{Errno, XattrPut};

/// The longest name, as on Linux, in bytes.
const NAME_MAX: usize = 255;
/// The longest value, as on Linux, in bytes.
const VALUE_MAX: usize = 65536;

impl Tree {
    pub(super) fn xattr(&self, ino: Ino, name: &[u8], limit: usize) -> Result<Vec<u8>, Errno> {
        check_name(name)?;
        let value = self.inode(ino)?.xattrs.get(name).ok_or(Errno::ENODATA)?;
        if value.len() > limit {
            return Err(Errno::E2BIG);
        }
        Ok(value.to_vec())
    }

    pub(super) fn xattr_list(&self, ino: Ino, limit: usize) -> Result<Vec<u8>, Errno> {
        let mut names = Vec::new();
        for name in self.inode(ino)?.xattrs.keys() {
            if names.len() + name.len() + 1 > limit {
                return Err(Errno::E2BIG);
            }
            names.extend_from_slice(name);
            names.push(0);
        }
        Ok(names)
    }

    pub(super) fn xattr_put(
        &mut self,
        ino: Ino,
        name: &[u8],
        value: &[u8],
        how: XattrPut,
    ) -> Result<(), Errno> {
        let (inode, budget) = self.inode_and_budget(ino)?;
        check_place(inode, name)?;
        if value.len() > VALUE_MAX {
            return Err(Errno::E2BIG);
        }
        let old = inode.xattrs.get(name).map(|old| xattr_cost(name, old));
        match (how, old) {
            (XattrPut::Create, Some(_)) => return Err(Errno::EEXIST),
            (XattrPut::Replace, None) => return Err(Errno::ENODATA),
            _ => {}
        }
        let (old, new) = (old.unwrap_or(0), xattr_cost(name, value));
        budget.charge(new.saturating_sub(old))?;
        budget.refund(old.saturating_sub(new));
        inode.xattrs.insert(name.into(), value.into());
        self.touch(ino, false, now());
        Ok(())
    }

    pub(super) fn xattr_remove(&mut self, ino: Ino, name: &[u8]) -> Result<(), Errno> {
        let (inode, budget) = self.inode_and_budget(ino)?;
        check_place(inode, name)?;
        let value = inode.xattrs.remove(name).ok_or(Errno::ENODATA)?;
        budget.refund(xattr_cost(name, &value));
        self.touch(ino, false, now());
        Ok(())
    }
}

/// What is served: `user.` and the two POSIX ACLs.
fn check_name(name: &[u8]) -> Result<(), Errno> {
    if name.len() > NAME_MAX {
        return Err(Errno::ERANGE);
    }
    match name {
        b"user." => Err(Errno::EINVAL),
        b"system.posix_acl_access" | b"system.posix_acl_default" => Ok(()),
        _ if name.starts_with(b"user.") && !name.contains(&0) => Ok(()),
        _ => Err(Errno::EOPNOTSUPP),
    }
}

/// Where each may be, as on Linux: `user.` on files and directories, ACLs on no link, default
/// ACLs on directories.
fn check_place(inode: &Inode, name: &[u8]) -> Result<(), Errno> {
    check_name(name)?;
    match (&inode.what, name) {
        (What::Symlink(_), _) if !name.starts_with(b"user.") => Err(Errno::EOPNOTSUPP),
        (What::Symlink(_) | What::Special(..), _) if name.starts_with(b"user.") => {
            Err(Errno::EPERM)
        }
        (What::Directory(_), _) => Ok(()),
        (_, b"system.posix_acl_default") => Err(Errno::EACCES),
        _ => Ok(()),
    }
}
