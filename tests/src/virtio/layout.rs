//! How a driver cuts requests and replies into descriptors.

use virtfs_proto::kind;

/// How buffers are cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// One descriptor for the request and one for the reply.
    Whole,
    /// As Linux does: in pieces of pages; the payload of a `Twrite`, `Rread` or `Rreaddir` lies in
    /// the pages of somebody else, which begin anywhere.
    Linux,
    /// One byte each where heads lie; the rest in a few pieces.
    Bytes,
}

const PAGE: usize = 4096;

/// Where the payload of a zero-copy transfer begins in its first page.
const INTO_PAGE: usize = 100;

/// How many one-byte descriptors a request and the room for its reply begin with: all of a
/// fixed head, and some of what follows.
const SINGLE: [usize; 2] = [26, 13];

impl Layout {
    /// The lengths of the pieces of a request and of the room for its reply. There are about
    /// `most` in all, if more than 100.
    pub fn cut(self, frame: &[u8], room: usize, most: usize) -> [Vec<usize>; 2] {
        let kind = frame.get(4).copied().unwrap_or(0);
        let step = |length: usize| length.div_ceil(most / 4).next_multiple_of(PAGE);
        match self {
            Self::Whole => [vec![frame.len()], vec![room]],
            Self::Linux => {
                let request = match kind {
                    kind::TWRITE => payload(23, frame.len(), step(frame.len())),
                    _ => pieces(frame.len(), step(frame.len())),
                };
                let reply = match kind {
                    kind::TREAD | kind::TREADDIR => payload(11, room, step(room)),
                    _ => pieces(room, step(room)),
                };
                [request, reply]
            }
            Self::Bytes => [single(frame.len(), SINGLE[0]), single(room, SINGLE[1])],
        }
    }
}

/// How long the reply to a request can be, as far as Linux makes room for it.
pub fn reply_room(frame: &[u8], msize: usize) -> usize {
    match frame.get(4) {
        Some(&(kind::TREAD | kind::TREADDIR)) => {
            let count = frame.get(19..23).and_then(|count| count.try_into().ok());
            let count = u32::from_le_bytes(count.unwrap_or_default());
            msize.min(11_usize.saturating_add(count as usize))
        }
        _ => msize.min(8192),
    }
}

fn pieces(length: usize, step: usize) -> Vec<usize> {
    let count = length.div_ceil(step);
    (0..count).map(|at| step.min(length - at * step)).collect()
}

/// A head, the rest of a page, and pages.
fn payload(head: usize, length: usize, step: usize) -> Vec<usize> {
    let payload = length.saturating_sub(head);
    let first = payload.min(step - INTO_PAGE);
    let mut all = vec![length.min(head), first];
    all.extend(pieces(payload - first, step));
    all.retain(|&length| length > 0);
    all
}

fn single(length: usize, count: usize) -> Vec<usize> {
    let mut all = vec![1; length.min(count)];
    all.extend(pieces(length.saturating_sub(count), 60_001));
    all
}
