//! Payloads in memory.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use crate::{Errno, IoFlags, ReplyBody, RequestBody};

/// A [`ReplyBody`] that collects what is put in a vector.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VecReply {
    bytes: Vec<u8>,
    room: usize,
}

impl VecReply {
    /// With room for this many bytes.
    pub fn new(room: usize) -> Self {
        let bytes = Vec::new();
        Self { bytes, room }
    }

    /// What was put so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was put.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl ReplyBody for VecReply {
    fn room(&self) -> usize {
        self.room
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        let put = bytes.get(..self.room).unwrap_or(bytes);
        self.bytes.extend_from_slice(put);
        self.room -= put.len();
        put.len()
    }

    fn read_from(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        flags: IoFlags,
    ) -> Result<usize, Errno> {
        let file = borrow(file, flags)?;
        let mut buffer = vec![0; self.room];
        let got = file.read_at(&mut buffer, offset)?;
        Ok(self.put(buffer.get(..got).unwrap_or(&buffer)))
    }
}

/// A [`RequestBody`] over a slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SliceRequest<'a>(&'a [u8]);

impl<'a> SliceRequest<'a> {
    /// With these bytes to take.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn skip(&mut self, count: usize) {
        self.0 = self.0.get(count..).unwrap_or_default();
    }
}

impl RequestBody for SliceRequest<'_> {
    fn remaining(&self) -> usize {
        self.0.len()
    }

    fn take(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.0.len());
        if let (Some(to), Some(from)) = (into.get_mut(..count), self.0.get(..count)) {
            to.copy_from_slice(from);
        }
        self.skip(count);
        count
    }

    /// A file opened to append is written at its end: `pwrite` on Linux ignores the offset then.
    fn write_to(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        flags: IoFlags,
    ) -> Result<usize, Errno> {
        let count = borrow(file, flags)?.write_at(self.0, offset)?;
        self.skip(count);
        Ok(count)
    }
}

/// The same open file as a [`File`] of std, which knows no call that must not sleep.
fn borrow(file: BorrowedFd<'_>, flags: IoFlags) -> Result<File, Errno> {
    if flags.contains(IoFlags::NOWAIT) {
        return Err(Errno::EOPNOTSUPP);
    }
    let owned: io::Result<_> = file.try_clone_to_owned();
    Ok(File::from(owned?))
}
