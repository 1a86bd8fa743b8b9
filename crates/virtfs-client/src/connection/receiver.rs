//! Cuts the stream of replies into frames.
//!
//! Small frames are cut out of one buffer. The rest of a long payload is received where it stays.

use std::io;
use std::sync::Arc;

use virtfs_proto::HEADER_LEN;

use super::pool::{Payload, Pool};
use crate::stream::Stream;

/// How much is asked for at once while replies are small.
const SMALL: usize = 16 << 10;

/// The receiving half of a connection; whoever has it reads for all.
pub(super) struct Receiver {
    buffer: Vec<u8>,
    /// What was received and not yet cut: `from..to` of the buffer.
    from: usize,
    to: usize,
    body: Option<Body>,
    /// The last receive took all there was room for: there may be more at once.
    more: bool,
    pool: Arc<Pool>,
}

/// A reply of which a part of the payload is still to come.
pub(super) struct Body {
    pub(super) tag: u16,
    pub(super) head: Vec<u8>,
    pub(super) payload: Payload,
    filled: usize,
}

/// What a receive brought.
pub(super) enum Received {
    Bytes,
    /// Nothing is there yet.
    Nothing,
    End,
}

impl Receiver {
    pub(super) fn new(pool: Arc<Pool>) -> Receiver {
        Receiver {
            buffer: vec![0; SMALL],
            from: 0,
            to: 0,
            body: None,
            more: false,
            pool,
        }
    }

    /// Whether a receive should be tried without polling first.
    pub(super) fn expects_more(&self) -> bool {
        self.more
    }

    /// Takes what is there, without sleeping.
    pub(super) fn receive(&mut self, stream: &Stream) -> io::Result<Received> {
        let room = match &mut self.body {
            Some(body) => body.payload.bytes_mut().get_mut(body.filled..),
            None => {
                if self.from > 0 {
                    self.buffer.copy_within(self.from..self.to, 0);
                    (self.from, self.to) = (0, self.to - self.from);
                }
                self.buffer.get_mut(self.to..)
            }
        };
        let room = room.unwrap_or_default();
        let wanted = room.len();
        self.more = false;
        match stream.receive(room) {
            Ok(0) => Ok(Received::End),
            Ok(count) => {
                match &mut self.body {
                    Some(body) => body.filled += count,
                    None => self.to += count,
                }
                self.more = count == wanted;
                Ok(Received::Bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Received::Nothing),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Received::Nothing),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Received::End),
            Err(error) => Err(error),
        }
    }

    /// What waits to be cut, up to the end of the buffer.
    pub(super) fn waiting(&self) -> &[u8] {
        self.buffer.get(self.from..self.to).unwrap_or_default()
    }

    /// The next `size` bytes, if they are there and nothing comes before them; they are taken.
    pub(super) fn take(&mut self, size: usize) -> Option<&[u8]> {
        if self.body.is_some() {
            return None;
        }
        if size > self.buffer.len() {
            // A long reply without a payload; its size was checked.
            self.buffer.resize(size, 0);
        }
        let frame = self.from..self.from.checked_add(size)?;
        if frame.end > self.to {
            return None;
        }
        self.from = frame.end;
        self.buffer.get(frame)
    }

    /// Takes the head of a reply that is there, and what there is of its payload.
    pub(super) fn start_body(&mut self, tag: u16, head: usize, size: usize) {
        let payload = size.saturating_sub(head);
        let mut payload = self.pool.take(payload);
        let (head_bytes, rest) = self.waiting().split_at_checked(head).unwrap_or_default();
        let filled = rest.len().min(payload.len());
        if let (Some(to), Some(from)) = (payload.bytes_mut().get_mut(..filled), rest.get(..filled))
        {
            to.copy_from_slice(from);
        }
        let head_bytes = head_bytes.to_vec();
        self.from = (self.from + head + filled).min(self.to);
        self.body = Some(Body {
            tag,
            head: head_bytes,
            payload,
            filled,
        });
    }

    /// The reply whose payload came last, if it is whole now.
    pub(super) fn finished_body(&mut self) -> Option<Body> {
        self.body.take_if(|body| body.filled >= body.payload.len())
    }

    pub(super) fn header(&self) -> Option<&[u8; HEADER_LEN]> {
        match self.body {
            Some(_) => None,
            None => self.waiting().first_chunk(),
        }
    }
}
