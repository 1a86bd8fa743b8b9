//! How frames get into the stream, whole and in order, while the server may not read.
//!
//! One thread sends at a time, and never sleeps in a send. Small frames are queued and sent by
//! whoever sends. A large one waits for its turn, and goes out from where it lies; when there is
//! no room it waits as for a reply, which means that somebody reads meanwhile.

use std::io::{self, IoSlice};
use std::mem;

use super::batch::Batch;
use super::state::Want;
use super::wait::{Guard, Patience};
use super::{Connection, Parker};
use crate::stream::Stream;
use crate::{Error, Result};

/// Batches longer than this are not queued.
const SMALL: usize = 16 << 10;

/// The most pieces that one call sends.
const PIECES: usize = 64;

/// Memory beyond this is not kept for the next frames.
const SPARE: usize = 64 << 10;

/// How far a send came.
enum Sent {
    All,
    /// So many bytes; there is no room for more now.
    Part(usize),
    Failed(io::Error),
}

impl Connection {
    /// Sends a batch whose tags are set. How many of its requests were begun, which will be sent
    /// whole; why not all, if not all.
    pub(super) fn transmit<'a>(
        &'a self,
        mut state: Guard<'a>,
        batch: &Batch<'_>,
        patience: Patience,
    ) -> (Guard<'a>, usize, Result<()>) {
        if batch.len() <= SMALL {
            for piece in batch.pieces(0) {
                state.pending.extend_from_slice(piece);
            }
            return (self.drain(state), batch.requests(), Ok(()));
        }
        let (mut state, turn) = self.wait(state, Want::TurnToSend, patience, |state| {
            let free = !state.sending && state.lost.is_none();
            state.sending |= free;
            free.then_some(())
        });
        if let Err(error) = turn {
            return (state, 0, Err(error));
        }
        let before = mem::take(&mut state.pending);
        let (state, begun, outcome) = self.send_batch(state, before, batch, patience);
        (self.drained(state), begun, outcome)
    }

    /// Sends `before` and then a batch. What was begun and cannot be ended within `patience` is
    /// queued: no copy is made of a whole request for a server that does not read.
    fn send_batch<'a>(
        &'a self,
        mut state: Guard<'a>,
        before: Vec<u8>,
        batch: &Batch<'_>,
        patience: Patience,
    ) -> (Guard<'a>, usize, Result<()>) {
        let length = before.len();
        let mut sent = 0;
        loop {
            let Some(stream) = state.stream.clone() else {
                return (state, batch.requests(), Ok(()));
            };
            drop(state);
            let ahead = before.get(sent..).unwrap_or_default();
            let skip = sent.saturating_sub(before.len());
            let pieces = [ahead].into_iter().chain(batch.pieces(skip));
            let outcome = send(&stream, pieces);
            state = self.lock();
            match outcome {
                Sent::All => return (state, batch.requests(), Ok(())),
                Sent::Part(count) => sent += count,
                Sent::Failed(error) => {
                    state.fail(error.into());
                    return (state, batch.requests(), Ok(()));
                }
            }
            state.stuck = Some(Parker::current());
            state.wake_leader();
            let (next, room) = self.wait(state, Want::RoomToSend, patience, |state| {
                state.stuck.is_none().then_some(())
            });
            state = next;
            if let Err(error) = room {
                state.stuck = None;
                // A frame that was begun must be ended.
                let (begun, end) = batch.begun(sent.saturating_sub(length));
                let mut left = (length + end).saturating_sub(sent);
                let mut rest = before;
                rest.drain(..sent.min(rest.len()));
                left = left.saturating_sub(rest.len());
                for piece in batch.pieces(sent.saturating_sub(length)) {
                    let piece = piece.get(..left.min(piece.len())).unwrap_or_default();
                    rest.extend_from_slice(piece);
                    left -= piece.len();
                }
                rest.append(&mut state.pending);
                state.pending = rest;
                return (state, begun, Err(error));
            }
        }
    }

    /// Sends what is queued, as far as there is room, unless somebody sends already.
    pub(super) fn drain<'a>(&'a self, mut state: Guard<'a>) -> Guard<'a> {
        if state.sending || state.pending.is_empty() {
            return state;
        }
        state.sending = true;
        self.drained(state)
    }

    /// Sends what is queued, as far as there is room, and gives up the right to send.
    fn drained<'a>(&'a self, mut state: Guard<'a>) -> Guard<'a> {
        while !state.pending.is_empty()
            && let Some(stream) = state.stream.clone()
        {
            let spare = mem::take(&mut state.spare);
            let mut bytes = mem::replace(&mut state.pending, spare);
            drop(state);
            let outcome = send(&stream, [bytes.as_slice()].into_iter());
            state = self.lock();
            match outcome {
                Sent::All => {
                    bytes.clear();
                    if bytes.capacity() <= SPARE {
                        state.spare = bytes;
                    }
                }
                Sent::Part(count) => {
                    bytes.drain(..count.min(bytes.len()));
                    bytes.append(&mut state.pending);
                    state.pending = bytes;
                    break;
                }
                Sent::Failed(error) => state.fail(error.into()),
            }
        }
        state.sending = false;
        if state.lost.is_some() {
            state.pending = Vec::new();
        }
        if !state.pending.is_empty() {
            // The reader must look for room from now on.
            state.wake_leader();
        }
        state.pass_on();
        state
    }

    /// There is room: for the thread that found none, or for what is queued.
    pub(super) fn room_to_send<'a>(&'a self, mut state: Guard<'a>) -> Guard<'a> {
        match state.stuck.take() {
            Some(thread) => {
                state.wake(&thread);
                state
            }
            None => self.drain(state),
        }
    }
}

/// Sends pieces one behind the other until there is no room.
fn send<'p>(stream: &Stream, pieces: impl Iterator<Item = &'p [u8]> + Clone) -> Sent {
    let mut sent = 0;
    loop {
        let mut skip = sent;
        let mut slices = [IoSlice::new(&[]); PIECES];
        let mut count = 0;
        for piece in pieces.clone() {
            let Some(rest) = piece.get(skip..).filter(|rest| !rest.is_empty()) else {
                skip = skip.saturating_sub(piece.len());
                continue;
            };
            skip = 0;
            let Some(slice) = slices.get_mut(count) else {
                break;
            };
            *slice = IoSlice::new(rest);
            count += 1;
        }
        if count == 0 {
            return Sent::All;
        }
        match stream.send(slices.get(..count).unwrap_or_default()) {
            Ok(0) => return Sent::Failed(io::ErrorKind::WriteZero.into()),
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Part(sent),
            Err(error) => return Sent::Failed(error),
        }
    }
}

/// What a message is refused with before it is sent.
pub(super) fn unsendable(error: virtfs_proto::EncodeError) -> Error {
    match error {
        virtfs_proto::EncodeError::TooLong { .. } => {
            Error::Refused("a name is longer than a message can hold", 36)
        }
        _ => Error::Refused("the request is longer than a message", 7),
    }
}
