//! Signals to processes that wait for the server.
//!
//! The kernel tells of every signal, not only of deadly ones, and a program whose stat(2) fails
//! with EINTR because a child ended is a broken program. So a request goes on for a moment; only
//! what takes longer is given up.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use virtfs_client::Cancel;

use crate::sync::lock;

/// How long a request goes on after its process got a signal.
const GRACE: Duration = Duration::from_millis(250);

/// The requests that run, by thread.
#[derive(Debug)]
pub(crate) struct Interrupts {
    id: u64,
    slots: Mutex<Vec<Weak<Slot>>>,
    watch: Mutex<Watch>,
    changed: Condvar,
    /// The mount is gone: nobody waits for what runs.
    ended: AtomicBool,
}

#[derive(Debug, Default)]
struct Watch {
    /// Something was interrupted since the watcher last looked.
    look: bool,
    ended: bool,
}

/// What a thread runs.
#[derive(Debug, Default)]
struct Slot(Mutex<Running>);

#[derive(Debug, Default)]
struct Running {
    /// 0: nothing.
    unique: u64,
    interrupted: Option<Instant>,
    cancel: Cancel,
}

thread_local! {
    /// The thread's slot, and whose it is.
    static SLOT: RefCell<Option<(u64, Arc<Slot>)>> = const { RefCell::new(None) };
}

impl Interrupts {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self {
            id: LAST.fetch_add(1, Ordering::Relaxed),
            slots: Mutex::default(),
            watch: Mutex::default(),
            changed: Condvar::new(),
            ended: AtomicBool::new(false),
        }
    }

    /// The calling thread begins a request.
    pub(crate) fn begin(&self, unique: u64) -> Begun {
        let slot = SLOT.with_borrow_mut(|own| match own {
            Some((id, slot)) if *id == self.id => slot.clone(),
            _ => {
                let slot = Arc::<Slot>::default();
                let mut slots = lock(&self.slots);
                slots.retain(|slot| slot.strong_count() > 0);
                slots.push(Arc::downgrade(&slot));
                *own = Some((self.id, slot.clone()));
                slot
            }
        });
        let mut running = lock(&slot.0);
        running.unique = unique;
        let cancel = running.cancel.clone();
        drop(running);
        if self.ended.load(Ordering::SeqCst) {
            cancel.cancel();
        }
        Begun { slot, cancel }
    }

    /// A request's process got a signal. False if no thread runs that request.
    pub(crate) fn interrupt(&self, unique: u64) -> bool {
        let found = lock(&self.slots)
            .iter()
            .filter_map(Weak::upgrade)
            .any(|slot| {
                let mut running = lock(&slot.0);
                let found = running.unique == unique;
                if found {
                    running.interrupted.get_or_insert_with(Instant::now);
                }
                found
            });
        if found {
            lock(&self.watch).look = true;
            self.changed.notify_one();
        }
        found
    }

    /// Gives up requests when their time has come, until [`end`](Self::end).
    pub(crate) fn watch(&self) {
        let mut watch = lock(&self.watch);
        while !watch.ended {
            watch.look = false;
            drop(watch);
            let next = self.give_up(Instant::now());
            watch = lock(&self.watch);
            if watch.look || watch.ended {
                continue;
            }
            watch = match next {
                Some(wait) => {
                    let waited = self.changed.wait_timeout(watch, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .changed
                    .wait(watch)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// The mount is gone: ends the watcher, and gives up all that runs. A server that is silent
    /// would hold its threads for ever.
    pub(crate) fn end(&self) {
        lock(&self.watch).ended = true;
        self.changed.notify_one();
        self.ended.store(true, Ordering::SeqCst);
        for slot in lock(&self.slots).iter().filter_map(Weak::upgrade) {
            lock(&slot.0).cancel.cancel();
        }
    }

    /// Gives up what is due, and says when to look again.
    fn give_up(&self, now: Instant) -> Option<Duration> {
        let slots = lock(&self.slots);
        let wait = |slot: Arc<Slot>| {
            let running = lock(&slot.0);
            let since = running.interrupted?;
            let left = (since + GRACE).saturating_duration_since(now);
            if !left.is_zero() {
                return Some(left);
            }
            running.cancel.cancel();
            None
        };
        slots
            .iter()
            .filter_map(Weak::upgrade)
            .filter_map(wait)
            .min()
    }
}

/// A request that runs; dropped when it has ended.
#[derive(Debug)]
pub(crate) struct Begun {
    slot: Arc<Slot>,
    /// Cancelled when the request is to be given up.
    pub(crate) cancel: Cancel,
}

impl Begun {
    /// Ends the request; whether its process got a signal meanwhile.
    pub(crate) fn end(self) -> bool {
        let mut running = lock(&self.slot.0);
        running.unique = 0;
        std::mem::take(&mut running.interrupted).is_some()
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut running = lock(&self.slot.0);
        running.unique = 0;
        running.interrupted = None;
        if self.cancel.is_cancelled() {
            running.cancel = Cancel::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_given_up_after_a_moment_and_the_next_one_is_not() {
        let interrupts = Interrupts::new();
        assert!(!interrupts.interrupt(7));
        let begun = interrupts.begin(7);
        assert!(!interrupts.interrupt(8));
        assert!(interrupts.interrupt(7));
        let now = Instant::now();
        assert!(interrupts.give_up(now).is_some());
        assert!(!begun.cancel.is_cancelled());
        assert_eq!(interrupts.give_up(now + GRACE), None);
        assert!(begun.cancel.is_cancelled());
        drop(begun);
        assert!(!interrupts.interrupt(7));
        let next = interrupts.begin(9);
        assert_eq!(interrupts.give_up(now + GRACE), None);
        assert!(!next.cancel.is_cancelled());
        assert!(!next.end());
    }

    #[test]
    fn at_the_end_everything_is_given_up_now_and_later() {
        let interrupts = Interrupts::new();
        let begun = interrupts.begin(7);
        interrupts.end();
        assert!(begun.cancel.is_cancelled());
        drop(begun);
        assert!(interrupts.begin(8).cancel.is_cancelled());
    }

    #[test]
    fn a_signal_that_came_in_time_is_not_lost_when_the_request_ends() {
        let interrupts = Interrupts::new();
        let begun = interrupts.begin(7);
        interrupts.interrupt(7);
        assert!(begun.end());
    }
}
