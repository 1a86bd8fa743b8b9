//! An open file.

use virtfs_proto::Tfsync;

use crate::connection::fields;
use crate::fid::Handle;
use crate::transfer::{self, Split};
use crate::{
    Attributes, Chunk, Client, Cursor, Error, GetattrMask, LopenFlags, Qid, Result, SetAttributes,
};

const EIO: i32 = 5;

/// No server means a smaller iounit: a transfer would be nothing but messages.
const LEAST: usize = 512;

/// An open file. It has no position: reads and writes say where, and may run side by side. See
/// [`File::cursor`] for one that has.
///
/// Dropped, it is clunked (`Tclunk`) without waiting for the server. Errors are as for
/// [`Fid`](crate::Fid).
#[derive(Debug)]
pub struct File {
    handle: Handle,
    qid: Qid,
    iounit: u32,
    flags: LopenFlags,
}

impl File {
    pub(crate) fn new(handle: Handle, qid: Qid, iounit: u32, flags: LopenFlags) -> File {
        File {
            handle,
            qid,
            iounit,
            flags,
        }
    }

    /// The connection that it belongs to.
    pub fn client(&self) -> &Client {
        self.handle.client()
    }

    /// Its fid's number on the wire.
    pub fn number(&self) -> u32 {
        self.handle.number()
    }

    /// The server's identification of the file, as opening or creating it gave it.
    pub fn qid(&self) -> Qid {
        self.qid
    }

    /// The most bytes that one read or write moves whole, as the server said; 0 if the msize
    /// alone decides.
    pub fn iounit(&self) -> u32 {
        self.iounit
    }

    /// The attributes that the mask names, as far as the server has them (`Tgetattr`).
    pub fn getattr(&self, mask: GetattrMask) -> Result<Attributes> {
        self.handle.getattr(mask)
    }

    /// What fstat(2) gives ([`GetattrMask::BASIC`]).
    pub fn attributes(&self) -> Result<Attributes> {
        self.getattr(GetattrMask::BASIC)
    }

    /// Sets attributes (`Tsetattr`).
    pub fn setattr(&self, set: &SetAttributes) -> Result<()> {
        self.handle.setattr(set)
    }

    /// Makes what was written stable; with `datasync` only what is needed to read it back
    /// (`Tfsync`).
    pub fn fsync(&self, datasync: bool) -> Result<()> {
        let message = Tfsync {
            fid: self.number(),
            datasync: datasync.into(),
        };
        fields!(self.handle.call(message)?, Fsync).map(drop)
    }

    /// Reads until the buffer is full or the file ends; how many bytes.
    ///
    /// More than fits in one message is split, with [`Options::depth`](crate::Options::depth)
    /// requests in flight. When some of it fails, what came before counts.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut at = 0;
        transfer::read(&self.handle, self.split(), offset, buf.len(), |payload| {
            if let Some(to) = buf.get_mut(at..at + payload.len()) {
                to.copy_from_slice(&payload);
            }
            at += payload.len();
        })
    }

    /// Reads up to so many bytes, and leaves them where they arrived. Otherwise as
    /// [`File::read_at`].
    pub fn read_chunk(&self, len: u32, offset: u64) -> Result<Chunk> {
        let mut parts = Vec::new();
        transfer::read(
            &self.handle,
            self.split(),
            offset,
            len as usize,
            |payload| {
                parts.push(payload);
            },
        )?;
        Ok(Chunk::new(parts))
    }

    /// Writes, and says how many bytes went: fewer than all if the server stopped, or if it failed
    /// after that many.
    ///
    /// More than fits in one message is split, with [`Options::depth`](crate::Options::depth)
    /// requests in flight (one after the other if the file was opened with
    /// [`LopenFlags::APPEND`]). Behind the bytes that count, others may have been written.
    pub fn write_at(&self, buf: &[u8], offset: u64) -> Result<usize> {
        let mut split = self.split();
        if self.flags.contains(LopenFlags::APPEND) {
            split.depth = 1;
        }
        transfer::write(&self.handle, split, offset, buf)
    }

    /// Writes all of it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] (`EIO`) if the server takes nothing more but gives no error.
    pub fn write_all_at(&self, mut buf: &[u8], mut offset: u64) -> Result<()> {
        while !buf.is_empty() {
            let count = self.write_at(buf, offset)?;
            if count == 0 {
                return Err(Error::Refused("the server takes nothing more", EIO));
            }
            buf = buf.get(count..).unwrap_or_default();
            offset = offset.saturating_add(count as u64);
        }
        Ok(())
    }

    /// A reader and writer with a position, at the start of the file.
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor::new(self)
    }

    /// Gives it up and waits for the answer (`Tclunk`). It is gone even if this fails.
    pub fn clunk(self) -> Result<()> {
        self.handle.clunk()
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    fn split(&self) -> Split {
        let most = self.handle.io_size();
        Split {
            chunk: match self.iounit {
                0 => most,
                iounit => most.min(LEAST.max(iounit as usize)),
            },
            depth: self.client().depth(),
        }
    }
}
