//! Large reads and writes: split into requests, several of them in flight.

use std::collections::VecDeque;

use virtfs_proto::{Tread, Twrite};

use crate::connection::{Batch, Payload, fields};
use crate::fid::Handle;
use crate::{Error, Result};

/// How a transfer is split.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Split {
    /// The most bytes of one request; not 0.
    pub(crate) chunk: usize,
    /// The most requests in flight; not 0.
    pub(crate) depth: usize,
}

/// Reads up to `length` bytes and gives them to `sink` as they came, in order. A short reply ends
/// it; so does an error, which is returned only if nothing came before.
pub(crate) fn read(
    handle: &Handle,
    split: Split,
    offset: u64,
    length: usize,
    mut sink: impl FnMut(Payload),
) -> Result<usize> {
    let fid = handle.number();
    let mut parts = Parts::new(split, offset, length);
    let mut asked = VecDeque::new();
    let mut batch = Batch::new(handle.connection());
    for part in parts.by_ref().take(split.depth) {
        batch.push(part.read(fid))?;
        asked.push_back(part.count);
    }
    if asked.is_empty() {
        return Ok(0);
    }
    let mut sent = batch.send()?;
    let mut got = 0;
    while let Some(wanted) = asked.pop_front() {
        let payload = match sent.next() {
            Ok(reply) => reply.into_payload(),
            Err(error) if got == 0 => return Err(error),
            Err(_) => break,
        };
        let count = payload.as_ref().map_or(0, |payload| payload.len());
        payload.into_iter().for_each(&mut sink);
        got += count;
        if count < wanted as usize {
            // The end of the file: what is left in flight ends at once too.
            sent.forget();
            break;
        }
        if let Some(part) = parts.next() {
            batch.clear();
            if batch.push(part.read(fid)).is_err() || sent.send(&mut batch).is_err() {
                // What is in flight behind the gap is of use still, as far as it goes.
                parts.stop();
                continue;
            }
            asked.push_back(part.count);
        }
    }
    Ok(got)
}

/// Writes bytes; how many in a row from the first on. A short reply ends it; so does an error,
/// which is returned only if nothing was written before. No write is in flight any more when it
/// returns, unless it was given up.
pub(crate) fn write(handle: &Handle, split: Split, offset: u64, bytes: &[u8]) -> Result<usize> {
    let fid = handle.number();
    let mut parts = Parts::new(split, offset, bytes.len());
    let mut asked = VecDeque::new();
    let mut batch = Batch::new(handle.connection());
    for part in parts.by_ref().take(split.depth) {
        part.write(&mut batch, fid, bytes)?;
        asked.push_back(part.count);
    }
    if asked.is_empty() {
        return Ok(0);
    }
    let mut sent = batch.send()?;
    let mut written = 0;
    let mut ended = None;
    while let Some(wanted) = asked.pop_front() {
        let outcome = sent.next().and_then(|reply| {
            let count = fields!(reply, Write)?.count;
            match count <= wanted {
                true => Ok(count),
                false => Err(handle.broken(format!("Rwrite: {count} of {wanted} bytes"))),
            }
        });
        if ended.is_some() {
            continue;
        }
        match outcome {
            Ok(count) => {
                written += count as usize;
                if count < wanted {
                    ended = Some(Ok(()));
                }
            }
            Err(error) => ended = Some(Err(error)),
        }
        if ended.is_none()
            && let Some(part) = parts.next()
        {
            batch.clear();
            let more = part.write(&mut batch, fid, bytes);
            match more.and_then(|()| sent.send(&mut batch)) {
                Ok(()) => asked.push_back(part.count),
                Err(_) => parts.stop(),
            }
        }
    }
    match ended {
        Some(Err(error)) if written == 0 => Err(error),
        _ => Ok(written),
    }
}

/// A part of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    /// Where in the caller's buffer.
    at: usize,
    offset: u64,
    count: u32,
}

impl Part {
    fn read(self, fid: u32) -> Tread {
        Tread {
            fid,
            offset: self.offset,
            count: self.count,
        }
    }

    fn write<'a>(self, batch: &mut Batch<'a>, fid: u32, bytes: &'a [u8]) -> Result<()> {
        let (offset, count) = (self.offset, self.count);
        let part = bytes.get(self.at..).unwrap_or_default();
        let payload = part.get(..count as usize).unwrap_or_default();
        batch.push_with(Twrite { fid, offset, count }, payload)
    }
}

/// The parts of a transfer, in order.
#[derive(Debug)]
struct Parts {
    at: usize,
    length: usize,
    offset: u64,
    chunk: usize,
}

impl Parts {
    fn new(split: Split, offset: u64, length: usize) -> Parts {
        // Nothing lies beyond the last offset.
        let possible = usize::try_from(u64::MAX - offset).unwrap_or(usize::MAX);
        Parts {
            at: 0,
            length: length.min(possible),
            offset,
            chunk: split.chunk.clamp(1, u32::MAX as usize),
        }
    }

    fn stop(&mut self) {
        self.at = self.length;
    }
}

impl Iterator for Parts {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        let at = self.at;
        let count = (self.length - at).min(self.chunk);
        self.at += count;
        (count > 0).then(|| Part {
            at,
            offset: self.offset + at as u64,
            count: u32::try_from(count).unwrap_or(u32::MAX),
        })
    }
}

impl Handle {
    /// The server broke the protocol: that ends the connection.
    pub(crate) fn broken(&self, what: String) -> Error {
        let error = Error::Protocol(what);
        self.connection().fail(error.clone());
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(chunk: usize, offset: u64, length: usize) -> Vec<(usize, u64, u32)> {
        let split = Split { chunk, depth: 1 };
        let parts = Parts::new(split, offset, length);
        parts
            .map(|part| (part.at, part.offset, part.count))
            .collect()
    }

    #[test]
    fn parts_cover_the_transfer_once() {
        assert_eq!(parts(4, 10, 9), [(0, 10, 4), (4, 14, 4), (8, 18, 1)]);
        assert_eq!(parts(4, 0, 4), [(0, 0, 4)]);
        assert_eq!(parts(4, 0, 0), []);
    }

    #[test]
    fn no_part_goes_beyond_the_last_offset() {
        assert_eq!(parts(8, u64::MAX - 3, 100), [(0, u64::MAX - 3, 3)]);
        assert_eq!(parts(8, u64::MAX, 100), []);
    }
}
