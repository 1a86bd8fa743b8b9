//! A request in the buffer that it arrived in, and the buffer for its reply's payload.

use std::io::IoSliceMut;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::io::{ReadWriteFlags, preadv2, pwrite};
use virtfs_proto::head_len;
use virtfs_vfs::{Errno, IoFlags, ReplyBody, RequestBody};

use super::buffer::{Buffer, Pool};
use crate::transport::Exchange;

/// A frame of a byte stream.
pub(crate) struct StreamExchange {
    buffer: Arc<Buffer>,
    head: Range<usize>,
    /// The payload that has not been taken yet.
    payload: Range<usize>,
    pool: Arc<Pool>,
    reply: Option<ReplyPayload>,
}

/// The payload of a reply: the first `filled` bytes.
pub(crate) struct ReplyPayload {
    bytes: Buffer,
    filled: usize,
    limit: usize,
}

impl StreamExchange {
    pub(super) fn new(buffer: Arc<Buffer>, frame: Range<usize>, pool: Arc<Pool>) -> Self {
        let bytes = buffer.get(frame.clone()).unwrap_or_default();
        let kind = bytes.get(4).copied().unwrap_or(0);
        let head = head_len(kind, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        let split = frame.start + (head as usize).min(frame.len());
        Self {
            buffer,
            head: frame.start..split,
            payload: split..frame.end,
            pool,
            reply: None,
        }
    }

    /// How many bytes of a buffer it keeps in memory.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn into_reply(self) -> Option<ReplyPayload> {
        self.reply
    }
}

impl ReplyPayload {
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// How much memory it keeps: more than its bytes, which may be few.
    pub(super) fn held(&self) -> usize {
        self.bytes.len()
    }
}

impl Exchange for StreamExchange {
    fn head(&self) -> &[u8] {
        self.buffer.get(self.head.clone()).unwrap_or_default()
    }

    fn reply_room(&self) -> usize {
        usize::MAX
    }

    fn request_body(&mut self, count: usize) -> &mut dyn RequestBody {
        let end = self
            .payload
            .end
            .min(self.payload.start.saturating_add(count));
        self.payload.end = end;
        self
    }

    fn reply_body(&mut self, _head: usize, count: usize) -> &mut dyn ReplyBody {
        let bytes = self.pool.take(count);
        self.reply.insert(ReplyPayload {
            bytes,
            filled: 0,
            limit: count,
        })
    }
}

impl RequestBody for StreamExchange {
    fn remaining(&self) -> usize {
        self.payload.len()
    }

    fn take(&mut self, into: &mut [u8]) -> usize {
        let from = self.buffer.get(self.payload.clone()).unwrap_or_default();
        let count = from.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..count), from.get(..count)) {
            to.copy_from_slice(from);
        }
        self.payload.start += count;
        count
    }

    fn write_to(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        flags: IoFlags,
    ) -> Result<usize, Errno> {
        if flags.contains(IoFlags::NOWAIT) {
            return Err(Errno::EOPNOTSUPP);
        }
        let from = self.buffer.get(self.payload.clone()).unwrap_or_default();
        let count = pwrite(file, from, offset).map_err(errno)?;
        self.payload.start += count;
        Ok(count)
    }
}

impl ReplyBody for ReplyPayload {
    fn room(&self) -> usize {
        self.limit - self.filled
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        let to = self.bytes.get_mut(self.filled..self.filled + count);
        if let (Some(to), Some(from)) = (to, bytes.get(..count)) {
            to.copy_from_slice(from);
        }
        self.filled += count;
        count
    }

    fn read_from(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        flags: IoFlags,
    ) -> Result<usize, Errno> {
        let how = match flags.contains(IoFlags::NOWAIT) {
            true => ReadWriteFlags::NOWAIT,
            false => ReadWriteFlags::empty(),
        };
        let room = self
            .bytes
            .get_mut(self.filled..self.limit)
            .unwrap_or_default();
        let count = preadv2(file, &mut [IoSliceMut::new(room)], offset, how).map_err(errno)?;
        self.filled += count;
        Ok(count)
    }
}

fn errno(errno: rustix::io::Errno) -> Errno {
    Errno::from_raw(errno.raw_os_error())
}
