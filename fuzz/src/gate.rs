//! A file system some of whose calls hang while an input says so: until it lets them go on, or
//! somebody gives them up.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use virtfs_tests::Hooked;
use virtfs_vfs::{Cx, Errno, FileSystem};

/// How often a call that hangs looks whether it was given up.
const LOOK: Duration = Duration::from_micros(500);

/// How long calls may take to go on.
const PATIENCE: Duration = Duration::from_secs(60);

/// What such calls wait at.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Default)]
struct State {
    closed: bool,
    waiting: usize,
}

impl Gate {
    /// A file system of which some calls of each kind (that make fids, look, change) pass the gate.
    pub(crate) fn before(self: &Arc<Self>, fs: impl FileSystem) -> Hooked<impl FileSystem> {
        let gate = self.clone();
        Hooked::new(fs, move |method, cx| match method {
            "walk" | "statfs" | "readlink" | "xattr" | "set" => gate.pass(cx),
            _ => Ok(()),
        })
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Lets all go on, and waits until they have.
    pub(crate) fn open(&self) {
        let mut state = self.lock();
        state.closed = false;
        self.bell.notify_all();
        let waiting = |state: &mut State| state.waiting > 0;
        let waited = self.bell.wait_timeout_while(state, PATIENCE, waiting);
        let timeout = waited.unwrap_or_else(PoisonError::into_inner).1;
        assert!(!timeout.timed_out(), "a call does not go on");
    }

    fn pass(&self, cx: &Cx<'_>) -> Result<(), Errno> {
        let mut state = self.lock();
        if !state.closed {
            return Ok(());
        }
        state.waiting += 1;
        drop(state);
        cx.about_to_block();
        let mut state = self.lock();
        while state.closed && !cx.interrupted() {
            let slept = self.bell.wait_timeout(state, LOOK);
            state = slept.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.waiting -= 1;
        self.bell.notify_all();
        match state.closed {
            true => Err(Errno::EINTR),
            false => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
