//! Requests that wait for a lock that somebody else holds: no thread waits with them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Session;
use super::core::{Core, Tagged, Work, bury};
use crate::fid::Fid;
use crate::locks::{Waiter, WaiterId};
use crate::ops::Retry;
use crate::transport::Transport;

/// After how long a lock that a program of the host holds is tried for again; twice as long after
/// each try.
const POLL: Duration = Duration::from_micros(500);

/// The longest time between two such tries is `POLL` doubled so often.
const DOUBLINGS: u32 = 5;

/// A request's tries so far.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Tried {
    times: u32,
    /// When it is answered, whatever came of it.
    until: Option<Instant>,
}

/// A request that waits.
pub(super) struct Waiting<E> {
    pub(super) work: Work<E>,
    id: WaiterId,
}

impl<T: Transport> Core<T> {
    /// Has a request wait that is not in flight any more: `None`. Gives it back to be answered if
    /// its time is over, if nobody wants to know, or if too many wait.
    pub(super) fn put_off(
        &mut self,
        mut work: Work<T::Exchange>,
        retry: Retry,
    ) -> Option<Work<T::Exchange>> {
        let operands = work.operands.iter().filter_map(|operand| operand.fid());
        let given_up = operands
            .flat_map(|fid| fid.opened())
            .any(|open| open.through.is_given_up());
        let hurry = self.closing || self.draining || self.ended || self.version.is_some();
        // A part of the places, so that there is one left in the ring of a device for the unlock.
        let full = self.waiting.len() >= self.limits.requests.div_ceil(2);
        let now = Instant::now();
        let until = *work.tried.until.get_or_insert(now + retry.patience);
        if hurry || given_up || full || now >= until || work.call.cancelled.load(Ordering::Relaxed)
        {
            return Some(work);
        }
        let due = if retry.poll {
            until.min(now + POLL * (1 << work.tried.times.min(DOUBLINGS)))
        } else {
            until
        };
        let added = self.locks.waiters().add(Waiter {
            inode: retry.inode,
            range: retry.range,
            session: self.session.clone(),
            tag: work.tag,
            due,
            seen: retry.seen,
        });
        let id = match added {
            Ok(id) => id,
            Err(error) => {
                tracing::warn!("no thread for those who wait for locks: {error}");
                return Some(work);
            }
        };
        work.tried.times += 1;
        if let Some(Tagged::Request { running, .. }) = self.tags.get_mut(&work.tag) {
            *running = false;
        }
        self.waiting.insert(work.tag, Waiting { work, id });
        None
    }

    /// Takes a request out that waits.
    pub(super) fn take_waiting(&mut self, tag: u16) -> Option<Work<T::Exchange>> {
        let Waiting { work, id } = self.waiting.remove(&tag)?;
        self.locks.waiters().remove(id);
        Some(work)
    }

    /// Drops all that wait, unanswered.
    pub(super) fn drop_waiting(&mut self, transport: &T) {
        for (tag, Waiting { work, id }) in self.waiting.drain() {
            self.locks.waiters().remove(id);
            self.tags.remove(&tag);
            bury(&mut self.garbage, work.operands);
            transport.discard(work.exchange);
        }
    }

    /// Tries all that wait for the last time.
    pub(super) fn hurry_all(&mut self) {
        let tags: Vec<_> = self.waiting.keys().copied().collect();
        self.hurry(tags);
    }

    /// The clunk of a fid has come: those who wait for a lock through it are tried for the last
    /// time, and nobody waits any more.
    pub(super) fn give_up_locks(&mut self, fid: &Arc<Fid>) {
        let Ok(open) = fid.opened() else {
            return;
        };
        open.through.give_up();
        if self.waiting.is_empty() {
            return;
        }
        let of = |waiting: &Waiting<_>| {
            let fids = waiting.work.operands.iter();
            fids.filter_map(|operand| operand.fid())
                .any(|other| Arc::ptr_eq(other, fid))
        };
        let waiting = self.waiting.iter().filter(|(_, waiting)| of(waiting));
        let tags: Vec<_> = waiting.map(|(tag, _)| *tag).collect();
        self.hurry(tags);
    }

    /// Those that have not begun will not wait for a lock.
    pub(super) fn hurry_queued(&mut self) {
        let now = Instant::now();
        for work in self.ready.iter_mut().chain(self.parked.values_mut()) {
            work.tried.until = Some(now);
        }
    }

    /// Tries a request again, if it still waits as it did when that was asked for; whether it does.
    pub(super) fn try_again(&mut self, tag: u16, id: WaiterId) -> bool {
        let waits = |waiting: &Waiting<_>| waiting.id == id;
        let work = match self.waiting.get(&tag).is_some_and(waits) {
            true => self.take_waiting(tag),
            false => None,
        };
        work.map(|work| self.make_ready(work)).is_some()
    }

    /// Tries these for the last time.
    pub(super) fn hurry(&mut self, tags: Vec<u16>) {
        let now = Instant::now();
        for tag in tags {
            if let Some(mut work) = self.take_waiting(tag) {
                work.tried.until = Some(now);
                self.make_ready(work);
            }
        }
    }

    fn make_ready(&mut self, work: Work<T::Exchange>) {
        self.in_flight += 1;
        self.in_flight_bytes += work.bytes;
        self.ready.push_back(work);
    }
}

impl<T: Transport> Session<T> {
    /// Tries a request again, if it still waits as it did when that was asked for.
    pub(super) fn retry(self: &Arc<Self>, tag: u16, id: WaiterId) {
        let tries = self.lock().try_again(tag, id);
        if tries {
            self.help(false);
            self.shared.sentinel.wake();
        }
    }
}
