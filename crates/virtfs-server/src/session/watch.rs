//! What the sentinel sees of a session, and does for it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::core::{Core, Tagged};
use crate::sentinel::{Interrupter, Watch};
use crate::transport::Transport;

/// For so long requests may go without progress after the client hung up: it may have stopped
/// sending only, and still take replies.
const STILL_AFTER_END: Duration = Duration::from_secs(1);

impl<T: Transport> Core<T> {
    /// The sentinel's look: repeats interrupts, and says whether somebody should help out.
    pub(super) fn look(
        &mut self,
        transport: &T,
        interrupter: Option<&dyn Interrupter>,
    ) -> (Watch, bool) {
        let still = self.progress == self.seen_progress;
        self.seen_progress = self.progress;
        let mut cancelled = false;
        let stopping = (self.closing || self.draining) && !self.ending;
        if let (true, None, Some(interrupter)) = (stopping, &self.receiver, interrupter) {
            interrupter.interrupt(self.reader);
            cancelled = true;
        }
        if self.running == 0 && self.has_ready() {
            // There was no thread for what was tried again.
            return (Watch::Repeat, still);
        }
        if self.running == 0 {
            return (
                if cancelled {
                    Watch::Repeat
                } else {
                    Watch::Idle
                },
                false,
            );
        }
        if still && self.ended && !self.draining {
            // The client is gone; what waits for others will never be missed.
            let since = *self.still_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= STILL_AFTER_END {
                self.close(transport);
            }
            cancelled = true;
        } else {
            self.still_since = None;
        }
        let running = self.tags.values().filter_map(|tagged| match tagged {
            Tagged::Request {
                call,
                running: true,
                ..
            } => Some(call),
            _ => None,
        });
        for call in running.chain(&self.leaving) {
            if call.cancelled.load(Ordering::Relaxed) {
                cancelled = true;
                let thread = call.thread.load(Ordering::Relaxed);
                if let (Some(interrupter), true) = (interrupter, thread != 0) {
                    interrupter.interrupt(thread);
                }
            }
        }
        let watch = match (still, cancelled) {
            (false, _) => Watch::Busy,
            (true, true) => Watch::Repeat,
            (true, false) => Watch::Still,
        };
        (
            watch,
            still && (self.wants_help() || transport.has_replies()),
        )
    }
}
