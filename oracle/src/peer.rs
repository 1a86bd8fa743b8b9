//! What the two sides have in common: bytes of a request go in, bytes of its reply come out.

use crate::failure::Result;

/// What came of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// A reply.
    Frame(Vec<u8>),
    /// None: the device needs a reset, or the session has ended.
    Broken,
}

/// A server to send requests to, one at a time.
pub(crate) trait Peer {
    /// Sends a request and waits for what comes of it. An error is no answer: it ends the run.
    fn call(&mut self, frame: &[u8]) -> Result<Answer>;

    /// That this msize was agreed on.
    fn negotiated(&mut self, msize: u32);

    /// Starts anew: no version, no fids.
    fn renew(&mut self) -> Result;
}
