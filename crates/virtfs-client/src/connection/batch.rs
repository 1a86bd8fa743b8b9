//! Requests that are sent together.

use virtfs_proto::{Dialect, NOFID, Tmessage};

use super::expect::Expect;
use super::send::unsendable;
use super::{Connection, InFlight};
use crate::{Error, Result};

/// Requests that are sent together, in order: their heads one behind the other, and payloads
/// where the caller has them.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    connection: &'a Connection,
    /// Numbers of fids that the requests are to make: given up if they are never sent.
    fresh: Vec<u32>,
    heads: Vec<u8>,
    requests: Vec<Request<'a>>,
    payloads: usize,
}

#[derive(Debug)]
struct Request<'a> {
    /// Where its head starts and ends.
    head: (usize, usize),
    payload: &'a [u8],
    expect: Expect,
}

const E2BIG: i32 = 7;

/// Longer than any request without strings.
const FIXED: usize = 128;

impl<'a> Batch<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self {
            connection,
            fresh: Vec::new(),
            heads: Vec::new(),
            requests: Vec::new(),
            payloads: 0,
        }
    }

    /// A number for a fid that a request of this batch is to make.
    pub(crate) fn fresh(&mut self) -> u32 {
        let number = self.connection.new_number();
        self.fresh.push(number);
        number
    }

    /// The request for the last number cannot be made.
    pub(crate) fn stale(&mut self) {
        if let Some(number) = self.fresh.pop() {
            self.connection.give_up_number(number);
        }
    }

    /// # Errors
    ///
    /// [`Error::Refused`]: it cannot be said in the protocol.
    pub(crate) fn push<'m>(&mut self, message: impl Into<Tmessage<'m>>) -> Result<()> {
        self.push_with(message, &[])
    }

    /// A request with its payload.
    pub(crate) fn push_with<'m>(
        &mut self,
        message: impl Into<Tmessage<'m>>,
        payload: &'a [u8],
    ) -> Result<()> {
        let message = message.into();
        let start = self.heads.len();
        let mut room = FIXED;
        let end = loop {
            self.heads.resize(start + room, 0);
            let head = self.heads.get_mut(start..).unwrap_or_default();
            match message.encode(Dialect::L, 0, head) {
                Ok(length) => break start + length,
                // Strings: at most 16 names of a walk, two names, or a name and a target.
                Err(virtfs_proto::EncodeError::BufferTooSmall { .. }) if room < 2 << 20 => {
                    room *= 4;
                }
                Err(error) => {
                    self.heads.truncate(start);
                    return Err(unsendable(error));
                }
            }
        };
        if end - start + payload.len() > self.connection.msize() as usize {
            self.heads.truncate(start);
            return Err(Error::Refused(
                "the request is longer than a message",
                E2BIG,
            ));
        }
        self.heads.truncate(end);
        self.payloads += payload.len();
        self.requests.push(Request {
            head: (start, end),
            payload,
            expect: Expect::of(&message),
        });
        Ok(())
    }

    /// The fid that the last request makes is ended within the batch, or by who holds it already:
    /// nothing is to be done about it when the request fails or is given up.
    pub(crate) fn leave_fid_alone(&mut self) {
        if let Some(request) = self.requests.last_mut() {
            request.expect.makes = NOFID;
        }
    }

    /// Sends it. The time of its wait starts.
    ///
    /// # Errors
    ///
    /// Nothing was sent, and why.
    pub(crate) fn send(&mut self) -> Result<InFlight<'a>> {
        let mut in_flight = InFlight::new(self.connection);
        in_flight.send(self)?;
        Ok(in_flight)
    }

    /// It was sent: the numbers are the connection's business now.
    pub(super) fn sent(&mut self) {
        self.fresh.clear();
    }

    /// Empties it, to be filled anew.
    pub(crate) fn clear(&mut self) {
        self.heads.clear();
        self.requests.clear();
        self.payloads = 0;
    }

    pub(super) fn expects(&self) -> impl Iterator<Item = Expect> {
        self.requests.iter().map(|request| request.expect)
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.len()
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        self.heads.len() + self.payloads
    }

    pub(super) fn set_tags(&mut self, tags: impl Iterator<Item = u16>) {
        for (request, tag) in self.requests.iter().zip(tags) {
            let at = request.head.0 + 5;
            if let Some(bytes) = self.heads.get_mut(at..at + 2) {
                bytes.copy_from_slice(&tag.to_le_bytes());
            }
        }
    }

    /// How many requests have a byte among the first `sent`, and how many bytes they have in all.
    pub(super) fn begun(&self, sent: usize) -> (usize, usize) {
        let mut end = 0;
        let begun = self.requests.iter().take_while(|request| {
            let begun = end < sent;
            if begun {
                end += request.head.1 - request.head.0 + request.payload.len();
            }
            begun
        });
        (begun.count(), end)
    }

    /// Its bytes from `skip` on, in pieces.
    pub(super) fn pieces(&self, mut skip: usize) -> impl Iterator<Item = &[u8]> + Clone {
        self.requests
            .iter()
            .flat_map(|request| {
                let head = self.heads.get(request.head.0..request.head.1);
                [head.unwrap_or_default(), request.payload]
            })
            .filter_map(move |piece| {
                let rest = piece.get(skip..);
                skip = skip.saturating_sub(piece.len());
                rest.filter(|rest| !rest.is_empty())
            })
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for number in self.fresh.drain(..) {
            self.connection.give_up_number(number);
        }
    }
}
