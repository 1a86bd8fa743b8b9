//! What failed, told as it happens; and whether anything did, told at the end.

use std::collections::HashSet;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget};
use virtfs_client::Client;

use super::shown::escaped;
use crate::failure::{Failure, reason};

/// What is told on standard error. To be shared by threads.
#[derive(Debug)]
pub(super) struct Report {
    failed: AtomicU64,
    warned: Mutex<HashSet<String>>,
    client: Option<Client>,
    /// Steps aside while something is told. Hidden unless progress is shown.
    pub(super) bar: ProgressBar,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            failed: AtomicU64::new(0),
            warned: Mutex::default(),
            client: None,
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
        }
    }

    /// One that knows when the connection is gone.
    pub(super) fn of(client: &Client) -> Self {
        Self {
            client: Some(client.clone()),
            ..Self::new()
        }
    }

    /// Whether something failed and the connection is gone: everything else would fail too.
    pub(super) fn lost(&self) -> bool {
        let lost = |client: &Client| client.lost().is_some();
        self.failures() > 0 && self.client.as_ref().is_some_and(lost)
    }

    /// Tells that something could not be done about a file, and why.
    pub(super) fn failed(&self, path: &[u8], error: &io::Error) {
        self.failed_because(path, reason(error));
    }

    /// The same in other words.
    pub(super) fn failed_because(&self, path: &[u8], why: impl Display) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.tell(path, why);
    }

    /// Tells something about a file that is no failure.
    pub(super) fn tell(&self, path: &[u8], what: impl Display) {
        let mut line = b"virtfs: ".to_vec();
        if io::stderr().is_terminal() {
            line.extend_from_slice(escaped(path).as_bytes());
        } else {
            line.extend_from_slice(path);
        }
        line.extend_from_slice(format!(": {what}\n").as_bytes());
        // With nobody to tell, the exit status still says it.
        self.bar.suspend(|| {
            let _ = io::stderr().write_all(&line);
        });
    }

    /// Tells something that would be said of many files, once.
    pub(super) fn warn_once(&self, what: impl Into<String>) {
        let what = what.into();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if !warned.contains(&what) {
            self.bar.suspend(|| {
                let _ = writeln!(io::stderr(), "virtfs: {what}");
            });
            warned.insert(what);
        }
    }

    /// How many failed.
    pub(super) fn failures(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Does something about a file; an error is told.
    pub(super) fn attempt<T>(&self, path: &[u8], done: io::Result<T>) -> Option<T> {
        done.map_err(|error| self.failed(path, &error)).ok()
    }

    /// How the command ends.
    pub(super) fn end(&self) -> Result<(), Failure> {
        match self.failures() {
            0 => Ok(()),
            _ => Err(Failure::told()),
        }
    }
}
