//! Extended attributes.

use virtfs_proto::{Tclunk, Tread, Twrite, Txattrcreate, Txattrwalk};

use super::{Fid, Handle};
use crate::connection::{Batch, fields};
use crate::{Error, Result, XattrFlags};

/// The longest value or list of names, in bytes, that is taken from a server: Linux's
/// `XATTR_SIZE_MAX` and `XATTR_LIST_MAX`.
const LONGEST: u64 = 64 << 10;

const E2BIG: i32 = 7;

impl Fid {
    /// The value of an extended attribute (`Txattrwalk`, `Tread`).
    ///
    /// # Errors
    ///
    /// [`Error::Server`] (`ENODATA`) if there is none; [`Error::Refused`] (`E2BIG`) for one of
    /// more than 64 KiB.
    pub fn xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        if self.client().ordered()
            && let Some(value) = self.xattr_in_one(name)?
        {
            return Ok(value);
        }
        let (handle, size) = self.xattr_walk(name)?;
        let size = longest(size)?;
        let mut value = Vec::with_capacity(size);
        while value.len() < size {
            let offset = value.len() as u64;
            let count = (size - value.len()).min(handle.io_size());
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            let fid = handle.number();
            let reply = handle.call(Tread { fid, offset, count })?;
            if reply.payload().is_empty() {
                break;
            }
            value.extend_from_slice(reply.payload());
        }
        Ok(value)
    }

    /// How long an extended attribute is, in bytes (`Txattrwalk`).
    pub fn xattr_size(&self, name: &[u8]) -> Result<u64> {
        self.xattr_walk(name).map(|(_, size)| size)
    }

    /// The names of all extended attributes (`Txattrwalk` without a name, `Tread`).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] (`E2BIG`) if they have more than 64 KiB in all.
    pub fn xattrs(&self) -> Result<Vec<Vec<u8>>> {
        let list = self.xattr(&[])?;
        let names = list.split(|byte| *byte == 0);
        Ok(names
            .filter(|name| !name.is_empty())
            .map(<[u8]>::to_vec)
            .collect())
    }

    /// Sets an extended attribute (`Twalk`, `Txattrcreate`, `Twrite`, `Tclunk`). QEMU's server
    /// takes an empty value for a request to remove it.
    ///
    /// # Errors
    ///
    /// [`Error::Server`]: `EEXIST` or `ENODATA` as the flags ask, `E2BIG`, `ENOSPC`.
    pub fn set_xattr(&self, name: &[u8], value: &[u8], flags: XattrFlags) -> Result<()> {
        let handle = self.walk_slices(&[])?.handle;
        let message = Txattrcreate {
            fid: handle.number(),
            name,
            size: value.len() as u64,
            flags,
        };
        fields!(handle.call(message)?, Xattrcreate)?;
        let mut offset = 0;
        for part in value.chunks(handle.io_size()) {
            let mut batch = Batch::new(handle.connection());
            let count = u32::try_from(part.len()).unwrap_or(u32::MAX);
            let fid = handle.number();
            batch.push_with(Twrite { fid, offset, count }, part)?;
            let written = fields!(batch.send()?.next()?, Write)?.count;
            if written != count {
                return Err(Error::Refused("the value was not taken whole", E2BIG));
            }
            offset += u64::from(count);
        }
        // It is set when the fid is clunked.
        handle.clunk()
    }

    /// Removes an extended attribute (`Txattrcreate` of no length that must replace one).
    pub fn remove_xattr(&self, name: &[u8]) -> Result<()> {
        self.set_xattr(name, &[], XattrFlags::REPLACE)
    }

    fn xattr_walk(&self, name: &[u8]) -> Result<(Handle, u64)> {
        let mut batch = Batch::new(self.handle.connection());
        let newfid = batch.fresh();
        let fid = self.number();
        batch.push(Txattrwalk { fid, newfid, name })?;
        let reply = batch.send()?.next()?;
        let handle = Handle::new(self.client().clone(), newfid);
        Ok((handle, fields!(reply, Xattrwalk)?.size))
    }

    /// All in one round trip; `None` if the value was not whole.
    fn xattr_in_one(&self, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut batch = Batch::new(self.handle.connection());
        let fid = self.number();
        let newfid = batch.fresh();
        batch.push(Txattrwalk { fid, newfid, name })?;
        batch.leave_fid_alone();
        let count = self.handle.io_size().min(LONGEST as usize);
        batch.push(Tread {
            fid: newfid,
            offset: 0,
            count: u32::try_from(count).unwrap_or(u32::MAX),
        })?;
        batch.push(Tclunk { fid: newfid })?;
        let mut sent = batch.send()?;
        let (walked, read, _) = (sent.next(), sent.next(), sent.next());
        let size = longest(fields!(walked?, Xattrwalk)?.size)?;
        let read = read?;
        Ok((read.payload().len() == size).then(|| read.payload().to_vec()))
    }
}

impl Handle {
    /// The most bytes of data that one message holds.
    pub(crate) fn io_size(&self) -> usize {
        self.client().msize() as usize - virtfs_proto::IO_HEADER_LEN
    }
}

fn longest(size: u64) -> Result<usize> {
    match usize::try_from(size) {
        Ok(fits) if size <= LONGEST => Ok(fits),
        _ => Err(Error::Refused("the attribute is longer than 64 KiB", E2BIG)),
    }
}
