//! A file of the server that is not open.

mod change;
mod handle;
mod look;
mod open;
mod walk;
mod xattr;

pub(crate) use self::handle::Handle;
use crate::{Client, Qid, Result};

/// A file of the server that is not open: where walks start, and what is looked at and changed.
///
/// Dropped, it is clunked (`Tclunk`) without waiting for the server. Names are bytes, as in Linux.
///
/// Every call fails with [`Error::Server`](crate::Error::Server) as the server refuses, with
/// [`Error::TimedOut`](crate::Error::TimedOut) after
/// [`Options::timeout`](crate::Options::timeout), with
/// [`Error::Interrupted`](crate::Error::Interrupted) through a [`Cancel`](crate::Cancel), and when
/// the connection is gone; other errors are named where they can happen.
#[derive(Debug)]
pub struct Fid {
    handle: Handle,
    qid: Qid,
}

impl Fid {
    pub(crate) fn new(handle: Handle, qid: Qid) -> Fid {
        Fid { handle, qid }
    }

    /// The connection that it belongs to.
    pub fn client(&self) -> &Client {
        self.handle.client()
    }

    /// Its number on the wire.
    pub fn number(&self) -> u32 {
        self.handle.number()
    }

    /// The server's identification of the file, as the walk gave it.
    pub fn qid(&self) -> Qid {
        self.qid
    }

    /// Gives it up and waits for the answer (`Tclunk`). It is gone even if this fails.
    pub fn clunk(self) -> Result<()> {
        self.handle.clunk()
    }
}
