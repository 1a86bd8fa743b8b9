//! Requests that were sent, and the waits for their replies.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use virtfs_proto::NOFID;

use super::batch::Batch;
use super::reply::Reply;
use super::slots::Answer;
use super::state::{State, Want};
use super::wait::Patience;
use super::{Connection, Parker};
use crate::{Error, Result};

/// How long an interrupted wait goes on for the reply or the `Rflush`.
const GRACE: Duration = Duration::from_secs(1);

const EINTR: i32 = 4;
const EINVAL: i32 = 22;

/// Requests that were sent together or one after the other, in order. Dropped: those whose reply
/// was not collected are flushed.
#[derive(Debug)]
pub(crate) struct InFlight<'a> {
    connection: &'a Connection,
    tags: VecDeque<u16>,
    until: Option<Instant>,
    /// The waits were given up: why, and until when there is hope still.
    given_up: Option<(Error, Instant)>,
    /// Why the last requests were not sent, which have no tags.
    unsent: Option<Error>,
}

impl<'a> InFlight<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        InFlight {
            connection,
            tags: VecDeque::new(),
            until: None,
            given_up: None,
            unsent: None,
        }
    }

    /// Sends more. The time of the wait starts anew. On an error nothing of the batch was sent.
    pub(crate) fn send(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        if let Some(error) = &self.unsent {
            // Later ones must not overtake them.
            return Err(error.clone());
        }
        let connection = self.connection;
        self.until = connection.deadline();
        let patience = Patience {
            until: self.until,
            interruptible: true,
        };
        let (tags, unsent) = connection.begin(batch, patience)?;
        self.tags.extend(tags);
        self.unsent = unsent;
        batch.sent();
        Ok(())
    }

    /// Waits for the oldest reply.
    ///
    /// # Errors
    ///
    /// As the server answered, or why there is no answer.
    pub(crate) fn next(&mut self) -> Result<Reply> {
        let Some(&tag) = self.tags.front() else {
            let nothing = Error::Refused("nothing was asked", EINVAL);
            return Err(self.unsent.clone().unwrap_or(nothing));
        };
        let connection = self.connection;
        loop {
            let patience = match &self.given_up {
                None => Patience {
                    until: self.until,
                    interruptible: true,
                },
                Some((_, until)) => Patience {
                    until: Some(*until),
                    interruptible: false,
                },
            };
            let state = connection.lock();
            let (mut state, outcome) =
                connection.wait(state, Want::Reply, patience, |state| state.collect(tag));
            match (outcome, &self.given_up) {
                (Ok(answer), given_up) => {
                    self.tags.pop_front();
                    // A flush that came back frees a tag; what it made orphan is clunked.
                    drop(connection.drain(state));
                    let why = given_up.as_ref().map(|(why, _)| why);
                    return result(answer, why);
                }
                (Err(error @ (Error::TimedOut | Error::Interrupted)), None) => {
                    self.tags.iter().for_each(|tag| state.flush(*tag));
                    drop(connection.drain(state));
                    let until = match error {
                        Error::Interrupted => Instant::now() + GRACE,
                        _ => Instant::now(),
                    };
                    self.given_up = Some((error, until));
                }
                (Err(error), given_up) => {
                    self.tags.pop_front();
                    state.forget(tag);
                    let error = match given_up {
                        Some((why, _)) if state.lost.is_none() => why.clone(),
                        _ => error,
                    };
                    return Err(error);
                }
            }
        }
    }

    /// Lets go of what is left without flushing it: its replies are on their way and mean nothing.
    pub(crate) fn forget(mut self) {
        let tags = std::mem::take(&mut self.tags);
        self.let_go(tags, State::forget);
    }

    fn let_go(&self, tags: VecDeque<u16>, how: impl Fn(&mut State, u16)) {
        if tags.is_empty() {
            return;
        }
        let mut state = self.connection.lock();
        for tag in tags {
            how(&mut state, tag);
        }
        state.clunk_orphans();
        state = self.connection.drain(state);
        state.pass_on();
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let tags = std::mem::take(&mut self.tags);
        self.let_go(tags, |state, tag| {
            state.flush(tag);
            state.forget(tag);
        });
    }
}

fn result(answer: Result<Answer, ()>, given_up: Option<&Error>) -> Result<Reply> {
    match (answer, given_up) {
        (Ok(Ok(reply)), _) => Ok(reply),
        // How servers answer what was flushed.
        (Ok(Err(EINTR)), Some(why)) => Err(why.clone()),
        (Ok(Err(errno)), _) => Err(Error::Server(errno)),
        (Err(()), why) => Err(why.cloned().unwrap_or(Error::Interrupted)),
    }
}

impl Connection {
    /// Takes tags for a batch and sends it: gives the tags of what was sent, and why that is not
    /// all of it. `Err`: nothing was sent.
    fn begin(
        &self,
        batch: &mut Batch<'_>,
        patience: Patience,
    ) -> Result<(Vec<u16>, Option<Error>)> {
        if patience.interruptible && crate::cancel::cancelled() {
            return Err(Error::Interrupted);
        }
        let me = Parker::current();
        let state = self.lock();
        let (state, tags) = self.wait(state, Want::Tags, patience, |state| {
            if state.lost.is_some() || state.slots.free() < batch.requests() {
                return None;
            }
            let tags = batch.expects().map(|e| state.begin(e, Some(me.clone())));
            tags.collect::<Option<Vec<_>>>()
        });
        let tags = tags?;
        batch.set_tags(tags.iter().copied());
        let (mut state, begun, sent) = self.transmit(state, batch, patience);
        let Err(error) = sent else {
            return Ok((tags, None));
        };
        let mut tags = tags;
        for (tag, expect) in tags.drain(begun..).zip(batch.expects().skip(begun)) {
            state.withdraw(tag);
            if begun > 0 {
                state.numbers.give_up(expect.makes);
                // The request that made it may have been sent.
                state
                    .orphans
                    .extend(Some(expect.ends).filter(|fid| *fid != NOFID));
            }
        }
        state.clunk_orphans();
        state = self.drain(state);
        state.pass_on();
        match begun {
            0 => Err(error),
            _ => Ok((tags, Some(error))),
        }
    }
}
