//! Setting up a server.

use std::fmt;

use crate::budget::Limits;
use crate::export::{Export, Exports};
use crate::sentinel::Interrupter;
use crate::server::Server;

/// What a [`Server`] is made of.
#[derive(Default)]
pub struct ServerBuilder {
    exports: Vec<Export>,
    limits: Limits,
    interrupter: Option<Box<dyn Interrupter>>,
}

impl ServerBuilder {
    /// Adds an export. The first is also what an empty `aname` reaches.
    pub fn export(mut self, export: Export) -> Self {
        self.exports.push(export);
        self
    }

    /// Sets the budgets.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Gives the means to interrupt a thread that sleeps in a system call. Without it a flush
    /// waits for such a call to end.
    pub fn interrupter(mut self, interrupter: impl Interrupter) -> Self {
        self.interrupter = Some(Box::new(interrupter));
        self
    }

    /// The server. Errors: its first thread cannot be started.
    pub fn build(self) -> std::io::Result<Server> {
        Server::start(Exports::new(self.exports), self.limits, self.interrupter)
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("exports", &self.exports)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
