//! What is done to one inode: content and attributes.

use super::clock::{now, resolve};
use super::content::MAX_SIZE;
use super::inode::What;
use super::tree::{Ino, Tree};
use crate::{Errno, SetAttr, SetTime};

/// An owner that means "as it is".
const NO_ID: u32 = u32::MAX;

impl Tree {
    /// At most `count` bytes from `offset` on.
    pub(super) fn read(
        &mut self,
        ino: Ino,
        offset: u64,
        count: usize,
        keep_atime: bool,
    ) -> Result<Vec<u8>, Errno> {
        let inode = self.inode_mut(ino)?;
        let What::Regular(bytes) = &inode.what else {
            return Err(not_regular(&inode.what));
        };
        let out = bytes.read(offset, count);
        if !keep_atime {
            inode.atime = now();
        }
        Ok(out)
    }

    /// Writes at `offset`, or at the end if there is none; returns how many bytes went.
    pub(super) fn write(
        &mut self,
        ino: Ino,
        offset: Option<u64>,
        data: &[u8],
    ) -> Result<usize, Errno> {
        let (inode, budget) = self.inode_and_budget(ino)?;
        let What::Regular(bytes) = &mut inode.what else {
            return Err(not_regular(&inode.what));
        };
        if data.is_empty() {
            return Ok(0);
        }
        let offset = offset.unwrap_or(bytes.size());
        let written = bytes.write(offset, data, budget)?;
        inode.drop_setid();
        self.touch(ino, true, now());
        Ok(written)
    }

    pub(super) fn resize(&mut self, ino: Ino, size: u64) -> Result<(), Errno> {
        let (inode, budget) = self.inode_and_budget(ino)?;
        let What::Regular(bytes) = &mut inode.what else {
            return Err(not_regular(&inode.what));
        };
        bytes.resize(size, budget);
        inode.drop_setid();
        self.touch(ino, true, now());
        Ok(())
    }

    /// Applies all of the changes or, on an error, none.
    pub(super) fn set(&mut self, ino: Ino, changes: &SetAttr) -> Result<(), Errno> {
        let what = &self.inode(ino)?.what;
        if changes.mode.is_some() && matches!(what, What::Symlink(_)) {
            return Err(Errno::EOPNOTSUPP);
        }
        if let Some(size) = changes.size {
            match what {
                What::Regular(_) if size > MAX_SIZE => return Err(Errno::EINVAL),
                What::Regular(_) => {}
                other => return Err(not_regular(other)),
            }
        }
        let times = [changes.atime, changes.mtime].into_iter().flatten();
        for time in times {
            if let SetTime::At(time) = time
                && time.nsec > 999_999_999
            {
                return Err(Errno::EINVAL);
            }
        }
        if *changes == SetAttr::default() {
            return Ok(());
        }
        let now = now();
        self.touch(ino, false, now);
        let inode = self.inode_mut(ino)?;
        let owner = changes.uid.filter(|&uid| uid != NO_ID);
        let group = changes.gid.filter(|&gid| gid != NO_ID);
        if owner.is_some() || group.is_some() {
            inode.uid = owner.unwrap_or(inode.uid);
            inode.gid = group.unwrap_or(inode.gid);
            inode.drop_setid();
        }
        if let Some(size) = changes.size {
            self.resize(ino, size)?;
        }
        // What owner and size would change by themselves.
        let inode = self.inode_mut(ino)?;
        if let Some(mode) = changes.mode {
            inode.mode = mode & 0o7777;
        }
        if let Some(time) = changes.atime {
            inode.atime = resolve(time, now);
        }
        if let Some(time) = changes.mtime {
            inode.mtime = resolve(time, now);
        }
        Ok(())
    }
}

fn not_regular(what: &What) -> Errno {
    match what {
        What::Directory(_) => Errno::EISDIR,
        _ => Errno::EINVAL,
    }
}
