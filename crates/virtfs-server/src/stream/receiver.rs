//! Cuts the stream into frames.
//!
//! Each receive goes into a buffer of its own; the frames in it share it, so that the payload of
//! a write stays where it arrived. A frame that was cut is carried to the front of the next
//! buffer.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use virtfs_proto::HEADER_LEN;

use super::buffer::{Buffer, Pool};
use super::connection::Connection;
use super::exchange::StreamExchange;
use crate::transport::{Fault, Receiver};

/// How much is asked for at once while frames are small.
const SMALL: usize = 32 << 10;

/// The longest frame that is taken before an msize was agreed on.
const BEFORE_VERSION: u32 = 8192;

/// A frame that is a smaller part of a large buffer than this does not keep it in memory: a
/// request that must wait could hold far more than it counts for.
const LARGEST_SHARE: usize = 8;

/// The receiving half of a session over a byte stream.
pub(crate) struct StreamReceiver {
    connection: Arc<dyn Connection>,
    pool: Arc<Pool>,
    /// What was received: `from..to` is not yet cut into frames.
    buffer: Arc<Buffer>,
    from: usize,
    to: usize,
    limit: u32,
    /// How long the next buffer should be: after a long frame more of them will come.
    wanted: usize,
}

impl StreamReceiver {
    pub(super) fn new(connection: Arc<dyn Connection>, pool: Arc<Pool>, msize: u32) -> Self {
        let buffer = Arc::new(pool.take(SMALL));
        let limit = msize.min(BEFORE_VERSION);
        Self {
            connection,
            pool,
            buffer,
            from: 0,
            to: 0,
            limit,
            wanted: SMALL,
        }
    }

    fn waiting(&self) -> &[u8] {
        self.buffer.get(self.from..self.to).unwrap_or_default()
    }

    /// The size of the next frame, if its header is there.
    fn frame_size(&self) -> Result<Option<usize>, Fault> {
        let Some(size) = self
            .waiting()
            .first_chunk()
            .map(|size| u32::from_le_bytes(*size))
        else {
            return Ok(None);
        };
        if (size as usize) < HEADER_LEN || size > self.limit {
            return Err(Fault::FrameSize {
                size,
                limit: self.limit,
            });
        }
        Ok(Some(size as usize))
    }

    fn copy_of(&self, frame: &Range<usize>) -> Buffer {
        let mut copy = self.pool.take(frame.len());
        let from = self.buffer.get(frame.clone()).unwrap_or_default();
        if let Some(to) = copy.get_mut(..from.len()) {
            to.copy_from_slice(from);
        }
        copy
    }

    /// Makes room behind what waits, for the rest of its frame at least. What waits is moved only
    /// if it must be.
    fn make_room(&mut self) -> Result<(), Fault> {
        let (from, waits) = (self.from, self.to - self.from);
        let frame = self.frame_size()?.unwrap_or(HEADER_LEN);
        let length = self.buffer.len();
        match Arc::get_mut(&mut self.buffer) {
            // Nobody holds a frame of this buffer any more.
            Some(_) if waits == 0 && length >= self.wanted => {}
            // At the front there is room for all of it; a move would only copy it onto itself.
            Some(_) if from == 0 && frame <= length => return Ok(()),
            Some(_) if from + frame <= length && length - self.to >= SMALL / 4 => return Ok(()),
            Some(buffer) if frame <= length && length >= self.wanted => {
                buffer.copy_within(from..from + waits, 0);
            }
            _ => {
                let mut next = self.pool.take(self.wanted.max(frame));
                if let (Some(to), Some(from)) =
                    (next.get_mut(..waits), self.buffer.get(from..from + waits))
                {
                    to.copy_from_slice(from);
                }
                self.buffer = Arc::new(next);
            }
        }
        (self.from, self.to) = (0, waits);
        Ok(())
    }
}

impl Receiver for StreamReceiver {
    type Exchange = StreamExchange;

    fn peek(&mut self) -> Result<Option<u8>, Fault> {
        let whole = self
            .frame_size()?
            .is_some_and(|size| size <= self.to - self.from);
        Ok(if whole {
            self.waiting().get(4).copied()
        } else {
            None
        })
    }

    fn next(&mut self) -> Result<Option<StreamExchange>, Fault> {
        let Some(size) = self.frame_size()? else {
            return Ok(None);
        };
        if size > self.to - self.from {
            return Ok(None);
        }
        let frame = self.from..self.from + size;
        // A long frame fills a buffer; the next one should find room for the whole of it.
        self.wanted = if size > SMALL / 2 {
            size + SMALL
        } else {
            SMALL
        };
        let length = self.buffer.len();
        let (buffer, frame) = if length > SMALL && size < length / LARGEST_SHARE {
            (Arc::new(self.copy_of(&frame)), 0..size)
        } else {
            (self.buffer.clone(), frame)
        };
        self.from += size;
        Ok(Some(StreamExchange::new(buffer, frame, self.pool.clone())))
    }

    fn fill(&mut self) -> Result<bool, Fault> {
        self.make_room()?;
        let buffer = Arc::get_mut(&mut self.buffer);
        let room = buffer
            .and_then(|buffer| buffer.get_mut(self.to..))
            .unwrap_or_default();
        match self.connection.receive(room) {
            Ok(0) => Ok(false),
            Ok(received) => {
                self.to += received;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            // How a client that died looks on TCP.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(Fault::Io(error)),
        }
    }

    fn set_msize(&mut self, msize: u32) {
        self.limit = msize;
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::sync::Mutex;

    use super::*;
    use crate::transport::Exchange;

    /// A stream that arrives in pieces of these lengths, again and again.
    struct Pieces {
        bytes: Vec<u8>,
        /// How many bytes were received, in how many pieces.
        received: Mutex<(usize, usize)>,
        lengths: Vec<usize>,
    }

    impl Connection for Pieces {
        fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
            assert!(!into.is_empty(), "nothing asked for looks like the end");
            let mut received = self.received.lock().unwrap();
            let rest = &self.bytes[received.0..];
            let length = self.lengths[received.1 % self.lengths.len()];
            let length = length.min(rest.len()).min(into.len());
            into[..length].copy_from_slice(&rest[..length]);
            *received = (received.0 + length, received.1 + 1);
            Ok(length)
        }

        fn send(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
            unreachable!("a receiver sends nothing")
        }

        fn stop_receiving(&self) {}
    }

    fn receiver(bytes: Vec<u8>, lengths: &[usize]) -> StreamReceiver {
        let pieces = Pieces {
            bytes,
            received: Mutex::default(),
            lengths: lengths.to_vec(),
        };
        let pool = Pool::new(&crate::Limits::default(), &Arc::default());
        let mut receiver = StreamReceiver::new(Arc::new(pieces), Arc::new(pool), 1 << 20);
        receiver.set_msize(1 << 20);
        receiver
    }

    /// A frame of this size, whose bytes tell which one it is. Its kind has no payload.
    fn frame(size: usize, number: u16) -> Vec<u8> {
        let mut frame = vec![number.to_le_bytes()[0]; size];
        frame[..4].copy_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
        frame[4] = 24;
        frame[5..7].copy_from_slice(&number.to_le_bytes());
        frame
    }

    #[test]
    fn frames_come_out_whole_however_they_arrive_and_are_held() {
        const SIZES: [usize; 10] = [7, 11, 30_000, 23, 1 << 20, 40, 32_768, 19, 9000, 250_000];
        for lengths in [
            &[1 << 22][..],
            &[4093],
            &[1, 5, 70_000, 3],
            &[32_768, 1],
            &[100_000],
        ] {
            for hold in [0, 3, 64] {
                let frames: Vec<_> = SIZES.iter().cycle().take(13).zip(0..).collect();
                let bytes = frames
                    .iter()
                    .flat_map(|(size, number)| frame(**size, *number));
                let mut receiver = receiver(bytes.collect(), lengths);
                let mut held: Vec<(Vec<u8>, StreamExchange)> = Vec::new();
                let mut frames = frames.iter();
                while receiver.fill().unwrap() {
                    while receiver.peek().unwrap().is_some() {
                        let (size, number) = frames.next().unwrap();
                        let exchange = receiver.next().unwrap().unwrap();
                        held.push((frame(**size, *number), exchange));
                    }
                    for (frame, exchange) in held.drain(..held.len().saturating_sub(hold)) {
                        assert!(exchange.head() == frame, "frame {:?}", &frame[..7]);
                    }
                }
                assert!(frames.next().is_none());
            }
        }
    }

    #[test]
    fn a_small_request_holds_no_large_buffer() {
        let pair = |number| [frame(1 << 20, number), frame(11, number)].concat();
        let mut receiver = receiver((0..20).flat_map(pair).collect(), &[1 << 22]);
        let mut held = Vec::new();
        while receiver.fill().unwrap() {
            while receiver.peek().unwrap().is_some() {
                held.extend(receiver.next().unwrap());
                held.retain(|exchange| exchange.head().len() == 11);
            }
        }
        let bytes: usize = held.iter().map(StreamExchange::held).sum();
        assert!(held.len() == 20 && bytes <= 20 * SMALL, "{bytes}");
    }
}
