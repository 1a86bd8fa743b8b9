//! Opening and creating.

use virtfs_proto::{Tlcreate, Tlopen};

use super::Fid;
use super::look::{attributes, basic};
use super::walk::push_walk;
use crate::connection::{Batch, Reply, fields};
use crate::{Attributes, Directory, File, LopenFlags, Result};

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
        self.in_clone(
            |fid, batch| batch.push(message(fid)),
            |clone| {
                let reply = clone.handle.call(message(clone.number()))?;
                created(clone, &reply, flags)
            },
            |clone, reply| created(clone, reply, flags),
        )
    }

    /// [`Fid::create`] with another fid of the file, which is not open, and the file's attributes:
    /// in one round trip if the server keeps order (`Twalk`, `Tlcreate`, `Twalk` from the open
    /// fid, `Tgetattr`).
    ///
    /// From a server that does not, they are of whatever has the name then ([`Fid::lookup`]): see
    /// whether the qids are equal.
    pub fn create_and_look(
        &self,
        name: &[u8],
        flags: LopenFlags,
        mode: u32,
        gid: u32,
    ) -> Result<(File, Fid, Attributes)> {
        if !self.client().ordered() {
            let file = self.create(name, flags, mode, gid)?;
            let (fid, attributes) = self.lookup(name)?;
            return Ok((file, fid, attributes));
        }
        let mut batch = Batch::new(self.handle.connection());
        let open = push_walk(&mut batch, self.number(), &[])?;
        batch.push(Tlcreate {
            fid: open,
            name,
            flags,
            mode,
            gid,
        })?;
        let number = push_walk(&mut batch, open, &[])?;
        batch.push(basic(open))?;
        let mut sent = batch.send()?;
        let walked = sent.next().and_then(|reply| self.walked(&reply, open, &[]));
        let made = sent.next();
        // Of the directory, if nothing was made.
        let twin = sent
            .next()
            .and_then(|reply| self.walked(&reply, number, &[]));
        let looked = sent.next();
        let file = created(walked?, &made?, flags)?;
        let twin = Fid::new(twin?.handle, file.qid());
        Ok((file, twin, attributes(&looked?)?))
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
        take: impl FnOnce(Fid, &Reply) -> Result<T>,
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

fn created(clone: Fid, reply: &Reply, flags: LopenFlags) -> Result<File> {
    let created = fields!(reply, Lcreate)?;
    Ok(File::new(clone.handle, created.qid, created.iounit, flags))
}
