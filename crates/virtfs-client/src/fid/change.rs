//! Changing: attributes, and the entries of directories.

use virtfs_proto::{
    Tlink, Tmkdir, Tmknod, Tremove, Trename, Trenameat, Tsetattr, Tsymlink, Tunlinkat,
};

use super::{Fid, Handle};
use crate::connection::fields;
use crate::{Error, Qid, Result, SetAttributes, UnlinkFlags};

const EXDEV: i32 = 18;

impl Fid {
    /// Sets attributes, all or none as far as the server can (`Tsetattr`).
    pub fn setattr(&self, set: &SetAttributes) -> Result<()> {
        self.handle.setattr(set)
    }

    /// Makes a directory in this one (`Tmkdir`).
    pub fn mkdir(&self, name: &[u8], mode: u32, gid: u32) -> Result<Qid> {
        let dfid = self.number();
        let message = Tmkdir {
            dfid,
            name,
            mode,
            gid,
        };
        Ok(fields!(self.handle.call(message)?, Mkdir)?.qid)
    }

    /// Makes a device node, a named pipe, a socket or a regular file in this directory: `mode` has
    /// the type too (`Tmknod`).
    pub fn mknod(&self, name: &[u8], mode: u32, major: u32, minor: u32, gid: u32) -> Result<Qid> {
        let dfid = self.number();
        let message = Tmknod {
            dfid,
            name,
            mode,
            major,
            minor,
            gid,
        };
        Ok(fields!(self.handle.call(message)?, Mknod)?.qid)
    }

    /// Makes a symbolic link in this directory (`Tsymlink`).
    pub fn symlink(&self, name: &[u8], target: &[u8], gid: u32) -> Result<Qid> {
        let dfid = self.number();
        let message = Tsymlink {
            dfid,
            name,
            target,
            gid,
        };
        Ok(fields!(self.handle.call(message)?, Symlink)?.qid)
    }

    /// Makes a hard link in this directory (`Tlink`).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] (`EXDEV`) if `to` is another client's; so for all that name two fids.
    pub fn link(&self, name: &[u8], to: &Fid) -> Result<()> {
        self.same_client(to)?;
        let (dfid, fid) = (self.number(), to.number());
        fields!(self.handle.call(Tlink { dfid, fid, name })?, Link).map(drop)
    }

    /// Moves an entry of this directory (`Trenameat`).
    pub fn rename_at(&self, name: &[u8], to_dir: &Fid, to_name: &[u8]) -> Result<()> {
        self.same_client(to_dir)?;
        let message = Trenameat {
            olddirfid: self.number(),
            oldname: name,
            newdirfid: to_dir.number(),
            newname: to_name,
        };
        fields!(self.handle.call(message)?, Renameat).map(drop)
    }

    /// Moves this file (`Trename`).
    pub fn rename(&self, to_dir: &Fid, name: &[u8]) -> Result<()> {
        self.same_client(to_dir)?;
        let (fid, dfid) = (self.number(), to_dir.number());
        fields!(self.handle.call(Trename { fid, dfid, name })?, Rename).map(drop)
    }

    /// Removes an entry of this directory (`Tunlinkat`).
    pub fn unlink_at(&self, name: &[u8], flags: UnlinkFlags) -> Result<()> {
        let dirfid = self.number();
        let message = Tunlinkat {
            dirfid,
            name,
            flags,
        };
        fields!(self.handle.call(message)?, Unlinkat).map(drop)
    }

    /// Removes this file (`Tremove`). The fid is gone even if this fails.
    pub fn remove(self) -> Result<()> {
        let fid = self.number();
        let reply = self.handle.last_call(Tremove { fid })?;
        fields!(reply, Remove).map(drop)
    }

    fn same_client(&self, other: &Fid) -> Result<()> {
        match self.client().is(other.client()) {
            true => Ok(()),
            false => Err(Error::Refused(
                "the two files are of different servers",
                EXDEV,
            )),
        }
    }
}

impl Handle {
    pub(crate) fn setattr(&self, set: &SetAttributes) -> Result<()> {
        let message: Tsetattr = set.message(self.number());
        fields!(self.call(message)?, Setattr).map(drop)
    }
}
