//! What a case runs on.

use std::time::Duration;

use virtfs_client::{Attach, Client, Fid, Options, Result};
use virtfs_vfs::synth::Gate;

use super::{Backend, Endpoint, Has};
use crate::PATIENCE;

/// A fresh backend, a server of it, and a client that has attached.
#[derive(Debug)]
pub struct Site {
    root: Fid,
    endpoint: Endpoint,
    backend: Backend,
}

/// The msize of a site's own connection, in bytes: small, so that what is large needs several
/// messages.
pub(super) const MSIZE: u32 = 32 << 10;

impl Site {
    /// Connects and attaches.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn new(backend: Backend, endpoint: Endpoint) -> Self {
        let client = endpoint.connect(&options()).expect("a client connects");
        let root = client
            .attach(&Attach::default())
            .expect("a client attaches");
        Self {
            root,
            endpoint,
            backend,
        }
    }

    /// The root of the export.
    pub fn root(&self) -> &Fid {
        &self.root
    }

    /// The connection of [`Site::root`].
    pub fn client(&self) -> &Client {
        self.root.client()
    }

    /// The root over another connection.
    pub fn second(&self) -> Fid {
        self.with(&options())
    }

    /// The root over another connection with these options.
    pub fn with(&self, options: &Options) -> Fid {
        let client = self.connect(options).expect("another client connects");
        client
            .attach(&Attach::default())
            .expect("another client attaches")
    }

    /// The root over another connection with messages of this length.
    pub fn with_msize(&self, msize: u32) -> Fid {
        self.with(&Options { msize, ..options() })
    }

    /// Another connection, on which nobody has attached.
    pub fn connect(&self, options: &Options) -> Result<Client> {
        self.endpoint.connect(options)
    }

    /// Whether the backend and the way to it have this.
    pub fn has(&self, what: Has) -> bool {
        self.endpoint.has(&self.backend).contains(what)
    }

    /// What the file `gate` waits at.
    ///
    /// # Panics
    ///
    /// If the backend does not have [`Has::GATE`].
    pub fn gate(&self) -> &Gate {
        self.backend.gate().expect("the backend has a gate")
    }
}

/// How a site's own connection is made: no wait is for ever.
pub(super) fn options() -> Options {
    Options {
        msize: MSIZE,
        timeout: Some(PATIENCE),
        connect_timeout: Some(PATIENCE),
        ..Options::default()
    }
}

/// The same, with this much time for every wait.
pub(super) fn hurried(timeout: Duration) -> Options {
    Options {
        timeout: Some(timeout),
        ..options()
    }
}
