//! What the threads of a connection share, behind one lock.

use std::mem;
use std::sync::Arc;

use virtfs_proto::kind::TCLUNK;
use virtfs_proto::{Dialect, NOFID, Rmessage, Tclunk, Tflush, Tmessage};

use super::Parker;
use super::expect::Expect;
use super::numbers::Numbers;
use super::receiver::Receiver;
use super::reply::Reply;
use super::slots::{Answer, Progress, Slots, TAGS};
use crate::Error;
use crate::stream::Stream;

/// What a thread that sleeps waits for, besides a turn at reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Reply,
    Tags,
    TurnToSend,
    RoomToSend,
}

pub(super) struct State {
    pub(super) stream: Option<Arc<Stream>>,
    /// Why the connection is gone.
    pub(super) lost: Option<Error>,
    pub(super) slots: Slots,
    pub(super) numbers: Numbers,
    /// Fids that nobody holds any more and no `Tclunk` was made for yet.
    pub(super) orphans: Vec<u32>,

    /// The right to read: taken by the thread that reads.
    pub(super) receiver: Option<Box<Receiver>>,
    pub(super) leader: Option<(Arc<Parker>, Want)>,
    pub(super) parked: Vec<(Arc<Parker>, Want)>,

    /// A thread sends.
    pub(super) sending: bool,
    /// It found no room; the reader tells it when there is.
    pub(super) stuck: Option<Arc<Parker>>,
    /// Whole small frames to be sent, behind the rest of one that was begun.
    pub(super) pending: Vec<u8>,
    /// Fids dropped since somebody last looked at replies.
    pub(super) unnoticed: usize,
    /// Memory for the next `pending`.
    pub(super) spare: Vec<u8>,
}

impl State {
    pub(super) fn new(stream: Stream, receiver: Receiver) -> State {
        State {
            stream: Some(Arc::new(stream)),
            lost: None,
            slots: Slots::new(),
            numbers: Numbers::default(),
            orphans: Vec::new(),
            receiver: Some(Box::new(receiver)),
            leader: None,
            parked: Vec::new(),
            sending: false,
            stuck: None,
            pending: Vec::new(),
            unnoticed: 0,
            spare: Vec::new(),
        }
    }

    /// Whether somebody must be told when there is room to send.
    pub(super) fn wants_room(&self) -> bool {
        self.stuck.is_some() || (!self.sending && !self.pending.is_empty())
    }

    pub(super) fn wake(&mut self, thread: &Arc<Parker>) {
        if let Some(at) = self.parked.iter().position(|(p, _)| Arc::ptr_eq(p, thread)) {
            self.parked.swap_remove(at);
        }
        thread.wake();
    }

    /// Wakes the thread that reads, so that it looks again at what it is to do.
    pub(super) fn wake_leader(&self) {
        if let Some((leader, _)) = &self.leader {
            leader.wake();
        }
    }

    /// Wakes those who can go on: one to read, one to send, one that wants tags.
    pub(super) fn pass_on(&mut self) {
        if self.parked.is_empty() && self.leader.is_none() {
            return;
        }
        if self.receiver.is_some()
            && let Some((thread, _)) = self.parked.pop()
        {
            thread.wake();
        }
        if !self.sending {
            self.wake_one(Want::TurnToSend);
        }
        if self.slots.free() > 0 {
            self.wake_one(Want::Tags);
        }
    }

    fn wake_one(&mut self, want: Want) {
        if let Some(at) = self.parked.iter().position(|(_, w)| *w == want) {
            self.parked.swap_remove(at).0.wake();
        }
        if let Some((leader, _)) = self.leader.as_ref().filter(|(_, w)| *w == want) {
            leader.wake();
        }
    }

    /// Ends the connection: all who wait find out why.
    pub(super) fn fail(&mut self, error: Error) {
        if self.lost.is_some() {
            return;
        }
        self.lost = Some(error);
        if let Some(stream) = self.stream.take() {
            stream.shutdown();
        }
        self.pending = Vec::new();
        self.orphans = Vec::new();
        self.stuck = None;
        for (thread, _) in mem::take(&mut self.parked) {
            thread.wake();
        }
        self.wake_leader();
    }

    /// Takes a tag for a request.
    pub(super) fn begin(&mut self, expect: Expect, waiter: Option<Arc<Parker>>) -> Option<u16> {
        let tag = self.slots.take(expect, waiter)?;
        for fid in expect.names {
            self.numbers.request_names(fid);
        }
        Some(tag)
    }

    /// Makes `Tclunk`s for orphans, as far as there are tags.
    pub(super) fn clunk_orphans(&mut self) {
        while let Some(&fid) = self.orphans.last() {
            let message = Tmessage::Clunk(Tclunk { fid });
            let Some(tag) = self.begin(Expect::of(&message), None) else {
                return;
            };
            self.orphans.pop();
            self.queue(&message, tag);
        }
    }

    /// Asks that a request be given up, once. A `Tclunk` never is: its fid must go.
    pub(super) fn flush(&mut self, tag: u16) {
        let Some(slot) = self.slots.get_mut(tag) else {
            return;
        };
        let clunks = slot.expect.is_some_and(|expect| expect.kind == TCLUNK);
        if matches!(slot.progress, Progress::Awaited) && !slot.flushing && !clunks && tag < TAGS {
            slot.flushing = true;
            self.queue(&Tmessage::Flush(Tflush { oldtag: tag }), tag + TAGS);
        }
    }

    fn queue(&mut self, message: &Tmessage<'_>, tag: u16) {
        let mut frame = [0; 16];
        if let Ok(length) = message.encode(Dialect::L, tag, &mut frame) {
            self.pending
                .extend_from_slice(frame.get(..length).unwrap_or_default());
        }
    }

    /// Nobody waits for this request any more.
    pub(super) fn forget(&mut self, tag: u16) {
        let Some(slot) = self.slots.get_mut(tag) else {
            return;
        };
        slot.waiter = None;
        if matches!(slot.progress, Progress::Awaited | Progress::Free) {
            return;
        }
        let came = mem::replace(&mut slot.progress, Progress::Over);
        if let (Progress::Came(Ok(reply)), Some(expect)) = (came, slot.expect)
            && made(&expect, &reply)
        {
            self.orphans.push(expect.makes);
        }
        self.slots.release(tag);
    }

    /// The request was never sent.
    pub(super) fn withdraw(&mut self, tag: u16) {
        self.over(tag);
        self.forget(tag);
    }

    /// What answered, if something did: `Err(())` if nothing will.
    pub(super) fn collect(&mut self, tag: u16) -> Option<Result<Answer, ()>> {
        let slot = self.slots.get_mut(tag)?;
        if matches!(slot.progress, Progress::Awaited | Progress::Free) {
            return None;
        }
        slot.waiter = None;
        let came = mem::replace(&mut slot.progress, Progress::Over);
        self.slots.release(tag);
        match came {
            Progress::Came(answer) => Some(Ok(answer)),
            _ => Some(Err(())),
        }
    }

    /// Files an answer under its tag.
    pub(super) fn answered(&mut self, tag: u16, answer: Answer) {
        let Some(expect) = self.over(tag) else {
            return;
        };
        let made = answer.as_ref().is_ok_and(|reply| made(&expect, reply));
        if !made {
            self.numbers.give_up(expect.makes);
        }
        self.numbers.give_up(expect.ends);
        let Some(slot) = self.slots.get_mut(tag) else {
            return;
        };
        match slot.waiter.clone() {
            Some(waiter) => {
                slot.progress = Progress::Came(answer);
                self.wake(&waiter);
            }
            None => {
                if made {
                    self.orphans.push(expect.makes);
                }
                self.slots.release(tag);
            }
        }
    }

    /// Files an `Rflush` for the request that was to be given up.
    pub(super) fn flushed(&mut self, tag: u16) {
        let Some(slot) = self.slots.get_mut(tag) else {
            return;
        };
        slot.flushing = false;
        let waiter = slot.waiter.clone();
        // Unanswered until now: as if it had never been sent.
        if matches!(slot.progress, Progress::Awaited)
            && let Some(expect) = self.over(tag)
        {
            self.numbers.give_up(expect.makes);
            if expect.ends != NOFID {
                self.orphans.push(expect.ends);
            }
        }
        match waiter {
            Some(waiter) => self.wake(&waiter),
            None => self.slots.release(tag),
        }
    }

    /// Files a refusal to give up a request: it will be answered, late as may be.
    pub(super) fn not_flushed(&mut self, tag: u16) {
        if let Some(slot) = self.slots.get_mut(tag) {
            slot.flushing = false;
        }
        self.slots.release(tag);
    }

    /// The request is on its way no more.
    fn over(&mut self, tag: u16) -> Option<Expect> {
        let slot = self.slots.get_mut(tag)?;
        slot.progress = Progress::Over;
        let expect = slot.expect?;
        for fid in expect.names {
            self.numbers.request_ended(fid);
        }
        Some(expect)
    }
}

/// Whether a reply that is no error made the fid that the request was to make.
fn made(expect: &Expect, reply: &Reply) -> bool {
    if expect.makes == NOFID {
        return false;
    }
    match reply.message() {
        // A walk that did not lead all the way made none; one that did is as long as can be.
        Ok(Rmessage::Walk(_)) => reply.head.len() == expect.limit as usize,
        _ => true,
    }
}
