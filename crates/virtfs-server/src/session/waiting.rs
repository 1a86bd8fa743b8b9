//! Requests that wait for a lock that somebody else holds: no thread waits with them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Session;
use super::core::{Core, Tagged, Work};
use crate::locks::{InodeKey, Waiter};
use crate::ops::Retry;
use crate::sentinel::Watched;
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

/// A request that has begun to wait.
#[derive(Debug)]
pub(super) struct Waits {
    tag: u16,
    inode: InodeKey,
    due: Instant,
    seen: u64,
}

impl<T: Transport> Core<T> {
    /// Has a request wait, unless its time is over, or nobody wants to know any more.
    pub(super) fn put_off(
        &mut self,
        mut work: Work<T::Exchange>,
        retry: Retry,
    ) -> Result<Waits, Work<T::Exchange>> {
        let unwanted = work.call.cancelled.load(Ordering::Relaxed);
        let last =
            unwanted || self.closing || self.draining || self.ended || self.version.is_some();
        let Some(Tagged::Request {
            running, flushes, ..
        }) = self.tags.get_mut(&work.tag)
        else {
            return Err(work);
        };
        let now = Instant::now();
        let until = *work.tried.until.get_or_insert(now + retry.patience);
        if last || now >= until || !flushes.is_empty() || self.waiting.len() >= self.limits.requests
        {
            return Err(work);
        }
        *running = false;
        let due = if retry.poll {
            until.min(now + POLL * (1 << work.tried.times.min(DOUBLINGS)))
        } else {
            until
        };
        work.tried.times += 1;
        let tag = work.tag;
        self.waiting.insert(tag, work);
        Ok(Waits {
            tag,
            inode: retry.inode,
            due,
            seen: retry.seen,
        })
    }

    /// Tries a request again that waits; whether there is such a one.
    fn try_again(&mut self, tag: u16) -> bool {
        let Some(work) = self.waiting.remove(&tag) else {
            return false;
        };
        self.in_flight += 1;
        self.in_flight_bytes += work.bytes;
        self.ready.push_back(work);
        true
    }

    /// Tries all that wait for the last time.
    pub(super) fn try_all_again(&mut self) {
        let now = Instant::now();
        for (_, mut work) in self.waiting.drain() {
            work.tried.until = Some(now);
            self.in_flight += 1;
            self.in_flight_bytes += work.bytes;
            self.ready.push_back(work);
        }
    }
}

impl<T: Transport> Session<T> {
    /// Sees to it that a request which has begun to wait is tried again.
    pub(super) fn wait_for_lock(self: &Arc<Self>, waits: Waits) {
        let watched: Arc<dyn Watched> = self.clone();
        let waiter = Waiter {
            inode: waits.inode,
            session: Arc::downgrade(&watched),
            tag: waits.tag,
            due: waits.due,
            seen: waits.seen,
        };
        if let Err(error) = self.shared.locks.waiters().add(waiter) {
            tracing::warn!("no thread for those who wait for locks: {error}");
            self.lock().try_all_again();
        }
    }

    pub(super) fn retry(self: &Arc<Self>, tag: u16) {
        if self.lock().try_again(tag) {
            self.help(false);
        }
    }
}
