//! How a thread sleeps, and how another wakes it wherever it does.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Where a thread sleeps: on a condition variable, or polling the stream for all.
#[derive(Debug, Default)]
pub(crate) struct Parker {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct State {
    woken: bool,
    /// On the condition variable: waking costs a system call.
    asleep: bool,
    /// Polled by the thread, so to be written to.
    polling: Option<Arc<OwnedFd>>,
}

thread_local! {
    static PARKER: Arc<Parker> = Arc::default();
}

impl Parker {
    /// The calling thread's own.
    pub(crate) fn current() -> Arc<Parker> {
        // A thread that ends still drops fids.
        PARKER.try_with(Arc::clone).unwrap_or_default()
    }

    /// Ends the thread's sleep, or its next one.
    pub(crate) fn wake(&self) {
        let mut state = self.lock();
        if state.woken {
            return;
        }
        state.woken = true;
        match &state.polling {
            // It fails only if the counter is full: then it wakes as well.
            Some(event) => drop(rustix::io::write(event, &1u64.to_ne_bytes())),
            None if state.asleep => self.woken.notify_one(),
            None => {}
        }
    }

    /// Sleeps until woken or until this time.
    pub(super) fn park(&self, until: Option<Instant>) {
        let mut state = self.lock();
        state.asleep = true;
        while !state.woken {
            state = match until {
                None => self
                    .woken
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let rest = until.saturating_duration_since(Instant::now());
                    if rest.is_zero() {
                        break;
                    }
                    let waited = self.woken.wait_timeout(state, rest);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        (state.woken, state.asleep) = (false, false);
    }

    /// From now on waking writes to `event`; `false` if the thread was woken already.
    pub(super) fn start_polling(&self, event: &Arc<OwnedFd>) -> bool {
        let mut state = self.lock();
        if !state.woken {
            state.polling = Some(event.clone());
        }
        !std::mem::take(&mut state.woken)
    }

    pub(super) fn stop_polling(&self) {
        let mut state = self.lock();
        state.polling = None;
        state.woken = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
