//! A file whose reads and writes block until they are let through.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::File;
use super::file::{discard, put_from};
use crate::{Cx, Errno};

/// A gate: calls wait at it until it is opened or they are interrupted. Clones are the same gate.
///
/// A test makes a file from it, sends requests, waits with [`Gate::wait_for_blocked`] until they
/// are all inside, and then knows that nothing but [`Gate::open`] or an interruption ends them.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Inner>);

/// How a call waits at a [`Gate`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wait {
    /// Whether it calls [`Cx::about_to_block`] first.
    pub announced: bool,
    /// Whether an interruption ends it.
    pub interruptible: bool,
}

impl Wait {
    /// As a call ought to: announced and interruptible.
    pub const PROPER: Self = Self {
        announced: true,
        interruptible: true,
    };

    /// Without a word to the server, like a system call that has no form that cannot sleep.
    pub const SILENT: Self = Self {
        announced: false,
        interruptible: true,
    };

    /// Announced, but deaf to interruption, like a system call on a dead network file system.
    pub const STUBBORN: Self = Self {
        announced: true,
        interruptible: false,
    };
}

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    /// Calls that wait now.
    blocked: usize,
    /// Calls that may still pass though the gate is closed.
    tickets: usize,
    passed: u64,
    interrupted: u64,
}

/// How often a waiting call looks whether it was interrupted: nothing wakes it for that.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

impl Gate {
    /// What a read gives behind the gate.
    pub const TEXT: &'static [u8] = b"open\n";

    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// A file of mode `0666` whose reads and writes wait as [`Wait::PROPER`]. Behind the gate a
    /// read gives [`Gate::TEXT`] and a write takes everything.
    pub fn file(&self) -> File {
        self.file_with(Wait::PROPER)
    }

    /// The same file with another way to wait.
    pub fn file_with(&self, wait: Wait) -> File {
        let (on_read, on_write) = (self.clone(), self.clone());
        File::new(0o666)
            .read(move |cx, offset, reply| {
                on_read.wait(cx, wait)?;
                put_from(Self::TEXT, offset, reply);
                Ok(())
            })
            .write(move |cx, _, body| {
                on_write.wait(cx, wait)?;
                Ok(discard(body))
            })
            .length(|| Self::TEXT.len() as u64)
    }

    /// Waits until the gate is open: for callbacks of one's own. `EINTR` when interrupted.
    pub fn wait(&self, cx: &Cx<'_>, how: Wait) -> Result<(), Errno> {
        if how.announced && !self.lock().may_pass() {
            cx.about_to_block();
        }
        let mut state = self.lock();
        state.blocked += 1;
        self.0.changed.notify_all();
        let answer = loop {
            if state.take_pass() {
                state.passed += 1;
                break Ok(());
            }
            if how.interruptible && cx.interrupted() {
                state.interrupted += 1;
                break Err(Errno::EINTR);
            }
            let waited = self.0.changed.wait_timeout(state, LOOK_AGAIN);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        state.blocked -= 1;
        self.0.changed.notify_all();
        answer
    }

    /// Lets everything through, now and later.
    pub fn open(&self) {
        self.lock().open = true;
        self.0.changed.notify_all();
    }

    /// Makes later calls wait again.
    pub fn close(&self) {
        self.lock().open = false;
    }

    /// Lets this many calls through a closed gate, waiting ones or later ones.
    pub fn admit(&self, calls: usize) {
        self.lock().tickets += calls;
        self.0.changed.notify_all();
    }

    /// How many calls wait now.
    pub fn blocked(&self) -> usize {
        self.lock().blocked
    }

    /// How many calls came through.
    pub fn passed(&self) -> u64 {
        self.lock().passed
    }

    /// How many calls ended with `EINTR`.
    pub fn interrupted(&self) -> u64 {
        self.lock().interrupted
    }

    /// Waits until exactly this many calls are blocked inside; `false` when the time is over.
    #[must_use]
    pub fn wait_for_blocked(&self, calls: usize, timeout: Duration) -> bool {
        self.wait_until(timeout, |state| state.blocked == calls)
    }

    /// Waits until at least this many calls came through; `false` when the time is over.
    #[must_use]
    pub fn wait_for_passed(&self, calls: u64, timeout: Duration) -> bool {
        self.wait_until(timeout, |state| state.passed >= calls)
    }

    fn wait_until(&self, timeout: Duration, done: impl Fn(&State) -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        while !done(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn may_pass(&self) -> bool {
        self.open || self.tickets > 0
    }

    fn take_pass(&mut self) -> bool {
        if !self.open && self.tickets > 0 {
            self.tickets -= 1;
            return true;
        }
        self.open
    }
}
