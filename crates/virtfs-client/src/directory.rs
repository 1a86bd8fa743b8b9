//! An open directory.

use std::collections::VecDeque;

use virtfs_proto::{DirEntries, IO_HEADER_LEN, Treaddir};

use crate::connection::fields;
use crate::{Client, Error, File, Qid, Result};

const ELOOP: i32 = 40;

/// An open directory, listed in the server's order. As an iterator it gives the entries one by
/// one, and ends behind the first error.
///
/// Dropped, it is clunked without waiting for the server. Errors are as for [`Fid`](crate::Fid).
#[derive(Debug)]
pub struct Directory {
    file: File,
    /// Where to go on.
    offset: u64,
    /// Asked for, not yet given out by the iterator.
    ahead: VecDeque<Entry>,
    ended: bool,
}

/// An entry of a directory. `.` and `..` are among them if the server gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The file.
    pub qid: Qid,
    /// The cookie: where to go on behind this entry. Opaque.
    pub offset: u64,
    /// The file's type as `d_type` of readdir(3); 0 if unknown.
    pub kind: u8,
    /// The entry's name: not empty, without `/` and NUL.
    pub name: Vec<u8>,
}

impl Directory {
    pub(crate) fn new(file: File) -> Directory {
        Directory {
            file,
            offset: 0,
            ahead: VecDeque::new(),
            ended: false,
        }
    }

    /// The connection that it belongs to.
    pub fn client(&self) -> &Client {
        self.file.client()
    }

    /// Its fid's number on the wire.
    pub fn number(&self) -> u32 {
        self.file.number()
    }

    /// The server's identification of the directory.
    pub fn qid(&self) -> Qid {
        self.file.qid()
    }

    /// The next entries, as many as one message holds; none at the end.
    pub fn next_batch(&mut self) -> Result<Vec<Entry>> {
        if !self.ahead.is_empty() {
            return Ok(self.ahead.drain(..).collect());
        }
        let entries = self.read_from(self.offset, u32::MAX)?;
        if let Some(last) = entries.last() {
            self.offset = last.offset;
        }
        Ok(entries)
    }

    /// Goes on behind the entry with this cookie ([`Entry::offset`]); 0: from the start.
    pub fn seek(&mut self, cookie: u64) {
        self.offset = cookie;
        self.ahead.clear();
        self.ended = false;
    }

    /// The entries behind a cookie (0: from the start), of at most `len` bytes on the wire (each
    /// has 24 and its name); none at the end, or if not even one fits (`Treaddir`).
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`] if the server gives what cannot be a name; [`Error::Refused`] (`ELOOP`)
    /// if going on behind the last entry would give the same entries again.
    pub fn read_from(&self, offset: u64, len: u32) -> Result<Vec<Entry>> {
        let handle = self.file.handle();
        let most = self.client().msize() - IO_HEADER_LEN as u32;
        let message = Treaddir {
            fid: handle.number(),
            offset,
            count: len.min(most),
        };
        let reply = handle.call(message)?;
        fields!(reply, Readdir)?;
        let mut entries = Vec::new();
        for entry in DirEntries::new(reply.payload()) {
            let entry = entry.map_err(|error| handle.broken(error.to_string()))?;
            if entry.name.is_empty() || entry.name.iter().any(|byte| b"/\0".contains(byte)) {
                return Err(handle.broken("Rreaddir: an entry's name is none".into()));
            }
            entries.push(Entry {
                qid: entry.qid,
                offset: entry.offset,
                kind: entry.kind,
                name: entry.name.to_vec(),
            });
        }
        if entries.last().is_some_and(|last| last.offset == offset) {
            return Err(Error::Refused("the listing does not end", ELOOP));
        }
        Ok(entries)
    }

    /// Makes the directory's entries stable (`Tfsync`).
    pub fn fsync(&self, datasync: bool) -> Result<()> {
        self.file.fsync(datasync)
    }

    /// Gives it up and waits for the answer (`Tclunk`). It is gone even if this fails.
    pub fn clunk(self) -> Result<()> {
        self.file.clunk()
    }
}

impl Iterator for Directory {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        if self.ahead.is_empty() && !self.ended {
            match self.next_batch() {
                Ok(entries) => self.ahead = entries.into(),
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
            self.ended = self.ahead.is_empty();
        }
        self.ahead.pop_front().map(Ok)
    }
}
