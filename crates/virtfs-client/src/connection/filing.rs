//! Files the replies that a receive brought.

use virtfs_proto::kind::{RFLUSH, RLERROR, RREAD, RREADDIR};
use virtfs_proto::{Dialect, Header, Rmessage, head_len};

use super::receiver::Receiver;
use super::reply::Reply;
use super::slots::{Answer, Progress, TAGS};
use super::state::State;
use crate::{Error, Result};

const EIO: i32 = 5;

/// The highest errno that Linux knows to be one.
const MAX_ERRNO: u32 = 4095;

/// Files all that is there.
///
/// # Errors
///
/// [`Error::Protocol`]: the server broke the protocol, and the rest makes no sense.
pub(super) fn file(state: &mut State, receiver: &mut Receiver) -> Result<()> {
    if let Some(body) = receiver.finished_body() {
        let payload = Some(body.payload);
        let head = body.head;
        state.answered(body.tag, Ok(Reply { head, payload }));
    }
    while let Some(header) = receiver.header() {
        let header = Header::decode(header).map_err(broken)?;
        let limit = limit(state, &header)?;
        if header.size > limit {
            let Header { size, kind, .. } = header;
            let what = format!("a reply of type {kind} has {size} bytes, at most {limit} fit");
            return Err(Error::Protocol(what));
        }
        let size = header.size as usize;
        let head = head_len(header.kind, header.size) as usize;
        if head < size {
            let Some(bytes) = receiver.waiting().get(..head) else {
                break;
            };
            // It holds the payload's count against the size.
            Rmessage::decode(Dialect::L, bytes).map_err(broken)?;
            receiver.start_body(header.tag, head, size);
            let Some(body) = receiver.finished_body() else {
                break;
            };
            let (head, payload) = (body.head, Some(body.payload));
            state.answered(body.tag, Ok(Reply { head, payload }));
            continue;
        }
        let Some(frame) = receiver.take(size) else {
            break;
        };
        let (tag, message) = Rmessage::decode(Dialect::L, frame).map_err(broken)?;
        let answer: Answer = match message {
            Rmessage::Flush(_) => {
                state.flushed(tag.saturating_sub(TAGS));
                continue;
            }
            Rmessage::Lerror(_) if (TAGS..2 * TAGS).contains(&tag) => {
                state.not_flushed(tag - TAGS);
                continue;
            }
            Rmessage::Lerror(error) => Err(match error.ecode {
                errno @ 1..=MAX_ERRNO => i32::try_from(errno).unwrap_or(EIO),
                _ => EIO,
            }),
            _ => Ok(Reply {
                head: frame.to_vec(),
                payload: None,
            }),
        };
        state.answered(tag, answer);
    }
    Ok(())
}

/// How long a reply with this header may be, if it may be at all.
fn limit(state: &mut State, header: &Header) -> Result<u32> {
    let &Header { kind, tag, .. } = header;
    let (request, is_flush) = match tag {
        TAGS.. if tag < 2 * TAGS => (tag - TAGS, true),
        _ => (tag, false),
    };
    let slot = state.slots.get_mut(request);
    let Some(slot) = slot else {
        return Err(nothing_asked(tag));
    };
    if is_flush {
        return match (slot.flushing, kind) {
            (true, RFLUSH) => Ok(7),
            // No server should, but some know no Tflush.
            (true, RLERROR) => Ok(11),
            (true, _) => Err(Error::Protocol(format!("type {kind} answers a Tflush"))),
            _ => Err(nothing_asked(tag)),
        };
    }
    match (&slot.progress, &slot.expect) {
        (Progress::Awaited, Some(expect)) if kind == RLERROR => Ok(expect.limit.max(11)),
        (Progress::Awaited, Some(expect)) if kind == expect.kind.wrapping_add(1) => {
            Ok(match kind {
                RREAD | RREADDIR => expect.limit,
                _ => expect.limit.min(1 << 17),
            })
        }
        (Progress::Awaited, Some(expect)) => Err(Error::Protocol(format!(
            "a reply of type {kind} came to a request of type {}",
            expect.kind
        ))),
        _ => Err(nothing_asked(tag)),
    }
}

fn nothing_asked(tag: u16) -> Error {
    Error::Protocol(format!("a reply with tag {tag}, which no request has"))
}

fn broken(error: virtfs_proto::DecodeError) -> Error {
    Error::Protocol(error.to_string())
}
