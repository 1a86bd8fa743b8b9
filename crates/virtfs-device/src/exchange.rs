//! A request in guest memory, and its reply.

use std::io::IoSliceMut;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::io::{ReadWriteFlags, preadv2, pwrite};
use virtfs_proto::{Dialect, HEADER_LEN, NOTAG, Rlerror, Rmessage, head_len};
use virtfs_server::Exchange;
use virtfs_vfs::{Errno, IoFlags, ReplyBody, RequestBody};

use crate::chain::Chain;
use crate::ring::Ring;

/// The length of an `Rlerror`.
const LERROR_LEN: usize = HEADER_LEN + 4;

/// One chain of the queue. However it ends, the chain goes back to the driver.
pub(crate) struct QueueExchange {
    ring: Arc<Ring>,
    /// `None` once it was given back.
    chain: Option<Chain>,
    /// The private copy of all that is decoded.
    head: Vec<u8>,
    request: Window,
    reply: Window,
    /// Memory that the payload lies in was taken away.
    lost: bool,
}

/// A part of the chain's readable or writable buffers: what is left of a payload.
#[derive(Debug, Default)]
pub(crate) struct Window {
    begin: usize,
    from: usize,
    to: usize,
}

impl QueueExchange {
    /// A request of `limit` bytes at most. Errors say what is wrong with its chain: a request that
    /// is wrong in itself gets an answer.
    pub(crate) fn new(
        ring: Arc<Ring>,
        chain: Chain,
        head: Vec<u8>,
        limit: u32,
    ) -> Result<Self, &'static str> {
        let mut exchange = Self {
            ring,
            chain: Some(chain),
            head,
            request: Window::default(),
            reply: Window::default(),
            lost: false,
        };
        exchange.read_head(limit)?;
        Ok(exchange)
    }

    fn read_head(&mut self, limit: u32) -> Result<(), &'static str> {
        let Some(chain) = &self.chain else {
            return Ok(());
        };
        let length = chain.readable.len();
        if length < HEADER_LEN {
            return Err("a request is shorter than a header");
        }
        if chain.writable.len() < HEADER_LEN {
            return Err("a request has no room for its reply");
        }
        let head = &mut self.head;
        let copied = self.ring.touch(|memory| {
            head.resize(HEADER_LEN, 0);
            let mut copied = chain.readable.copy_to(memory, 0, head);
            let (size, kind) = match head.first_chunk::<5>() {
                Some(&[a, b, c, d, kind]) => (u32::from_le_bytes([a, b, c, d]), kind),
                None => (0, 0),
            };
            // What its size field is wrong about is answered for its header alone: decoding that
            // fails.
            if size as usize == length && size <= limit {
                head.resize(head_len(kind, size) as usize, 0);
                if let Some(rest) = head.get_mut(HEADER_LEN..) {
                    copied += chain.readable.copy_to(memory, HEADER_LEN, rest);
                }
            }
            copied
        });
        if copied.is_some_and(|copied| copied < head.len()) {
            return Err("a request lies outside the guest's memory");
        }
        self.request = Window::new(head.len(), length);
        Ok(())
    }

    /// The message's type.
    pub(crate) fn kind(&self) -> u8 {
        self.head.get(4).copied().unwrap_or(0)
    }

    /// Writes the head of the reply before its payload and gives the chain back.
    pub(crate) fn answer(mut self, head: &[u8]) {
        let mut error = [0; LERROR_LEN];
        let head = match self.lost && !head.is_empty() {
            true => self.input_output_error(&mut error),
            false => head,
        };
        let payload = self.reply.from - self.reply.begin;
        let announced = head
            .first_chunk()
            .map_or(0, |size| u32::from_le_bytes(*size) as usize);
        // An error replaces the reply whose payload had begun.
        let length = match announced == head.len() + payload {
            true => announced,
            false => head.len(),
        };
        let written = self.chain.as_ref().and_then(|chain| {
            let fits = length <= chain.writable.len();
            fits.then(|| {
                self.ring
                    .touch(|memory| chain.writable.copy_from(memory, 0, head) == head.len())
            })?
        });
        // A reply that has no room is none.
        self.give_back(match written {
            Some(true) => u32::try_from(length).unwrap_or(0),
            _ => 0,
        });
    }

    /// A short count would look like the end of the file.
    fn input_output_error<'e>(&self, error: &'e mut [u8; LERROR_LEN]) -> &'e [u8] {
        let tag = match self.head.get(5..7) {
            Some(&[low, high]) => u16::from_le_bytes([low, high]),
            _ => NOTAG,
        };
        let ecode = Errno::EIO.raw();
        let length = Rmessage::from(Rlerror { ecode }).encode(Dialect::L, tag, error);
        error.get(..length.unwrap_or(0)).unwrap_or_default()
    }

    fn give_back(&mut self, length: u32) {
        if let Some(chain) = self.chain.take() {
            let head = std::mem::take(&mut self.head);
            self.ring.give_back(chain, head, length);
        }
    }
}

impl Drop for QueueExchange {
    fn drop(&mut self) {
        if self.chain.is_some() {
            self.give_back(0);
            self.ring.publish();
        }
    }
}

impl Window {
    fn new(from: usize, to: usize) -> Self {
        Self {
            begin: from,
            from,
            to: to.max(from),
        }
    }

    fn len(&self) -> usize {
        self.to - self.from
    }
}

impl Exchange for QueueExchange {
    fn head(&self) -> &[u8] {
        &self.head
    }

    fn reply_room(&self) -> usize {
        self.chain.as_ref().map_or(0, |chain| chain.writable.len())
    }

    fn request_body(&mut self, count: usize) -> &mut dyn RequestBody {
        let end = self.request.from.saturating_add(count);
        self.request.to = self.request.to.min(end);
        self
    }

    fn reply_body(&mut self, head: usize, count: usize) -> &mut dyn ReplyBody {
        let end = head.saturating_add(count).min(self.reply_room());
        self.reply = Window::new(head, end);
        self
    }
}

impl RequestBody for QueueExchange {
    fn remaining(&self) -> usize {
        self.request.len()
    }

    fn take(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.request.len());
        let (Some(chain), Some(into)) = (&self.chain, into.get_mut(..count)) else {
            return 0;
        };
        let from = self.request.from;
        let copied = self
            .ring
            .touch(|memory| chain.readable.copy_to(memory, from, into))
            .unwrap_or(0);
        self.request.from += copied;
        self.lost |= copied < count;
        copied
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
        let Some(chain) = &self.chain else {
            return Err(Errno::EIO);
        };
        let (from, count) = (self.request.from, self.request.len());
        let written = if flags.contains(IoFlags::MAY_HANG) {
            let mut bytes = vec![0; count];
            let copied = self
                .ring
                .touch(|memory| chain.readable.copy_to(memory, from, &mut bytes))
                .filter(|copied| *copied == count);
            copied.ok_or(Errno::EIO)?;
            pwrite(file, &bytes, offset).map_err(rustix::io::Errno::raw_os_error)
        } else {
            let write = |memory: &_| {
                let pieces = chain
                    .readable
                    .gather(memory, from, count)
                    .ok_or(libc::EIO)?;
                crate::sys::write_from(&pieces, file, offset)
            };
            self.ring.touch(write).ok_or(Errno::EIO)?
        };
        let written = written.map_err(Errno::from_raw)?.min(count);
        self.request.from += written;
        Ok(written)
    }
}

impl ReplyBody for QueueExchange {
    fn room(&self) -> usize {
        self.reply.len()
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.reply.len());
        let (Some(chain), Some(bytes)) = (&self.chain, bytes.get(..count)) else {
            return 0;
        };
        let from = self.reply.from;
        let copied = self
            .ring
            .touch(|memory| chain.writable.copy_from(memory, from, bytes))
            .unwrap_or(0);
        self.reply.from += copied;
        self.lost |= copied < count;
        copied
    }

    fn read_from(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        flags: IoFlags,
    ) -> Result<usize, Errno> {
        let nowait = flags.contains(IoFlags::NOWAIT);
        let (from, count) = (self.reply.from, self.reply.len());
        if flags.contains(IoFlags::MAY_HANG) {
            let mut bytes = vec![0; count];
            let read = read_buffered(file, &mut bytes, offset, nowait)?;
            let bytes = bytes.get(..read).unwrap_or_default();
            return match self.put(bytes) {
                put if put == read => Ok(read),
                _ => Err(Errno::EIO),
            };
        }
        let Some(chain) = &self.chain else {
            return Err(Errno::EIO);
        };
        let read = |memory: &_| {
            let pieces = chain
                .writable
                .gather(memory, from, count)
                .ok_or(libc::EIO)?;
            crate::sys::read_into(&pieces, file, offset, nowait)
        };
        let read = self.ring.touch(read).ok_or(Errno::EIO)?;
        let read = read.map_err(Errno::from_raw)?.min(count);
        self.reply.from += read;
        Ok(read)
    }
}

fn read_buffered(
    file: BorrowedFd<'_>,
    into: &mut [u8],
    offset: u64,
    nowait: bool,
) -> Result<usize, Errno> {
    let mut flags = ReadWriteFlags::empty();
    flags.set(ReadWriteFlags::NOWAIT, nowait);
    preadv2(file, &mut [IoSliceMut::new(into)], offset, flags)
        .map_err(|errno| Errno::from_raw(errno.raw_os_error()))
}
