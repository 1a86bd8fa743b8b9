//! What a suite reports when something does not hold: a text that says where and what.

use std::fmt;
use std::io;

use rustix::io::Errno;

/// The result of a suite or of a step of one.
pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

/// Why a suite failed, for the person who reads its output.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// `Err` of a [`Failure`] with this text.
pub(crate) fn fail<T>(text: impl Into<String>) -> Result<T> {
    Err(Failure::new(text))
}

/// Says at what an error came up.
pub(crate) trait At<T> {
    fn at(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> At<T> for std::result::Result<T, E> {
    fn at(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<Errno> for Failure {
    fn from(error: Errno) -> Self {
        Self(error.to_string())
    }
}
