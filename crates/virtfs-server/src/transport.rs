//! What a session needs of a transport.
//!
//! A transport cuts what it receives into [`Exchange`]s. An exchange owns its buffers, so that a
//! request that must wait is an entry in a queue, never a thread.

use std::fmt;

use virtfs_vfs::{ReplyBody, RequestBody};

/// One request and the room for its reply.
pub trait Exchange: Send + 'static {
    /// The request's head, header included, in private memory: all of the frame but the payload
    /// of a `Twrite`.
    fn head(&self) -> &[u8];

    /// How many bytes the whole reply may have on this transport, beside the msize.
    fn reply_room(&self) -> usize;

    /// The payload of a `Twrite`: its first `count` bytes.
    fn request_body(&mut self, count: usize) -> &mut dyn RequestBody;

    /// Where the payload of the reply goes: `count` bytes, behind a head of `head` bytes.
    fn reply_body(&mut self, head: usize, count: usize) -> &mut dyn ReplyBody;
}

/// Why a session ends that its peer did not end properly.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// A frame's size field is below 7 or beyond the msize.
    FrameSize {
        /// What it says.
        size: u32,
        /// The most that it may say.
        limit: u32,
    },
    /// The transport's own protocol was broken.
    Malformed(&'static str),
    /// A request came with the tag of one that is still unanswered.
    DuplicateTag(u16),
    /// The transport failed.
    Io(std::io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameSize { size, limit } => {
                write!(
                    f,
                    "the peer sent a frame of {size} bytes (7 to {limit} are allowed)"
                )
            }
            Self::Malformed(what) => write!(f, "the peer broke the protocol: {what}"),
            Self::DuplicateTag(tag) => {
                write!(f, "the peer used tag {tag} again before it was answered")
            }
            Self::Io(error) => write!(f, "the connection failed: {error}"),
        }
    }
}

impl Fault {
    /// Whether it is the peer's, and not the host's.
    pub fn is_of_peer(&self) -> bool {
        !matches!(self, Self::Io(_))
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// The receiving half of a transport; one thread of the session at a time has it.
pub trait Receiver: Send + 'static {
    /// What it gives.
    type Exchange: Exchange;

    /// The kind of the next request that has been received whole, if there is one.
    fn peek(&mut self) -> Result<Option<u8>, Fault>;

    /// The next request that has been received whole.
    fn next(&mut self) -> Result<Option<Self::Exchange>, Fault>;

    /// Waits for more to arrive and takes all that is there; `false` at the end. May return
    /// early, with nothing received, when interrupted.
    fn fill(&mut self) -> Result<bool, Fault>;

    /// From now on frames may be this long.
    fn set_msize(&mut self, msize: u32);
}

/// The sending half of a transport, shared by the session's threads.
pub trait Transport: Send + Sync + 'static {
    /// What it takes replies for.
    type Exchange: Exchange;
    /// Its receiving half.
    type Receiver: Receiver<Exchange = Self::Exchange>;

    /// Completes an exchange: `head` is the encoded reply but for the payload that was put into
    /// the reply's body. It may stay unsent until [`Transport::flush`].
    fn reply(&self, exchange: Self::Exchange, head: &[u8]);

    /// Ends an exchange without a reply: its request was flushed.
    fn discard(&self, exchange: Self::Exchange);

    /// Whether a flush now would send something.
    fn has_replies(&self) -> bool;

    /// Whether so much waits to be sent that no more should be asked for.
    fn is_congested(&self) -> bool;

    /// Whether so much memory is in use that a session should have one request at a time.
    fn is_short(&self) -> bool {
        false
    }

    /// Sends all finished replies. One thread at a time does; others return at once. A transport
    /// that cannot send any more drops replies and lets the receiver see the end.
    fn flush(&self);

    /// Makes the receiver see the end, now or when what has arrived is used up. May be called again.
    fn stop_receiving(&self);

    /// The session ends because the peer broke the protocol.
    fn peer_failed(&self) {}

    /// Gives the connection up: a receive or a flush that sleeps ends.
    fn abort(&self) {
        self.stop_receiving();
    }
}
