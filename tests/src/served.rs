//! Servers to test.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use virtfs_local::{LocalFs, Options, SecurityModel};
use virtfs_server::{Export, FdStream, Limits, Refused, Server, SessionHandle};
use virtfs_vfs::FileSystem;
use virtfs_vfs::memory::MemoryFs;
use virtfs_vfs::synth::Synth;

use crate::raw::Raw;

/// The msize that [`Served::session`] asks for.
pub const MSIZE: u32 = 64 << 10;

/// A server in this process.
#[derive(Debug)]
pub struct Served {
    /// The server itself.
    pub server: Server,
}

impl Served {
    /// With these exports and limits.
    pub fn new(exports: Vec<Export>, limits: Limits) -> Self {
        let builder = exports
            .into_iter()
            .fold(Server::builder(), |b, e| b.export(e));
        let server = builder.limits(limits).build();
        Self {
            server: server.expect("a server starts"),
        }
    }

    /// With these exports.
    pub fn exports(exports: Vec<Export>) -> Self {
        Self::new(exports, Limits::default())
    }

    /// With one export.
    pub fn fs(fs: impl FileSystem) -> Self {
        Self::exports(vec![Export::new("root", Arc::new(fs))])
    }

    /// With an empty file system in memory.
    pub fn memory() -> Self {
        Self::fs(MemoryFs::new())
    }

    /// With an empty file system in memory, and these limits.
    pub fn memory_with(limits: Limits) -> Self {
        Self::new(vec![Export::new("root", Arc::new(MemoryFs::new()))], limits)
    }

    /// With a tree made by code.
    pub fn synth(synth: Synth) -> Self {
        Self::fs(synth)
    }

    /// With a directory of this host.
    pub fn local(dir: &Path) -> Self {
        Self::fs(local_fs(dir))
    }

    /// With a directory of this host, read-only.
    pub fn local_readonly(dir: &Path) -> Self {
        let export = Export::new("root", Arc::new(local_fs(dir)));
        Self::exports(vec![export.readonly(true)])
    }

    /// A connection on which nothing was said yet.
    pub fn connect(&self) -> Raw {
        self.connect_with_handle().0
    }

    /// The same, and the server's handle of it.
    pub fn connect_with_handle(&self) -> (Raw, SessionHandle) {
        self.try_connect().expect("there is room for a session")
    }

    /// The same, which may be refused.
    pub fn try_connect(&self) -> Result<(Raw, SessionHandle), Refused> {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let handle = self.server.serve(FdStream::socket(theirs))?;
        Ok((Raw::socket(ours), handle))
    }

    /// A session that has said `Tversion` and attached fid 0 to the first export.
    pub fn session(&self) -> Raw {
        self.session_with_handle().0
    }

    /// The same, and the server's handle of it.
    pub fn session_with_handle(&self) -> (Raw, SessionHandle) {
        let (mut raw, handle) = self.connect_with_handle();
        raw.start();
        raw.attach(0, "").expect("the first export can be attached");
        (raw, handle)
    }
}

fn local_fs(dir: &Path) -> LocalFs {
    let options = Options {
        model: SecurityModel::None,
        ..Options::default()
    };
    LocalFs::open(dir, options).expect("the directory can be served")
}
