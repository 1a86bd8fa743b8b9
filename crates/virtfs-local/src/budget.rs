//! How many descriptors may be held: beyond that, those not used lately are closed, as far as
//! what they stand for can be found again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crate::sync::lock;

/// How many holders one addition over the budget looks at: enough to find a victim, bounded where
/// there is none.
const LOOKS: usize = 128;

/// How many holders that must have room are asked in vain before there is none.
const REFUSALS: usize = 256;

/// What holds a descriptor and may be asked to close it.
pub(crate) trait Holder {
    /// Whether it was used since this was last asked.
    fn take_used(&self) -> bool;

    /// Closes the descriptor if it is not in use and can be had again; `at_any_cost` also where
    /// it may not be had again.
    fn let_go(&self, at_any_cost: bool) -> bool;
}

/// The holders of descriptors, in the order of a clock with a second chance.
#[derive(Debug)]
pub(crate) struct Budget<T> {
    max: usize,
    held: AtomicUsize,
    clock: Mutex<VecDeque<Weak<T>>>,
}

impl<T: Holder> Budget<T> {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            held: AtomicUsize::new(0),
            clock: Mutex::default(),
        }
    }

    /// Counts a holder that has just got its descriptor.
    pub(crate) fn add(&self, holder: &Arc<T>) {
        let held = self.count();
        {
            let mut clock = lock(&self.clock);
            clock.push_back(Arc::downgrade(holder));
            if clock.len() > 2 * held + 1024 {
                clock.retain(|holder| holder.strong_count() > 0);
            }
        }
        if held > self.max {
            self.sweep(self.max, LOOKS, LOOKS, false);
        }
    }

    /// Counts a descriptor that will not be closed before its time; how many there are then.
    pub(crate) fn count(&self) -> usize {
        self.held.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts one less.
    pub(crate) fn remove(&self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many are held.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether one more may be held, room having been made if need be.
    pub(crate) fn make_room(&self) -> bool {
        let target = self.max.saturating_sub(1);
        if self.held() > target {
            let all = 2 * lock(&self.clock).len();
            self.sweep(target, all, REFUSALS, false);
        }
        self.held() <= target
    }

    /// Closes half of what is held.
    pub(crate) fn halve(&self) {
        let half = self.held() / 2;
        let all = 2 * lock(&self.clock).len();
        self.sweep(half, all, all, false);
        if self.held() > half {
            self.sweep(half, all, all, true);
        }
    }

    fn sweep(&self, target: usize, looks: usize, mut refusals: usize, at_any_cost: bool) {
        for _ in 0..looks {
            if self.held() <= target || refusals == 0 {
                return;
            }
            // Not under the lock: dropping the last owner of a holder takes other locks.
            let Some(weak) = lock(&self.clock).pop_front() else {
                return;
            };
            let Some(holder) = weak.upgrade() else {
                continue;
            };
            if !holder.take_used() {
                if holder.let_go(at_any_cost) {
                    self.remove();
                    continue;
                }
                refusals -= 1;
            }
            lock(&self.clock).push_back(weak);
        }
    }
}
