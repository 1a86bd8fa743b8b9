//! The hold on a fid number that the server knows.

use virtfs_proto::{Tclunk, Tmessage};

use crate::connection::{Batch, Connection, Reply, fields};
use crate::{Client, Result};

/// The hold on a fid number that the server knows. Dropped: clunked.
#[derive(Debug)]
pub(crate) struct Handle {
    client: Client,
    number: u32,
    gone: bool,
}

impl Handle {
    pub(crate) fn new(client: Client, number: u32) -> Handle {
        Handle {
            client,
            number,
            gone: false,
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn connection(&self) -> &Connection {
        self.client.connection()
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Sends a request and waits for its reply.
    pub(crate) fn call<'m>(&self, message: impl Into<Tmessage<'m>>) -> Result<Reply> {
        let mut batch = Batch::new(self.connection());
        batch.push(message)?;
        batch.send()?.next()
    }

    /// Gives it up and waits.
    pub(crate) fn clunk(self) -> Result<()> {
        let fid = self.number;
        let reply = self.last_call(Tclunk { fid })?;
        fields!(reply, Clunk).map(drop)
    }

    /// Sends the request that ends the fid, and waits.
    pub(crate) fn last_call<'m>(mut self, message: impl Into<Tmessage<'m>>) -> Result<Reply> {
        let client = self.client.clone();
        let mut batch = Batch::new(client.connection());
        batch.push(message)?;
        let mut sent = batch.send()?;
        self.gone = true;
        sent.next()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.gone {
            self.connection().clunk(self.number);
        }
    }
}
