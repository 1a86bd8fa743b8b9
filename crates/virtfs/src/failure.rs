//! Why the program could not do what was asked, in words for the one who asked.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::process::ExitCode;

/// What went wrong, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    status: u8,
}

impl Failure {
    /// What was asked cannot be done.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            status: 1,
        }
    }

    /// What was typed makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            status: 2,
        }
    }

    /// A thread cannot be had back from the kernel, so that the end is not a whole one.
    pub(crate) fn stuck(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            status: 3,
        }
    }

    /// A second signal of this number ends it before its time.
    pub(crate) fn killed(signal: i32) -> Self {
        Self {
            message: String::new(),
            status: u8::try_from(128 + signal).unwrap_or(1),
        }
    }

    /// The reason for this exit status has been told.
    pub(crate) fn ended(status: u8) -> Self {
        Self {
            message: String::new(),
            status,
        }
    }

    /// Something failed, and its reason has been told.
    pub(crate) fn told() -> Self {
        Self::new("")
    }

    /// Tells it on standard error; the exit status.
    pub(crate) fn report(self) -> ExitCode {
        ExitCode::from(self.tell())
    }

    /// Tells it on standard error; the exit status as a number.
    pub(crate) fn tell(&self) -> u8 {
        if !self.message.is_empty() {
            // With nobody to tell, the status still says it.
            let _ = writeln!(io::stderr(), "virtfs: error: {}", self.message);
        }
        self.status
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Says what was being done when a call failed.
pub(crate) trait Doing<T> {
    /// `what` ends up before a colon and the reason.
    fn doing<D: Display>(self, what: impl FnOnce() -> D) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing<D: Display>(self, what: impl FnOnce() -> D) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(format!("{}: {}", what(), reason(&error.into()))))
    }
}

/// An error of the system in words, without its number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}
