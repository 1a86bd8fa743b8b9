//! What the threads of a session share under one lock: which requests there are, which can run,
//! and what each thread is to do next.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Instant;

use rustc_hash::FxHashMap;
use virtfs_proto::Dialect;
use virtfs_vfs::Errno;

use super::cancel::reply_flush;
use super::leaving::Leaving;
use super::run::Done;
use super::table::{FidTable, Operand, Promise};
use super::waiting::{Tried, Waiting};
use super::{CallState, Session};
use crate::Limits;
use crate::fid::Fid;
use crate::locks::LockTable;
use crate::sentinel::Watched;
use crate::transport::{Fault, Transport};

/// A transfer of this many bytes is worth another thread.
const LARGE: usize = 64 << 10;

/// A request that was admitted.
pub(super) struct Work<E> {
    pub(super) tag: u16,
    pub(super) kind: u8,
    pub(super) exchange: E,
    pub(super) call: Arc<CallState>,
    pub(super) operands: [Operand; 2],
    /// The state that this request makes, and which operand its number was bound to before.
    pub(super) promise: Option<(Promise, usize)>,
    /// Refused on arrival.
    pub(super) refused: Option<Errno>,
    pub(super) bytes: usize,
    /// How often it was tried, if somebody held the lock that it asks for.
    pub(super) tried: Tried,
}

impl<E> Work<E> {
    pub(super) fn is_large(&self) -> bool {
        self.bytes >= LARGE
    }

    pub(super) fn waits(&self) -> bool {
        self.operands
            .iter()
            .any(|operand| matches!(operand, Operand::Promised(_)))
    }
}

/// An unanswered tag.
pub(super) enum Tagged<E> {
    /// A request, and the flushes that wait for its end.
    Request {
        call: Arc<CallState>,
        running: bool,
        flushes: Vec<(u16, E)>,
        dropped: bool,
    },
    /// A request that was held back.
    Held,
    /// A `Tflush` that waits for the end of the request with this tag.
    Flush(u16),
}

/// What a thread is to do next.
pub(super) enum Next<T: Transport> {
    /// Run this.
    Run(Work<T::Exchange>),
    /// Do what the clunks of these fids would have done.
    Leave(Leaving),
    /// Send the finished replies.
    Flush,
    /// Receive more.
    Receive(T::Receiver),
    /// Sleep until woken.
    Follow,
    /// Let go of everything: the session is over.
    End,
}

/// Who is to help.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Help {
    /// There is nothing to do, or there are threads enough.
    Nobody,
    /// One that sleeps.
    Follower,
    /// One that is to be started.
    NewThread,
}

pub(super) struct Core<T: Transport> {
    pub(super) limits: Limits,
    /// `None` while a thread receives.
    pub(super) receiver: Option<T::Receiver>,
    pub(super) fids: FidTable,
    pub(super) tags: FxHashMap<u16, Tagged<T::Exchange>>,
    pub(super) ready: VecDeque<Work<T::Exchange>>,
    pub(super) parked: FxHashMap<u64, Work<T::Exchange>>,
    /// Who waits for a lock, by tag. They are not in flight: whoever is to unlock must get through.
    pub(super) waiting: FxHashMap<u16, Waiting<T::Exchange>>,
    pub(super) locks: Arc<LockTable>,
    /// The session itself, for whoever has its requests tried again.
    pub(super) session: Weak<dyn Watched>,
    /// Kind, tag and request of what came when the budget was used up, in order.
    pub(super) held: VecDeque<(u8, u16, T::Exchange)>,
    pub(super) held_bytes: usize,
    pub(super) spare_calls: Vec<Arc<CallState>>,
    pub(super) next_number: u64,
    pub(super) in_flight: usize,
    pub(super) in_flight_bytes: usize,
    pub(super) running: usize,
    /// Threads that send replies or close files: the session is not over before they are done.
    pub(super) busy: usize,
    /// Threads that drop garbage.
    pub(super) burying: usize,
    pub(super) flushes: usize,
    /// Fids that end without a clunk, and the call that does what it would have done.
    pub(super) unclunked: Vec<Arc<Fid>>,
    pub(super) leaving: Option<Arc<CallState>>,
    /// A `Tversion` that waits for what runs to end.
    pub(super) version: Option<(u16, T::Exchange)>,
    /// What the last `Tversion` agreed on.
    pub(super) dialect: Option<Dialect>,
    pub(super) msize: u32,
    pub(super) threads: usize,
    pub(super) idle: usize,
    pub(super) notified: usize,
    /// Replies are to be sent before anything else.
    pub(super) flush_first: bool,
    /// Nothing more will arrive.
    pub(super) ended: bool,
    /// What was not answered is not to be.
    pub(super) closing: bool,
    pub(super) draining: bool,
    /// The thread that receives, as the interrupter names it.
    pub(super) reader: u64,
    pub(super) ending: bool,
    pub(super) over: bool,
    /// Counts requests begun and ended, for the sentinel.
    pub(super) progress: u64,
    pub(super) seen_progress: u64,
    /// Since when nothing was seen to move after the client hung up.
    pub(super) still_since: Option<Instant>,
    /// What to drop when the lock is released.
    pub(super) garbage: Garbage,
}

/// What is dropped after the lock is released.
pub(super) type Garbage = Vec<Arc<Fid>>;

impl<T: Transport> Core<T> {
    pub(super) fn new(receiver: T::Receiver, limits: Limits, locks: Arc<LockTable>) -> Self {
        Self {
            limits,
            receiver: Some(receiver),
            fids: FidTable::default(),
            tags: FxHashMap::default(),
            ready: VecDeque::new(),
            parked: FxHashMap::default(),
            waiting: FxHashMap::default(),
            locks,
            session: Weak::<Session<T>>::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            spare_calls: Vec::new(),
            next_number: 0,
            in_flight: 0,
            in_flight_bytes: 0,
            running: 0,
            busy: 0,
            burying: 0,
            flushes: 0,
            unclunked: Vec::new(),
            leaving: None,
            version: None,
            dialect: None,
            msize: limits.msize,
            threads: 0,
            idle: 0,
            notified: 0,
            flush_first: false,
            ended: false,
            closing: false,
            draining: false,
            reader: 0,
            ending: false,
            over: false,
            progress: 0,
            seen_progress: 0,
            still_since: None,
            garbage: Garbage::new(),
        }
    }

    /// What the calling thread is to do.
    pub(super) fn next(&mut self, transport: &T) -> Next<T> {
        if std::mem::take(&mut self.flush_first) && transport.has_replies() {
            return Next::Flush;
        }
        if transport.is_congested() && transport.has_replies() {
            return Next::Flush;
        }
        self.admit_held(transport);
        if self.ended || self.draining {
            // Who hung up does not wait.
            self.hurry_all();
        }
        if let Some(work) = self.ready.pop_front() {
            return self.start(work);
        }
        // What was received before is admitted before more is asked for.
        if let Some(mut receiver) = self.receiver.take() {
            let admitted = self.admit_all(&mut receiver, transport);
            match admitted {
                Ok(whole) => {
                    if let Some(work) = self.ready.pop_front() {
                        self.receiver = Some(receiver);
                        return self.start(work);
                    }
                    if transport.has_replies() {
                        self.receiver = Some(receiver);
                        return Next::Flush;
                    }
                    if whole && self.may_receive() && !transport.is_congested() {
                        return Next::Receive(receiver);
                    }
                    self.receiver = Some(receiver);
                    if whole && self.ended && self.in_flight == 0 && self.held.is_empty() {
                        self.close(transport);
                    }
                }
                Err(fault) => {
                    self.receiver = Some(receiver);
                    self.fail(&fault, transport);
                }
            }
        }
        if transport.has_replies() {
            return Next::Flush;
        }
        let last = self.running == 0 && self.busy == 0 && self.receiver.is_some();
        let ends = self.closing && last && !self.ending;
        if ends {
            self.unclunked.append(&mut self.fids.take_unclunked());
        }
        match self.start_leaving() {
            Some(leaving) => Next::Leave(leaving),
            None if ends => Next::End,
            None => Next::Follow,
        }
    }

    /// Whether the client has no fid, asks for nothing, and is not on its way out.
    pub(super) fn holds_nothing(&self) -> bool {
        let at_rest = !self.closing && !self.ending && self.running == 0 && self.burying == 0;
        at_rest && self.fids.is_empty() && self.tags.is_empty() && self.version.is_none()
    }

    pub(super) fn may_receive(&self) -> bool {
        !self.closing && !self.ended && self.version.is_none()
    }

    fn start(&mut self, work: Work<T::Exchange>) -> Next<T> {
        self.running += 1;
        self.progress += 1;
        if let Some(Tagged::Request { running, .. }) = self.tags.get_mut(&work.tag) {
            *running = true;
        }
        Next::Run(work)
    }

    /// Whether there is a request to run.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Calls another thread if it would find something to do: first of all, if `flush`, to send the
    /// finished replies.
    pub(super) fn summon(&mut self, flush: bool, transport: &T) -> Help {
        if !(self.wants_help() || flush && transport.has_replies()) {
            return Help::Nobody;
        }
        self.flush_first |= flush;
        if self.idle > self.notified {
            self.notified += 1;
            Help::Follower
        } else if self.threads <= self.limits.requests.max(self.in_flight) + 1 {
            // Beside those that run requests, one can receive and one send.
            self.threads += 1;
            Help::NewThread
        } else {
            Help::Nobody
        }
    }

    /// A thread that found nothing to do may sleep; else it is to end.
    pub(super) fn falls_asleep(&mut self) -> bool {
        if self.closing {
            self.threads -= 1;
            return false;
        }
        self.idle += 1;
        true
    }

    /// A thread has slept, perhaps until nobody had called it for long; whether it goes on.
    pub(super) fn wakes_up(&mut self, timed_out: bool) -> bool {
        self.idle -= 1;
        if self.notified > 0 {
            self.notified -= 1;
        } else if timed_out && !self.closing {
            self.threads -= 1;
            return false;
        }
        true
    }

    /// A receive has ended like this.
    pub(super) fn received(
        &mut self,
        receiver: T::Receiver,
        filled: Result<bool, Fault>,
        transport: &T,
    ) {
        self.receiver = Some(receiver);
        match filled {
            Ok(more) => self.ended |= !more,
            Err(fault) => self.fail(&fault, transport),
        }
    }

    /// Whether another thread would find something to do.
    pub(super) fn wants_help(&self) -> bool {
        !self.closing && self.has_ready() || self.receiver.is_some() && self.may_receive()
    }

    pub(super) fn release(&mut self, work: &Work<T::Exchange>) {
        self.in_flight -= 1;
        self.in_flight_bytes -= work.bytes;
    }

    /// Ends a request that ran, or has it wait. `head` is the reply's, as far as there is one.
    pub(super) fn finish(&mut self, done: Done<T::Exchange>, head: &[u8], transport: &T) {
        let Done {
            mut work,
            interrupted,
            state,
            retry,
        } = done;
        self.running -= 1;
        self.progress += 1;
        self.release(&work);
        if let Some(retry) = retry {
            match self.put_off(work, retry) {
                Some(refused) => work = refused,
                None => return,
            }
        }
        let Some(Tagged::Request {
            flushes, dropped, ..
        }) = self.tags.remove(&work.tag)
        else {
            return;
        };
        match &state {
            Some(fid) => {
                if let Some((promise, _)) = work.promise {
                    self.keep(promise, Some(fid));
                }
            }
            None => self.abandon(&work),
        }
        let operands = std::mem::replace(&mut work.operands, [const { Operand::None }; 2]);
        if !(dropped || interrupted && !flushes.is_empty()) {
            transport.reply(work.exchange, head);
        } else {
            transport.discard(work.exchange);
        }
        for (tag, exchange) in flushes {
            self.tags.remove(&tag);
            self.flushes -= 1;
            if dropped {
                transport.discard(exchange);
            } else {
                reply_flush(tag, exchange, transport);
            }
        }
        self.reuse(work.call);
        self.version_waited(transport);
        bury(&mut self.garbage, operands);
        bury(&mut self.garbage, state.map(Operand::Fid));
    }

    pub(super) fn reuse(&mut self, call: Arc<CallState>) {
        if Arc::strong_count(&call) == 1 && self.spare_calls.len() < 16 {
            call.cancelled.store(false, Ordering::Relaxed);
            self.spare_calls.push(call);
        }
    }

    /// The session cannot go on.
    pub(super) fn fail(&mut self, fault: &Fault, transport: &T) {
        if fault.is_of_peer() {
            tracing::debug!("session ended: {fault}");
            transport.peer_failed();
        } else {
            tracing::info!("session ended: {fault}");
        }
        self.close(transport);
    }

    /// The connection is lost, or to be given up.
    pub(super) fn close(&mut self, transport: &T) {
        if !self.closing {
            self.closing = true;
            transport.stop_receiving();
            self.cancel_all(transport);
        }
    }

    /// Lets go of every fid and every unanswered exchange.
    pub(super) fn clear(&mut self) -> (Garbage, Vec<T::Exchange>) {
        let mut exchanges = Vec::new();
        for (_, tagged) in self.tags.drain() {
            if let Tagged::Request { flushes, .. } = tagged {
                exchanges.extend(flushes.into_iter().map(|(_, exchange)| exchange));
            }
        }
        exchanges.extend(self.version.take().map(|(_, exchange)| exchange));
        let mut garbage = self.fids.clear();
        garbage.append(&mut self.garbage);
        (garbage, exchanges)
    }
}

/// Keeps what nobody else holds: closing files takes its time, and the lock is held.
pub(super) fn bury(garbage: &mut Garbage, operands: impl IntoIterator<Item = Operand>) {
    for operand in operands {
        if let Operand::Fid(fid) = operand
            && Arc::strong_count(&fid) == 1
        {
            garbage.push(fid);
        }
    }
}
