//! A reply as it came.

use virtfs_proto::{Dialect, Rmessage};

use super::pool::Payload;
use crate::{Error, Result};

/// A reply that is no error: its head, which was decoded once already, and its payload.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(super) head: Vec<u8>,
    pub(super) payload: Option<Payload>,
}

impl Reply {
    pub(crate) fn message(&self) -> Result<Rmessage<'_>> {
        match Rmessage::decode(Dialect::L, &self.head) {
            Ok((_, message)) => Ok(message),
            Err(error) => Err(Error::Protocol(error.to_string())),
        }
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.payload.as_deref().unwrap_or_default()
    }

    pub(crate) fn into_payload(self) -> Option<Payload> {
        self.payload
    }
}

/// Takes the fields out of a reply whose type was checked on arrival.
macro_rules! fields {
    ($reply:expr, $variant:ident) => {
        match $reply.message() {
            Ok(virtfs_proto::Rmessage::$variant(fields)) => Ok(fields),
            Ok(other) => Err($crate::connection::misfit(other.name())),
            Err(error) => Err(error),
        }
    };
}
pub(crate) use fields;

pub(crate) fn misfit(name: &str) -> Error {
    Error::Protocol(format!("{name} does not answer the request"))
}
