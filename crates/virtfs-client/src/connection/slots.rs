//! The requests that are on their way, by tag.

use std::sync::Arc;

use virtfs_proto::NOTAG;

use super::Parker;
use super::expect::Expect;
use super::reply::Reply;

/// How many requests can be on their way. A `Tflush` has a tag of its own beyond these: its
/// request's plus this.
pub(super) const TAGS: u16 = 1024;

/// What answered: a reply, or the errno of an `Rlerror`.
pub(super) type Answer = Result<Reply, i32>;

/// What became of a request.
#[derive(Debug)]
pub(super) enum Progress {
    /// The tag is free.
    Free,
    /// Sent, or about to be.
    Awaited,
    /// Answered, not collected yet.
    Came(Answer),
    /// Nothing will come any more: given up before it was answered, or collected.
    Over,
}

/// A tag and its request.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) progress: Progress,
    /// Who waits for the answer; `None`: nobody any more.
    pub(super) waiter: Option<Arc<Parker>>,
    /// A `Tflush` of it is unanswered: whatever else happened, the tag is not free.
    pub(super) flushing: bool,
    pub(super) expect: Option<Expect>,
}

#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u16>,
}

impl Slots {
    /// The last slot is that of `Tversion`, whose tag is `NOTAG`.
    pub(super) fn new() -> Slots {
        let free = || Slot {
            progress: Progress::Free,
            waiter: None,
            flushing: false,
            expect: None,
        };
        Slots {
            slots: (0..=TAGS).map(|_| free()).collect(),
            free: (0..TAGS).rev().collect(),
        }
    }

    pub(super) fn free(&self) -> usize {
        self.free.len()
    }

    /// The request of a tag, if the tag is one that this client uses.
    pub(super) fn get_mut(&mut self, tag: u16) -> Option<&mut Slot> {
        let index = match tag {
            NOTAG => TAGS,
            TAGS => return None,
            other => other,
        };
        self.slots.get_mut(usize::from(index))
    }

    /// A tag for a request that is about to be sent.
    pub(super) fn take(&mut self, expect: Expect, waiter: Option<Arc<Parker>>) -> Option<u16> {
        let tag = self.free.pop()?;
        self.set(tag, expect, waiter);
        Some(tag)
    }

    /// `NOTAG`, for the `Tversion`.
    pub(super) fn take_notag(&mut self, expect: Expect, waiter: Arc<Parker>) {
        self.set(NOTAG, expect, Some(waiter));
    }

    fn set(&mut self, tag: u16, expect: Expect, waiter: Option<Arc<Parker>>) {
        if let Some(slot) = self.get_mut(tag) {
            *slot = Slot {
                progress: Progress::Awaited,
                waiter,
                flushing: false,
                expect: Some(expect),
            };
        }
    }

    /// Frees the tag of a request that is over, unless it is being flushed.
    pub(super) fn release(&mut self, tag: u16) {
        let Some(slot) = self.get_mut(tag) else {
            return;
        };
        let over = matches!(slot.progress, Progress::Over);
        if over && !slot.flushing && slot.waiter.is_none() {
            slot.progress = Progress::Free;
            slot.expect = None;
            if tag != NOTAG {
                self.free.push(tag);
            }
        }
    }
}
