//! Why a connection ended that its VMM did not end properly.

use std::fmt;
use std::io;

use super::header::Header;
use super::refusal::Refusal;

/// Why a connection ended that its VMM did not end properly. Displayed it is one line that says
/// what the VMM did, or that the host failed.
#[derive(Debug)]
pub struct Error(pub(super) Kind);

#[derive(Debug)]
pub(super) enum Kind {
    /// A message of a type that does not exist.
    Unknown(u32),
    /// A message that is not as its type says, or came without its feature.
    Malformed(Option<Header>, vhost::vhost_user::Error),
    /// The VMM hung up within a message.
    CutShort,
    /// A message that makes sense and is not done.
    Refused(Option<Header>, Refusal),
    /// The host failed.
    Host(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |header: &Option<Header>| match header {
            Some(header) => header.to_string(),
            None => "message".to_owned(),
        };
        match &self.0 {
            Kind::Unknown(code) => write!(f, "the VMM sent a message of unknown type {code}"),
            Kind::Malformed(header, error) => {
                write!(f, "the VMM sent a bad {}: {error}", name(header))
            }
            Kind::CutShort => f.write_str("the VMM hung up within a message"),
            Kind::Refused(header, refusal) => {
                write!(f, "the VMM's {} was refused: {refusal}", name(header))
            }
            Kind::Host(error) => write!(f, "the connection to the VMM failed: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Kind::Malformed(_, error) => Some(error),
            Kind::Refused(_, refusal) => refusal.source(),
            Kind::Host(error) => Some(error),
            Kind::Unknown(_) | Kind::CutShort => None,
        }
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self(kind)
    }
}
