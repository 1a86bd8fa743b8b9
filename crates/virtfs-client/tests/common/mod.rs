//! Servers in this process, and clients of them.
#![allow(dead_code, reason = "each test file uses some of it")]

pub(crate) mod double;
pub(crate) mod relay;

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use virtfs_client::{Attach, Client, Fid, Options, Stream};
use virtfs_server::{Export, FdStream, Server, SessionHandle};
use virtfs_vfs::FileSystem;
use virtfs_vfs::memory::MemoryFs;

/// Longer than anything here takes, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server, and a client that is attached to it.
pub(crate) struct Served {
    pub(crate) server: Server,
    pub(crate) session: SessionHandle,
    pub(crate) client: Client,
    pub(crate) root: Fid,
}

pub(crate) fn options() -> Options {
    Options {
        timeout: Some(PATIENCE),
        ..Options::default()
    }
}

pub(crate) fn memory() -> Served {
    serve(MemoryFs::new(), &options())
}

/// [`memory`], of which the client does not hear that it keeps order.
pub(crate) fn promise_nothing() -> Served {
    let served = serve_over(MemoryFs::new(), &options(), |theirs| {
        let (near, far) = UnixStream::pair().expect("a pair of sockets");
        relay::relay(near, theirs, relay::Relayed::default(), false);
        far
    });
    assert!(!served.client.ordered());
    served
}

pub(crate) fn serve(fs: impl FileSystem, options: &Options) -> Served {
    serve_over(fs, options, |ours| ours)
}

/// Serves a client whose socket `between` may put something in front of.
pub(crate) fn serve_over(
    fs: impl FileSystem,
    options: &Options,
    between: impl FnOnce(UnixStream) -> UnixStream,
) -> Served {
    let export = Export::new("root", Arc::new(fs));
    let server = Server::builder()
        .export(export)
        .build()
        .expect("a server starts");
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let session = server
        .serve(FdStream::socket(theirs))
        .expect("there is room");
    let client = Client::over(Stream::socket(between(ours)), options).expect("both speak 9P2000.L");
    let root = client
        .attach(&Attach::default())
        .expect("there is one export");
    Served {
        server,
        session,
        client,
        root,
    }
}

/// Bytes that tell where they are from.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}
