//! A file system that blocks where a test wants it to, and a client that speaks in raw frames.
#![allow(dead_code, unreachable_pub)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use virtfs_server::{Export, FdStream, Limits, Server, SessionHandle};
use virtfs_vfs::{
    Attr, Cx, Device, DirEntry, Errno, FileKind, FileSystem, Name, Node, Open, OpenFlags, Opened,
    Qid, Qids, ReplyBody, StatFs, StatWant, Time,
};

/// What a test and its file system share.
#[derive(Default)]
pub struct Gates {
    /// Opens the walks to `gate`.
    pub walk: AtomicBool,
    /// Opens the statfs calls.
    pub statfs: AtomicBool,
    /// How many reads there were.
    pub reads: AtomicUsize,
    /// How many nodes and open files are alive.
    pub live: AtomicUsize,
}

impl Gates {
    fn wait(&self, gate: &AtomicBool, cx: &Cx<'_>) -> Result<(), Errno> {
        while !gate.load(SeqCst) {
            if cx.interrupted() {
                return Err(Errno::EINTR);
            }
            thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }
}

/// Names lead anywhere. A walk to `gate` announces that it blocks, and waits; a statfs waits
/// unannounced; a walk to `nap` takes a moment, announced, one to `doze` unannounced; `no` is
/// nowhere; `panic` panics.
pub struct GateFs(pub Arc<Gates>);

/// Counts itself among the living.
struct Held(Arc<Gates>);

impl Held {
    fn new(gates: &Arc<Gates>) -> Arc<Self> {
        gates.live.fetch_add(1, SeqCst);
        Arc::new(Self(gates.clone()))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, SeqCst);
    }
}

const QID: Qid = Qid {
    kind: Some(FileKind::Regular),
    version: 1,
    path: 1,
};

impl FileSystem for GateFs {
    fn attach(&self, _: &Cx<'_>) -> Result<(Node, Qid), Errno> {
        Ok((Node::new(Held::new(&self.0)), QID))
    }

    fn walk(
        &self,
        cx: &Cx<'_>,
        _: &Node,
        names: &[Name<'_>],
        qids: &mut Qids,
    ) -> Result<Node, Errno> {
        for name in names {
            match name.as_bytes() {
                b"gate" => {
                    cx.about_to_block();
                    self.0.wait(&self.0.walk, cx)?;
                }
                b"nap" | b"doze" => {
                    if name.as_bytes() == b"nap" {
                        cx.about_to_block();
                    }
                    for _ in 0..5 {
                        if cx.interrupted() {
                            return Err(Errno::EINTR);
                        }
                        thread::sleep(Duration::from_micros(100));
                    }
                }
                b"no" => return Err(Errno::ENOENT),
                b"panic" => panic!("a file system that panics"),
                _ => {}
            }
            qids.push(QID);
        }
        Ok(Node::new(Held::new(&self.0)))
    }

    fn stat(&self, _: &Cx<'_>, _: &Node, _: Option<&Open>, _: StatWant) -> Result<Attr, Errno> {
        Ok(Attr {
            qid: QID,
            mode: 0o100644,
            uid: 0,
            gid: 0,
            nlink: 1,
            rdev: Device::default(),
            size: 0,
            blksize: 4096,
            blocks: 0,
            atime: Time::default(),
            mtime: Time::default(),
            ctime: Time::default(),
            btime: None,
            generation: None,
        })
    }

    fn open(&self, _: &Cx<'_>, _: &Node, _: OpenFlags) -> Result<Opened, Errno> {
        Ok(Opened {
            open: Open::new(Held::new(&self.0)),
            qid: QID,
            blksize: 4096,
        })
    }

    fn read(&self, _: &Cx<'_>, _: &Open, _: u64, reply: &mut dyn ReplyBody) -> Result<(), Errno> {
        self.0.reads.fetch_add(1, SeqCst);
        while reply.put(&[7; 4096]) > 0 {}
        Ok(())
    }

    fn list(
        &self,
        _: &Cx<'_>,
        _: &Open,
        _: u64,
        _: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<(), Errno> {
        Ok(())
    }

    fn statfs(&self, cx: &Cx<'_>, _: &Node) -> Result<StatFs, Errno> {
        self.0.wait(&self.0.statfs, cx)?;
        Ok(StatFs::default())
    }
}

/// A server of a [`GateFs`].
pub fn server(limits: Limits) -> (Server, Arc<Gates>) {
    let gates = Arc::<Gates>::default();
    let export = Export::new("root", Arc::new(GateFs(gates.clone())));
    let server = Server::builder().export(export).limits(limits).build();
    (server.expect("a server starts"), gates)
}

/// A client's end.
pub struct Client(pub UnixStream);

impl Client {
    /// A client that has attached fid 0.
    pub fn new(server: &Server) -> (Self, SessionHandle) {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let handle = server.serve(FdStream::socket(theirs)).expect("is served");
        let mut client = Self(ours);
        client.start();
        (client, handle)
    }

    pub fn start(&mut self) {
        self.send(&[version(), attach(1, 0)].concat());
        assert_eq!([self.receive().0, self.receive().0], [101, 105]);
    }

    pub fn send(&mut self, frames: &[u8]) {
        self.0.write_all(frames).expect("frames can be sent");
    }

    /// The kind and tag of the next reply.
    pub fn receive(&mut self) -> (u8, u16) {
        self.try_receive().expect("there is a reply")
    }

    pub fn try_receive(&mut self) -> Option<(u8, u16)> {
        let mut head = [0; 7];
        self.0.read_exact(&mut head).ok()?;
        let size = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let mut body = vec![0; size - 7];
        self.0.read_exact(&mut body).ok()?;
        Some((head[4], u16::from_le_bytes([head[5], head[6]])))
    }
}

/// Runs a test that would hang if it failed.
pub fn within_a_minute(test: impl FnOnce() + Send + 'static) {
    let (done, result) = mpsc::channel();
    let runs = thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    match result.recv_timeout(Duration::from_secs(60)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => runs
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
    }
}

pub fn frame(kind: u8, tag: u16, body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32 + 7).to_le_bytes().to_vec();
    frame.push(kind);
    frame.extend(tag.to_le_bytes());
    frame.extend(body);
    frame
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_le_bytes(), text.as_bytes()].concat()
}

pub fn version() -> Vec<u8> {
    let msize = (1u32 << 20).to_le_bytes();
    frame(100, 0xffff, &[&msize[..], &text("9P2000.L")].concat())
}

pub fn attach(tag: u16, fid: u32) -> Vec<u8> {
    let none = u32::MAX.to_le_bytes();
    let body = [&fid.to_le_bytes(), &none[..], &text(""), &text(""), &none];
    frame(104, tag, &body.concat())
}

pub fn walk(tag: u16, fid: u32, newfid: u32, names: &[&str]) -> Vec<u8> {
    let mut body = [fid.to_le_bytes(), newfid.to_le_bytes()].concat();
    body.extend((names.len() as u16).to_le_bytes());
    body.extend(names.iter().flat_map(|name| text(name)));
    frame(110, tag, &body)
}

pub fn open(tag: u16, fid: u32) -> Vec<u8> {
    frame(12, tag, &[fid.to_le_bytes(), [0; 4]].concat())
}

pub fn read(tag: u16, fid: u32, count: u32) -> Vec<u8> {
    let body = [&fid.to_le_bytes()[..], &[0; 8], &count.to_le_bytes()];
    frame(116, tag, &body.concat())
}

pub fn getattr(tag: u16, fid: u32) -> Vec<u8> {
    frame(
        24,
        tag,
        &[&fid.to_le_bytes()[..], &[0xff, 7, 0, 0, 0, 0, 0, 0]].concat(),
    )
}

pub fn statfs(tag: u16, fid: u32) -> Vec<u8> {
    frame(8, tag, &fid.to_le_bytes())
}

pub fn clunk(tag: u16, fid: u32) -> Vec<u8> {
    frame(120, tag, &fid.to_le_bytes())
}

pub fn flush(tag: u16, old: u16) -> Vec<u8> {
    frame(108, tag, &old.to_le_bytes())
}
