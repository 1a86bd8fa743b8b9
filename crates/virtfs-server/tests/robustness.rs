//! What clients do that are slow, rude or gone, and what must hold then.

mod common;

use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use common::*;
use virtfs_server::{Connection, Export, FdStream, Limits, Server};
use virtfs_vfs::memory::MemoryFs;
use virtfs_vfs::{
    Attr, Cx, DirEntry, Errno, FileSystem, Name, Node, Open, OpenFlags, Opened, Qid, Qids,
    ReplyBody, StatFs, StatWant,
};

/// Notes how many reads the file system had done when the first of their replies was sent.
struct FirstSend {
    stream: FdStream,
    gates: Arc<Gates>,
    reads: Arc<AtomicUsize>,
}

impl Connection for FirstSend {
    fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.receive(into)
    }

    fn send(&self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let reads = self.gates.reads.load(SeqCst);
        if reads > 0 {
            let _ = self.reads.compare_exchange(0, reads, SeqCst, SeqCst);
        }
        self.stream.send(from)
    }

    fn stop_receiving(&self) {
        self.stream.stop_receiving();
    }
}

#[test]
fn replies_that_wait_to_be_sent_are_bounded() {
    const COUNT: u32 = 64 << 10;
    let mut limits = Limits::default();
    limits.request_bytes = 1 << 20;
    let (server, gates) = server(limits);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let reads = Arc::<AtomicUsize>::default();
    let connection = FirstSend {
        stream: FdStream::socket(theirs),
        gates: gates.clone(),
        reads: reads.clone(),
    };
    server.serve(connection).unwrap();
    let mut client = Client(ours);
    client.start();
    client.send(&[walk(1, 0, 1, &[]), open(2, 1)].concat());
    client.receive();
    client.receive();

    let all: Vec<u8> = (0..400).flat_map(|tag| read(tag, 1, COUNT)).collect();
    client.send(&all);
    for _ in 0..400 {
        assert_eq!(client.receive().0, 117);
    }
    // At most what may be in flight, and as much again that waits to be sent.
    let bytes = reads.load(SeqCst) * COUNT as usize;
    assert!(
        bytes <= 2 * limits.request_bytes + COUNT as usize,
        "{bytes}"
    );
}

#[test]
fn abort_ends_a_session_whose_client_does_not_read() {
    within_a_minute(|| {
        let (server, _) = server(Limits::default());
        let (mut client, handle) = Client::new(&server);
        let reads = (10..20).flat_map(|tag| read(tag, 1, 1 << 20));
        let frames = [walk(1, 0, 1, &[]), open(2, 1)].concat();
        client.send(&frames.into_iter().chain(reads).collect::<Vec<_>>());
        // The replies are being sent, and do not fit.
        client.0.read_exact(&mut [0; 4096]).unwrap();
        handle.abort();
        handle.wait();
    });
}

#[test]
fn shut_down_ends_a_session_whose_client_does_not_read() {
    within_a_minute(|| {
        let (server, _) = server(Limits::default());
        let (mut client, _) = Client::new(&server);
        let reads = (10..20).flat_map(|tag| read(tag, 1, 1 << 20));
        let frames = [walk(1, 0, 1, &[]), open(2, 1)].concat();
        client.send(&frames.into_iter().chain(reads).collect::<Vec<_>>());
        client.0.read_exact(&mut [0; 4096]).unwrap();
        assert!(server.shut_down(Duration::from_millis(50)));
    });
}

#[test]
fn a_kept_handle_keeps_neither_the_connection_nor_the_place_of_a_session() {
    within_a_minute(|| {
        let (server, _) = server(Limits::default());
        let (mut client, handle) = Client::new(&server);
        client.send(&[3, 0, 0, 0, 0, 0, 0]);
        assert_eq!(client.try_receive(), None);
        assert!(server.shut_down(Duration::from_secs(50)));
        handle.wait();
    });
}

#[test]
fn a_session_outlives_the_value_of_its_server() {
    within_a_minute(|| {
        let (server, gates) = server(Limits::default());
        let (mut client, _) = Client::new(&server);
        drop(server);
        client.send(&statfs(1, 0));
        client.send(&getattr(2, 0));
        // The sentinel still sees to it that somebody reads on.
        assert_eq!(client.receive(), (25, 2));
        gates.statfs.store(true, SeqCst);
        assert_eq!(client.receive(), (9, 1));
    });
}

#[test]
fn a_finished_reply_leaves_while_later_work_of_its_thread_hangs() {
    within_a_minute(|| {
        let (server, gates) = server(Limits::default());
        let (mut client, _) = Client::new(&server);
        client.send(&[walk(1, 0, 1, &["gate"]), getattr(2, 1), statfs(3, 1)].concat());
        // When this is answered, the others wait for the walk, and another thread receives.
        client.send(&getattr(4, 0));
        assert_eq!(client.receive(), (25, 4));
        gates.walk.store(true, SeqCst);
        assert_eq!(client.receive(), (111, 1));
        assert_eq!(client.receive(), (25, 2));
        gates.statfs.store(true, SeqCst);
        assert_eq!(client.receive(), (9, 3));
    });
}

#[test]
fn a_client_that_only_stopped_sending_gets_the_reply_to_a_slow_request() {
    within_a_minute(|| {
        let (server, gates) = server(Limits::default());
        let (mut client, _) = Client::new(&server);
        client.send(&statfs(1, 0));
        client.0.shutdown(Shutdown::Write).unwrap();
        thread::sleep(Duration::from_millis(100));
        gates.statfs.store(true, SeqCst);
        assert_eq!(client.try_receive(), Some((9, 1)));
        assert_eq!(client.try_receive(), None);
    });
}

#[test]
fn requests_of_a_client_that_is_gone_are_given_up() {
    within_a_minute(|| {
        let (server, gates) = server(Limits::default());
        let (mut client, handle) = Client::new(&server);
        client.send(&[statfs(1, 0), walk(2, 0, 1, &["gate"]), getattr(3, 1)].concat());
        drop(client);
        handle.wait();
        assert_eq!(gates.live.load(SeqCst), 0);
    });
}

#[test]
fn a_request_that_the_transport_interrupts_is_answered() {
    within_a_minute(|| {
        let (server, gates) = server(Limits::default());
        let (mut client, handle) = Client::new(&server);
        client.send(&statfs(1, 0));
        let answered = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                // It may not have begun when it is first tried.
                while !answered.load(SeqCst) {
                    handle.interrupt();
                    thread::sleep(Duration::from_millis(1));
                }
            });
            assert_eq!(client.receive(), (7, 1));
            answered.store(true, SeqCst);
        });
        gates.statfs.store(true, SeqCst);
        client.send(&statfs(2, 0));
        assert_eq!(client.receive(), (9, 2));
        assert!(!handle.wait_for(Duration::ZERO) && !handle.has_ended());
        drop(client);
        assert!(handle.wait_for(Duration::from_secs(30)) && handle.has_ended());
    });
}

#[test]
fn a_panic_of_the_file_system_ends_one_request_only() {
    within_a_minute(|| {
        let (server, gates) = server(Limits::default());
        let (mut client, handle) = Client::new(&server);
        client.send(&[walk(1, 0, 1, &["panic"]), getattr(2, 1), walk(3, 0, 1, &[])].concat());
        assert_eq!(client.receive(), (7, 1));
        let mut replies = [client.receive(), client.receive()];
        replies.sort();
        assert_eq!(replies, [(7, 2), (111, 3)]);
        drop(client);
        handle.wait();
        assert_eq!(gates.live.load(SeqCst), 0);
    });
}

#[test]
fn a_version_waits_for_what_hangs_and_the_client_may_leave_meanwhile() {
    within_a_minute(|| {
        let (server, gates) = server(Limits::default());
        let (mut client, handle) = Client::new(&server);
        client.send(&[statfs(1, 0), version(), attach(1, 0)].concat());
        // The statfs is interrupted and not answered.
        assert_eq!(client.receive().0, 101);
        assert_eq!(client.receive(), (105, 1));
        client.send(&[statfs(1, 0), version(), attach(1, 0)].concat());
        drop(client);
        handle.wait();
        assert_eq!(gates.live.load(SeqCst), 0);
    });
}

#[test]
fn a_flushed_clunk_that_freed_its_fid_is_carried_out_and_answered() {
    within_a_minute(|| {
        let (server, gates) = server(Limits::default());
        let (mut client, _) = Client::new(&server);
        client.send(&walk(1, 0, 1, &[]));
        client.receive();
        client.send(&[clunk(2, 1), flush(3, 2), getattr(4, 1)].concat());
        assert_eq!(client.receive(), (121, 2));
        assert_eq!(client.receive(), (109, 3));
        assert_eq!(client.receive(), (7, 4));
        // So it is when a Tversion drops both.
        client.send(&walk(1, 0, 1, &[]));
        client.receive();
        client.send(&[clunk(2, 1), flush(3, 2), version()].concat());
        assert_eq!(client.receive().0, 101);
        assert_eq!(gates.live.load(SeqCst), 0);
    });
}

/// A file system whose threads cannot be prepared while `broken`.
struct Unprepared {
    fs: MemoryFs,
    broken: Arc<AtomicBool>,
}

impl FileSystem for Unprepared {
    fn prepare_thread(&self) {
        assert!(!self.broken.load(SeqCst), "this panic is part of a test");
    }

    fn attach(&self, cx: &Cx<'_>) -> Result<(Node, Qid), Errno> {
        self.fs.attach(cx)
    }

    fn walk(
        &self,
        cx: &Cx<'_>,
        start: &Node,
        names: &[Name<'_>],
        qids: &mut Qids,
    ) -> Result<Node, Errno> {
        self.fs.walk(cx, start, names, qids)
    }

    fn stat(
        &self,
        cx: &Cx<'_>,
        node: &Node,
        open: Option<&Open>,
        want: StatWant,
    ) -> Result<Attr, Errno> {
        self.fs.stat(cx, node, open, want)
    }

    fn open(&self, cx: &Cx<'_>, node: &Node, flags: OpenFlags) -> Result<Opened, Errno> {
        self.fs.open(cx, node, flags)
    }

    fn read(
        &self,
        cx: &Cx<'_>,
        open: &Open,
        offset: u64,
        reply: &mut dyn ReplyBody,
    ) -> Result<(), Errno> {
        self.fs.read(cx, open, offset, reply)
    }

    fn list(
        &self,
        cx: &Cx<'_>,
        open: &Open,
        cookie: u64,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<(), Errno> {
        self.fs.list(cx, open, cookie, take)
    }

    fn statfs(&self, cx: &Cx<'_>, node: &Node) -> Result<StatFs, Errno> {
        self.fs.statfs(cx, node)
    }
}

#[test]
fn a_thread_that_panics_ends_its_session_alone() {
    within_a_minute(|| {
        let broken = Arc::new(AtomicBool::new(true));
        let fs = Unprepared {
            fs: MemoryFs::new(),
            broken: broken.clone(),
        };
        let export = Export::new("", Arc::new(fs));
        let server = Server::builder().export(export).build().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let handle = server.serve(FdStream::socket(theirs)).unwrap();
        handle.wait();
        assert_eq!((&ours).read(&mut [0; 1]).unwrap(), 0);
        broken.store(false, SeqCst);
        // Its place among the sessions is free, and others are served.
        let (mut client, _handle) = Client::new(&server);
        client.send(&walk(1, 0, 1, &[]));
        assert_eq!(client.receive(), (111, 1));
        drop(client);
        assert!(server.shut_down(Duration::from_secs(5)));
    });
}
