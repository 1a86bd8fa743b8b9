//! A request in guest memory, and room for its reply.

use std::sync::Arc;

use super::{GuestRam, Layout, Segment};

/// How many bytes around every piece are known.
const GUARD: usize = 8;

/// What they are.
const CANARY: [u8; GUARD] = [0xca; GUARD];

/// A request and room for its reply in guest memory. The pieces lie in no order, with canaries
/// between them.
#[derive(Debug)]
pub struct Placed {
    ram: Arc<GuestRam>,
    /// The request.
    pub readable: Vec<Segment>,
    /// Room for the reply.
    pub writable: Vec<Segment>,
    block: (u64, u64),
}

impl Placed {
    /// Places a request; `None` if there is no memory left for it.
    pub fn new(
        ram: &Arc<GuestRam>,
        frame: &[u8],
        room: usize,
        layout: Layout,
        most: usize,
    ) -> Option<Self> {
        let [request, reply] = layout.cut(frame, room, most);
        Self::in_pieces(ram, frame, &request, &reply)
    }

    /// Places a request in pieces of these lengths, and room in pieces of those.
    pub fn in_pieces(
        ram: &Arc<GuestRam>,
        frame: &[u8],
        request: &[usize],
        reply: &[usize],
    ) -> Option<Self> {
        let count = request.len() + reply.len();
        let bytes: usize = request.iter().chain(reply).sum();
        let length = (bytes + (count + 1) * GUARD) as u64;
        let start = ram.allocate(length, 1)?;
        let mut at = start + length;
        let mut place = |length: &usize| {
            at -= (GUARD + length) as u64;
            ram.write(at + *length as u64, &CANARY);
            Segment {
                address: at,
                length: *length as u32,
            }
        };
        let readable: Vec<_> = request.iter().map(&mut place).collect();
        let writable: Vec<_> = reply.iter().map(&mut place).collect();
        ram.write(start, &CANARY);
        let mut rest = frame;
        for segment in &readable {
            let (piece, behind) = rest.split_at(rest.len().min(segment.length as usize));
            ram.write(segment.address, piece);
            rest = behind;
        }
        Some(Self {
            ram: ram.clone(),
            readable,
            writable,
            block: (start, length),
        })
    }

    /// The first bytes of the room for the reply.
    pub fn reply(&self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length);
        for segment in &self.writable {
            let more = (segment.length as usize).min(length - bytes.len());
            bytes.extend(self.ram.bytes(segment.address, more));
        }
        assert_eq!(bytes.len(), length, "no more was written than had room");
        bytes
    }

    /// Whether nothing was written beside the pieces.
    pub fn is_intact(&self) -> bool {
        let canary = |at| self.ram.bytes(at, GUARD) == CANARY;
        let all = self.readable.iter().chain(&self.writable);
        canary(self.block.0)
            && all
                .map(|segment| segment.address + u64::from(segment.length))
                .all(canary)
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        self.ram.release(self.block.0, self.block.1);
    }
}
