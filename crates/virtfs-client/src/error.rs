//! What can go wrong.

use std::fmt;
use std::io;
use std::sync::Arc;

/// The result of a call to a server.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The server refused: the errno of its `Rlerror`.
    Server(i32),
    /// No reply came within [`Options::timeout`](crate::Options::timeout); the request was flushed.
    TimedOut,
    /// The wait was given up through a [`Cancel`](crate::Cancel); the request was flushed.
    Interrupted,
    /// The connection is gone.
    Lost(Arc<io::Error>),
    /// The server broke the protocol; the connection was closed.
    Protocol(String),
    /// It cannot be sent: why, and the errno that says so.
    Refused(&'static str, i32),
}

impl Error {
    /// The errno of Linux that says the same.
    pub fn errno(&self) -> i32 {
        use rustix::io::Errno;
        match self {
            Self::Server(errno) | Self::Refused(_, errno) => *errno,
            Self::TimedOut => Errno::TIMEDOUT.raw_os_error(),
            Self::Interrupted => Errno::INTR.raw_os_error(),
            Self::Lost(_) | Self::Protocol(_) => Errno::IO.raw_os_error(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(errno) => io::Error::from_raw_os_error(*errno).fmt(f),
            Self::TimedOut => f.write_str("the server did not answer in time"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Lost(error) => write!(f, "the connection is lost: {error}"),
            Self::Protocol(what) => write!(f, "the server broke the protocol: {what}"),
            Self::Refused(what, _) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lost(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Lost(Arc::new(error))
    }
}

/// Only [`Error::Server`] and [`Error::Refused`] become an `io::Error` of their errno; the others
/// keep their words.
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match &error {
            Error::Server(errno) | Error::Refused(_, errno) => {
                return io::Error::from_raw_os_error(*errno);
            }
            Error::TimedOut => io::ErrorKind::TimedOut,
            Error::Interrupted => io::ErrorKind::Interrupted,
            Error::Lost(error) => error.kind(),
            Error::Protocol(_) => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}
