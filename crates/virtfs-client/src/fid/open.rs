//! Opening and creating.

use virtfs_proto::{Tlcreate, Tlopen};

use super::Fid;
use super::walk::push_walk;
use crate::connection::{Batch, fields};
use crate::{Directory, File, LopenFlags, Result};

impl Fid {
    /// Opens the file; this fid stays as it is (`Twalk`, `Tlopen`: one round trip if the server
    /// keeps order).
    pub fn open(&self, flags: LopenFlags) -> Result<File> {
        self.in_clone(
            |fid, batch| batch.push(Tlopen { fid, flags }),
            |clone| clone.into_open(flags),
            |clone, reply| {
                let opened = fields!(reply, Lopen)?;
                Ok(File::new(clone.handle, opened.qid, opened.iounit, flags))
            },
        )
    }

    /// Opens this very fid (`Tlopen`).
    pub fn into_open(self, flags: LopenFlags) -> Result<File> {
        let fid = self.number();
        let reply = self.handle.call(Tlopen { fid, flags })?;
        let opened = fields!(reply, Lopen)?;
        Ok(File::new(self.handle, opened.qid, opened.iounit, flags))
    }

    /// Makes a regular file in this directory and opens it (`Twalk`, `Tlcreate`). Without
    /// [`LopenFlags::EXCL`] one that exists is opened. [`File::qid`] says which file it is.
    pub fn create(&self, name: &[u8], flags: LopenFlags, mode: u32, gid: u32) -> Result<File> {
        let message = |fid| Tlcreate {
            fid,
            name,
            flags,
            mode,
            gid,
        };
        let created = |clone: Fid, reply: &crate::connection::Reply| {
            let created = fields!(reply, Lcreate)?;
            Ok(File::new(clone.handle, created.qid, created.iounit, flags))
        };
        self.in_clone(
            |fid, batch| batch.push(message(fid)),
            |clone| {
                let reply = clone.handle.call(message(clone.number()))?;
                created(clone, &reply)
            },
            created,
        )
    }

    /// Opens a directory to be listed; this fid stays as it is.
    pub fn read_dir(&self) -> Result<Directory> {
        let file = self.open(LopenFlags::RDONLY | LopenFlags::DIRECTORY)?;
        Ok(Directory::new(file))
    }

    /// Clones this fid and does something with the clone: sent behind the walk if the server keeps
    /// order, after its reply if not.
    fn in_clone<T>(
        &self,
        push: impl FnOnce(u32, &mut Batch<'_>) -> Result<()>,
        apart: impl FnOnce(Fid) -> Result<T>,
        take: impl FnOnce(Fid, &crate::connection::Reply) -> Result<T>,
    ) -> Result<T> {
        if !self.client().ordered() {
            return apart(self.walk_slices(&[])?);
        }
        let mut batch = Batch::new(self.handle.connection());
        let number = push_walk(&mut batch, self.number(), &[])?;
        push(number, &mut batch)?;
        let mut sent = batch.send()?;
        let walked = sent
            .next()
            .and_then(|reply| self.walked(&reply, number, &[]));
        // Without the fid it failed too.
        let reply = sent.next();
        take(walked?, &reply?)
    }
}
