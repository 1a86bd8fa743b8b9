//! A server that says what a test makes it say.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use virtfs_client::{Attach, Client, Error, Fid, Options, Result, Stream};
use virtfs_proto::{Dialect, Header, Qid, QidType, Rattach, Rlerror, Rmessage, Rversion};

/// How long its client waits.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);

/// A request as it came.
pub(crate) struct Request {
    pub(crate) kind: u8,
    pub(crate) tag: u16,
    pub(crate) frame: Vec<u8>,
}

/// The server's end.
pub(crate) struct Peer(pub(crate) UnixStream);

impl Peer {
    pub(crate) fn request(&mut self) -> Option<Request> {
        let mut header = [0; 7];
        self.0.read_exact(&mut header).ok()?;
        let Header { size, kind, tag } = Header::decode(&header).expect("a client's header");
        let mut frame = header.to_vec();
        frame.resize(size as usize, 0);
        self.0.read_exact(&mut frame[7..]).ok()?;
        Some(Request { kind, tag, frame })
    }

    /// The client may be gone: that is no error here.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    pub(crate) fn reply(&mut self, tag: u16, message: impl Into<Rmessage<'static>>) -> bool {
        self.raw(&encoded(tag, message))
    }

    pub(crate) fn error(&mut self, tag: u16, ecode: u32) -> bool {
        self.reply(tag, Rlerror { ecode })
    }

    /// Answers `Tversion` and the first `Tattach`, and refuses to promise anything.
    pub(crate) fn greet(&mut self, msize: u32) {
        let version = self.request().expect("a Tversion");
        assert_eq!(version.kind, 100);
        self.reply(
            version.tag,
            Rversion {
                msize,
                version: b"9P2000.L",
            },
        );
        let Some(attach) = self.request() else { return };
        self.reply(attach.tag, Rattach { qid: DIR });
        let Some(promises) = self.request() else {
            return;
        };
        self.error(promises.tag, 95);
    }
}

pub(crate) const DIR: Qid = Qid {
    kind: QidType::DIR,
    version: 1,
    path: 1,
};

pub(crate) fn encoded(tag: u16, message: impl Into<Rmessage<'static>>) -> Vec<u8> {
    let message = message.into();
    let mut head = vec![0; 4096];
    let length = message.encode(Dialect::L, tag, &mut head).expect("it fits");
    head.truncate(length);
    head
}

/// Runs a server that goes by `script`, with a client's socket.
pub(crate) fn double(script: impl FnOnce(Peer) + Send + 'static) -> Stream {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    theirs
        .set_write_timeout(Some(Duration::from_secs(20)))
        .expect("a timeout");
    thread::spawn(move || script(Peer(theirs)));
    Stream::socket(ours)
}

pub(crate) fn options() -> Options {
    Options {
        timeout: Some(TIMEOUT),
        connect_timeout: Some(TIMEOUT),
        ..Options::default()
    }
}

/// A client that is attached to a server which goes by `script` from then on.
pub(crate) fn attached(script: impl FnOnce(Peer) + Send + 'static) -> (Client, Fid) {
    let options = Options {
        connect_timeout: Some(Duration::from_secs(20)),
        ..options()
    };
    let stream = double(move |mut peer| {
        peer.greet(1 << 20);
        script(peer);
    });
    let client = Client::over(stream, &options).expect("it greets");
    let root = client.attach(&Attach::default()).expect("it lets in");
    (client, root)
}

/// Whether a call ended as it must when the server talks nonsense.
pub(crate) fn is_fault<T>(result: &Result<T>) -> bool {
    matches!(
        result,
        Err(Error::Protocol(_) | Error::Lost(_) | Error::TimedOut)
    )
}
