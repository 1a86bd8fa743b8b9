//! How threads wait: one reads for all, the others sleep.
//!
//! The connection has no thread of its own. A thread that waits reads if nobody does, files what
//! came for whom it came, and leaves reading to another when what it waits for is there.

use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use super::filing::file;
use super::receiver::{Received, Receiver};
use super::state::{State, Want};
use super::{Connection, Parker};
use crate::Error;
use crate::cancel::cancelled;
use crate::stream::Ready;

pub(super) type Guard<'a> = MutexGuard<'a, State>;

/// When to stop waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) until: Option<Instant>,
    /// Whether a [`Cancel`](crate::Cancel) ends it.
    pub(super) interruptible: bool,
}

impl Connection {
    /// Waits until `done` gives something. It is asked before any reason to stop counts.
    pub(super) fn wait<'a, T>(
        &'a self,
        mut state: Guard<'a>,
        want: Want,
        patience: Patience,
        mut done: impl FnMut(&mut State) -> Option<T>,
    ) -> (Guard<'a>, Result<T, Error>) {
        let me = Parker::current();
        let outcome = loop {
            if let Some(outcome) = done(&mut state) {
                break Ok(outcome);
            }
            if let Some(error) = &state.lost {
                break Err(error.clone());
            }
            if patience.interruptible && cancelled() {
                break Err(Error::Interrupted);
            }
            if patience.until.is_some_and(|until| Instant::now() >= until) {
                break Err(Error::TimedOut);
            }
            state = match state.receiver.take() {
                Some(receiver) => self.lead(state, receiver, &me, want, patience.until),
                None => self.follow(state, &me, want, patience.until),
            };
        };
        state.pass_on();
        (state, outcome)
    }

    /// Reads once, for all.
    fn lead<'a>(
        &'a self,
        mut state: Guard<'a>,
        mut receiver: Box<Receiver>,
        me: &Arc<Parker>,
        want: Want,
        until: Option<Instant>,
    ) -> Guard<'a> {
        let Some(stream) = state.stream.clone() else {
            state.receiver = Some(receiver);
            return state;
        };
        let room = state.wants_room();
        state.leader = Some((me.clone(), want));
        drop(state);

        let mut ready = Ok(Ready {
            input: true,
            ..Ready::default()
        });
        if room || !receiver.expects_more() {
            ready = match me.start_polling(&self.event) {
                true => stream.poll(room, &self.event, until),
                false => Ok(Ready::default()),
            };
            me.stop_polling();
        }
        if ready.as_ref().is_ok_and(|ready| ready.event) {
            // It does not block: only the reader reads it, and it is there.
            let _ = rustix::io::read(&*self.event, &mut [0; 8]);
        }
        let received = match &ready {
            Ok(ready) if ready.input => receiver.receive(&stream),
            _ => Ok(Received::Nothing),
        };

        state = self.lock();
        state.leader = None;
        let outcome = match ready.and_then(|ready| received.map(|r| (ready, r))) {
            Ok((_, Received::End)) => Err(super::hung_up()),
            Ok((ready, _)) => {
                if ready.output {
                    state = self.room_to_send(state);
                }
                file(&mut state, &mut receiver)
            }
            Err(error) => Err(error.into()),
        };
        if let Err(error) = outcome {
            state.fail(error);
        }
        state.receiver = Some(receiver);
        if !state.orphans.is_empty() {
            state.clunk_orphans();
            state = self.drain(state);
        }
        state
    }

    /// Sleeps until there is something to look at.
    fn follow<'a>(
        &'a self,
        mut state: Guard<'a>,
        me: &Arc<Parker>,
        want: Want,
        until: Option<Instant>,
    ) -> Guard<'a> {
        state.parked.push((me.clone(), want));
        drop(state);
        me.park(until);
        state = self.lock();
        let at = state.parked.iter().position(|(p, _)| Arc::ptr_eq(p, me));
        if let Some(at) = at {
            state.parked.swap_remove(at);
        }
        state
    }

    /// Files what is there without sleeping, if nobody reads: so that replies that nobody waits
    /// for do not fill the stream.
    pub(super) fn take_notice<'a>(&'a self, mut state: Guard<'a>) -> Guard<'a> {
        let (Some(stream), Some(mut receiver)) = (state.stream.clone(), state.receiver.take())
        else {
            return state;
        };
        drop(state);
        let received = receiver.receive(&stream);
        state = self.lock();
        let outcome = match received {
            Ok(Received::End) => Err(super::hung_up()),
            Ok(_) => file(&mut state, &mut receiver),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = outcome {
            state.fail(error);
        }
        state.receiver = Some(receiver);
        state.pass_on();
        state
    }
}
