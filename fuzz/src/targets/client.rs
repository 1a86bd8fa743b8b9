//! What a server answers to our client: each frame of an input answers one request. A frame of tag
//! 0 gets the request's tag, others come as they are. A [`CONTROL`] frame has a server of ours answer
//! as many requests as its tag says; if it has a body, the answer to the next is ours too, but for
//! the body's bytes, which stand in it from the place on that the first of them says.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use virtfs_client::{
    Attach, Client, Fid, GetattrMask, Lock, LockFlags, LockType, LopenFlags, Options, Result,
    SetAttributes, Stream, UnlinkFlags, XattrFlags,
};
use virtfs_proto::{
    Dialect, DirEntry, Header, LockStatus, Qid, QidType, Qids, Rattach, Rclunk, Rgetlock, Rlcreate,
    Rlerror, Rlock, Rlopen, Rmessage, Rread, Rreaddir, Rreadlink, Rversion, Rwalk, Rwrite,
    Rxattrwalk, kind,
};
use virtfs_server::{Export, FdStream, Server};
use virtfs_tests::Rng;
use virtfs_vfs::memory::MemoryFs;

use super::Target;
use crate::frames::{CONTROL, HEADER, frame, frames};
use crate::mutate;

pub(super) const TARGET: Target = Target {
    name: "client",
    run,
    mutate,
};

/// How long a client waits for what does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the other end waits for a request before it hangs up: a client that still waits for an
/// answer sends none.
const SILENCE: Duration = Duration::from_millis(20);

fn run(input: &[u8]) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    theirs.set_read_timeout(Some(SILENCE)).expect("a timeout");
    let answers: Vec<Vec<u8>> = frames(input).map(|frame| frame.bytes.to_vec()).collect();
    let server = thread::spawn(move || answer(theirs, answers));
    let options = Options {
        msize: 8192,
        timeout: Some(PATIENCE),
        connect_timeout: Some(PATIENCE),
        ..Options::default()
    };
    let call = || -> Result<()> {
        let client = Client::over(Stream::socket(ours), &options)?;
        let root = client.attach(&Attach::default())?;
        // What one call fails at is no reason for the next to fail, while there is a connection.
        make(&root);
        use_a_file(&root);
        look(&root);
        change(&root);
        Ok(())
    };
    let _ = call();
    server.join().expect("the other end does not panic");
}

/// Answers requests until there is nothing left to say.
fn answer(stream: UnixStream, answers: Vec<Vec<u8>>) -> Option<()> {
    let is = |kind| move |frame: &Vec<u8>| frame.get(4) == Some(&kind);
    let mut far = Far {
        stream,
        ours: answers.iter().any(is(CONTROL)).then(Ours::new),
    };
    if !answers.first().is_some_and(is(kind::RVERSION)) {
        far.answer(Some(greeting(8192)), &[])?;
    }
    for bytes in answers {
        if !is(CONTROL)(&bytes) {
            far.answer(Some(bytes), &[])?;
            continue;
        }
        let (tag, body) = bytes.get(5..)?.split_first_chunk()?;
        for _ in 0..u16::from_le_bytes(*tag).min(1000) {
            far.answer(None, &[])?;
        }
        if !body.is_empty() {
            far.answer(None, body)?;
        }
    }
    None
}

/// The other end of the client's connection.
struct Far {
    stream: UnixStream,
    ours: Option<Ours>,
}

/// A server that knows better, and is asked everything.
struct Ours {
    stream: UnixStream,
    _server: Server,
}

impl Ours {
    fn new() -> Self {
        let export = Export::new("root", Arc::new(MemoryFs::new()));
        let server = Server::builder().export(export).build();
        let server = server.expect("a server starts");
        let (stream, theirs) = UnixStream::pair().expect("a pair of sockets");
        stream.set_read_timeout(Some(SILENCE)).expect("a timeout");
        let session = server.serve(FdStream::socket(theirs));
        session.expect("a session is begun");
        Self {
            stream,
            _server: server,
        }
    }
}

impl Far {
    /// Answers one request: with these bytes, or as our server does, but for a change. `None` when
    /// nobody is there any more.
    fn answer(&mut self, bytes: Option<Vec<u8>>, change: &[u8]) -> Option<()> {
        let request = read_frame(&mut self.stream)?;
        let right = self.ours.as_mut().and_then(|ours| {
            ours.stream.write_all(&request).ok()?;
            read_frame(&mut ours.stream)
        });
        let mut bytes = bytes.or(right)?;
        if let Some(tag) = bytes.get_mut(5..HEADER).filter(|tag| **tag == [0, 0]) {
            tag.copy_from_slice(request.get(5..HEADER)?);
        }
        if let Some((at, change)) = change.split_first() {
            let places = bytes.iter_mut().skip(usize::from(*at));
            places.zip(change).for_each(|(to, from)| *to = *from);
        }
        self.stream.write_all(&bytes).ok()
    }
}

fn read_frame(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut bytes = vec![0; HEADER];
    stream.read_exact(&mut bytes).ok()?;
    let header = Header::decode(&bytes).expect("a header of ours");
    bytes.resize(header.size as usize, 0);
    stream.read_exact(bytes.get_mut(HEADER..)?).ok()?;
    Some(bytes)
}

fn greeting(msize: u32) -> Vec<u8> {
    let version = b"9P2000.L";
    encode(Rversion { msize, version })
}

fn look(root: &Fid) {
    let _ = root.attributes();
    let _ = root.statfs();
    let _ = root.lookup(b"f");
    let _ = root.stat_all(&[b"a", b"s", b"x"]);
    let _ = root.walk(&[b"s"]).and_then(|link| link.readlink());
    let _ = root.xattrs();
    let _ = root.xattr(b"user.a");
    let walked = root.walk::<&[u8]>(&[]);
    if let Ok(mut directory) = walked.and_then(|fid| fid.read_dir()) {
        // It ends by itself: answers do.
        while directory
            .next_batch()
            .is_ok_and(|entries| !entries.is_empty())
        {}
    }
}

fn make(root: &Fid) {
    let _ = root.mkdir(b"a", 0o755, 0);
    let _ = root.symlink(b"s", b"t", 0);
    let _ = root.mknod(b"n", 0o10600, 0, 0, 0);
    let _ = root.create_and_look(b"g", LopenFlags::WRONLY, 0o644, 0);
    let _ = root.set_xattr(b"user.a", b"value", XattrFlags::empty());
}

fn use_a_file(root: &Fid) {
    let file = root.create(b"f", LopenFlags::RDWR, 0o644, 0);
    if let Ok(file) = file.or_else(|_| root.open(LopenFlags::RDWR)) {
        // In several messages each.
        let mut buf = vec![7; 20_000];
        let written = file.write_at(&buf, 0);
        assert!(written.unwrap_or_default() <= buf.len());
        let read = file.read_at(&mut buf, 1);
        assert!(read.unwrap_or_default() <= buf.len());
        let chunk = file.read_chunk(100, 0);
        assert!(chunk.map_or(0, |chunk| chunk.len()) <= 100);
        let lock = Lock {
            kind: LockType::WRLCK,
            flags: LockFlags::empty(),
            start: 0,
            length: 5,
            proc_id: 1,
            client_id: b"c".to_vec(),
        };
        let _ = file.lock(&lock);
        let _ = file.test_lock(&lock);
        let _ = file.getattr(GetattrMask::ALL);
        let _ = file.fsync(false);
    }
}

fn change(root: &Fid) {
    let _ = root.setattr(&SetAttributes::default());
    if let Ok(file) = root.walk(&[b"f"]) {
        let _ = root.link(b"l", &file);
        let _ = file.rename(root, b"h");
        let _ = file.remove();
    }
    let _ = root.remove_xattr(b"user.a");
    let _ = root.rename_at(b"a", root, b"b");
    let _ = root.unlink_at(b"b", UnlinkFlags::REMOVEDIR);
}

fn encode<'a>(message: impl Into<Rmessage<'a>>) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    let length = message.into().encode(Dialect::L, 0, &mut bytes);
    bytes.truncate(length.expect("it fits"));
    bytes
}

static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let qid = Qid {
        kind: QidType::DIR,
        version: 1,
        path: 1,
    };
    let with = |mut head: Vec<u8>, payload: &[u8]| {
        head.extend(payload);
        head
    };
    let count = 24;
    let mut entries = Vec::new();
    for name in [&b"a"[..], b"..", b"a/b", b""] {
        let entry = DirEntry {
            qid,
            offset: 1,
            kind: 4,
            name,
        };
        let mut bytes = [0; 64];
        if let Ok(length) = entry.encode(&mut bytes) {
            entries.extend_from_slice(&bytes[..length]);
        }
    }
    let listed = entries.len() as u32;
    let mut all = vec![
        greeting(4096),
        encode(Rattach { qid }),
        encode(Rlerror { ecode: 2 }),
        encode(Rlerror { ecode: 95 }),
        encode(Rclunk {}),
        encode(Rwalk {
            qids: Qids::from_slice(&[qid]),
        }),
        encode(Rwalk {
            qids: Qids::from_slice(&[]),
        }),
        encode(Rwalk {
            qids: Qids::from_slice(&[qid, qid]),
        }),
        encode(Rlopen { qid, iounit: 0 }),
        encode(Rlcreate { qid, iounit: 100 }),
        with(encode(Rread { count }), &[b'x'; 24]),
        encode(Rread { count: 0 }),
        with(encode(Rreaddir { count: listed }), &entries),
        encode(Rreaddir { count: 0 }),
        encode(Rwrite { count: 100 }),
        encode(Rxattrwalk { size: 24 }),
        encode(Rreadlink { target: b"to" }),
        encode(Rlock {
            status: LockStatus::SUCCESS,
        }),
        encode(Rgetlock {
            kind: LockType::UNLCK,
            start: 0,
            length: 5,
            proc_id: 1,
            client_id: b"c",
        }),
        frame(kind::RGETATTR, 0, &[1; 153]),
        frame(kind::RSTATFS, 0, &[1; 60]),
    ];
    for kind in [
        kind::RSYMLINK,
        kind::RSETATTR,
        kind::RXATTRCREATE,
        kind::RFSYNC,
        kind::RMKDIR,
        kind::RRENAMEAT,
        kind::RUNLINKAT,
        kind::RFLUSH,
    ] {
        all.push(frame(kind, 0, &[]));
    }
    for count in [0, 1, 2, 3, 5, 8, 13, 21, 34, 1000] {
        all.push(frame(CONTROL, count, &[]));
        all.push(frame(CONTROL, count, &[count as u8 % 24, 1]));
        all.push(frame(CONTROL, count, &[7, 0xff, 0xff, 0xff, 0xff]));
    }
    all
});

fn mutate(input: &mut Vec<u8>, random: &mut Rng, limit: usize) {
    mutate::frames(input, 0, &SAMPLES, random, limit);
}
