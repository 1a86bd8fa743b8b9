//! Interrupts whose request the handler does not know: not yet, or no more.
//!
//! The kernel's rule: EAGAIN to an `INTERRUPT` has it sent again, unless its request has ended
//! meanwhile. Answered at once, the two would go to and fro without a pause while a handler that
//! cannot be interrupted works; so one thread collects them for a moment.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;

use super::device::Device;

/// Long beside a request on its way to the handler, short for someone who typed Ctrl-C.
const PAUSE: Duration = Duration::from_millis(5);

/// Interrupts to be asked for again.
#[derive(Debug, Default)]
pub(super) struct Interrupts {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    uniques: Vec<u64>,
    closed: bool,
}

impl Interrupts {
    /// Has the `INTERRUPT` of this number sent again.
    pub(super) fn again(&self, unique: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.uniques.push(unique);
        self.changed.notify_one();
    }

    /// Ends [`run`](Self::run).
    pub(super) fn close(&self) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .closed = true;
        self.changed.notify_one();
    }

    /// Answers what has waited long enough, until closed.
    pub(super) fn run(&self, device: &Device) {
        loop {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let mut waiting = self
                .changed
                .wait_while(waiting, |waiting| {
                    waiting.uniques.is_empty() && !waiting.closed
                })
                .unwrap_or_else(PoisonError::into_inner);
            if waiting.closed {
                return;
            }
            let uniques = std::mem::take(&mut waiting.uniques);
            drop(waiting);
            std::thread::sleep(PAUSE);
            for unique in uniques {
                device.refuse(unique, Errno::AGAIN.raw_os_error());
            }
        }
    }
}
