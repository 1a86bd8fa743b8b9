//! Interrupting a thread that sleeps in a system call, by a signal whose handler does nothing.

use std::io;

use rustix::process::Pid;
use virtfs_server::Interrupter;

use crate::sys;

/// Interrupts threads of this process.
#[derive(Debug)]
pub(super) struct SignalInterrupter(());

impl SignalInterrupter {
    /// Sets up the signal.
    pub(super) fn new() -> io::Result<Self> {
        sys::prepare_interrupt()?;
        Ok(Self(()))
    }
}

impl Interrupter for SignalInterrupter {
    fn current(&self) -> u64 {
        rustix::thread::gettid().as_raw_nonzero().get() as u64
    }

    fn interrupt(&self, thread: u64) {
        if let Some(thread) = i32::try_from(thread).ok().and_then(Pid::from_raw) {
            sys::interrupt(thread);
        }
    }
}
