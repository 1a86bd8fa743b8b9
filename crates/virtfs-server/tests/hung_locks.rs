//! A lock that hangs in the host keeps nobody but its own session: others end, give up, and lock
//! other files, and what they held is released as soon as the host lets go.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use common::{Client, clunk, flush, frame, open, walk, within_a_minute};
use virtfs_server::{Export, Server, SessionHandle};
use virtfs_vfs::{
    Attr, Cx, DirEntry, Errno, FileKind, FileSystem, LockFile, LockHolder, LockKind, LockRange,
    LockSet, Name, Node, Open, OpenFlags, Opened, Qid, Qids, ReplyBody, StatFs, StatWant,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// What the tests and the host share.
#[derive(Default)]
struct Host {
    /// Calls named here hang, and how many do.
    hangs: Mutex<(Option<&'static str>, usize)>,
    changed: Condvar,
    /// How many files are open to be locked.
    lock_files: AtomicUsize,
}

impl Host {
    /// What is called so from now on hangs; with `None` nothing does any more.
    fn hang_in(&self, call: Option<&'static str>) {
        self.hangs.lock().unwrap().0 = call;
        self.changed.notify_all();
    }

    fn wait_until_one_hangs(&self) {
        let hangs = self.hangs.lock().unwrap();
        drop(self.changed.wait_while(hangs, |hangs| hangs.1 == 0));
    }

    fn call(&self, name: &str) {
        let mut hangs = self.hangs.lock().unwrap();
        if hangs.0 == Some(name) {
            hangs.1 += 1;
            self.changed.notify_all();
            hangs = self
                .changed
                .wait_while(hangs, |hangs| hangs.0.is_some())
                .unwrap();
            hangs.1 -= 1;
        }
    }
}

/// A tree whose files are told apart by the length of their names.
struct Tree(Arc<Host>);

fn qid(path: u64) -> Qid {
    Qid {
        kind: Some(FileKind::Regular),
        version: 1,
        path,
    }
}

impl FileSystem for Tree {
    fn attach(&self, _: &Cx<'_>) -> Result<(Node, Qid), Errno> {
        Ok((Node::new(Arc::new(0u64)), qid(0)))
    }

    fn walk(
        &self,
        _: &Cx<'_>,
        _: &Node,
        names: &[Name<'_>],
        qids: &mut Qids,
    ) -> Result<Node, Errno> {
        let path = names.iter().map(|name| name.as_bytes().len() as u64).sum();
        for _ in names {
            qids.push(qid(path));
        }
        Ok(Node::new(Arc::new(path)))
    }

    fn stat(&self, _: &Cx<'_>, _: &Node, _: Option<&Open>, _: StatWant) -> Result<Attr, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn open(&self, _: &Cx<'_>, node: &Node, _: OpenFlags) -> Result<Opened, Errno> {
        Ok(Opened {
            open: Open::new(Arc::new(0u64)),
            qid: qid(*node.get::<u64>()?),
            blksize: 4096,
        })
    }

    fn read(&self, _: &Cx<'_>, _: &Open, _: u64, _: &mut dyn ReplyBody) -> Result<(), Errno> {
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

    fn lock_file(&self, _: &Cx<'_>, _: &Node, _: &Open) -> Result<Box<dyn LockFile>, Errno> {
        self.0.call("open");
        self.0.lock_files.fetch_add(1, SeqCst);
        Ok(Box::new(Locks(self.0.clone())))
    }

    fn statfs(&self, _: &Cx<'_>, _: &Node) -> Result<StatFs, Errno> {
        Ok(StatFs::default())
    }
}

/// Any lock can be had.
struct Locks(Arc<Host>);

impl LockFile for Locks {
    fn whole_file_only(&self) -> bool {
        false
    }

    fn set(&self, kind: LockKind, _: LockRange) -> Result<LockSet, Errno> {
        self.0.call(match kind {
            LockKind::Unlock => "unlock",
            LockKind::Read | LockKind::Write => "lock",
        });
        Ok(LockSet::Done)
    }

    fn test(&self, _: LockKind, _: LockRange) -> Result<Option<LockHolder>, Errno> {
        self.0.call("test");
        Ok(None)
    }
}

impl Drop for Locks {
    fn drop(&mut self) {
        self.0.call("close");
        self.0.lock_files.fetch_sub(1, SeqCst);
    }
}

fn server() -> (Server, Arc<Host>) {
    let host = Arc::<Host>::default();
    let export = Export::new("root", Arc::new(Tree(host.clone())));
    let server = Server::builder().export(export).build();
    (server.expect("a server starts"), host)
}

/// A client that has opened `f` as fid 1, and another file as fid 2.
fn client(server: &Server) -> (Client, SessionHandle) {
    let (mut client, handle) = Client::new(server);
    let frames = [walk(1, 0, 1, &["f"]), walk(2, 0, 2, &["other"])].concat();
    client.send(&[frames, open(3, 1), open(4, 2)].concat());
    let mut kinds = [(); 4].map(|()| client.receive().0);
    kinds.sort_unstable();
    assert_eq!(kinds, [13, 13, 111, 111]);
    (client, handle)
}

const READ: u8 = 0;
const UNLOCK: u8 = 2;

/// Of one byte at this place, by the process 1.
fn lock(tag: u16, fid: u32, kind: u8, start: u64) -> Vec<u8> {
    let body = [
        &fid.to_le_bytes()[..],
        &[kind, 0, 0, 0, 0],
        &start.to_le_bytes(),
        &1u64.to_le_bytes(),
        &1u32.to_le_bytes(),
        &[1, 0, b'c'],
    ];
    frame(52, tag, &body.concat())
}

fn getlock(tag: u16, fid: u32) -> Vec<u8> {
    let body = [
        &fid.to_le_bytes()[..],
        &[READ],
        &0u64.to_le_bytes(),
        &1u64.to_le_bytes(),
        &1u32.to_le_bytes(),
        &[1, 0, b'c'],
    ];
    frame(54, tag, &body.concat())
}

impl Host {
    fn wait_for_lock_files(&self, count: usize) {
        while self.lock_files.load(SeqCst) != count {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

type Cause = fn(&mut Client);

/// A call of the host, and what causes it.
const CALLS: [(&str, Cause); 5] = [
    ("lock", |client| client.send(&lock(9, 1, READ, 50))),
    ("unlock", |client| client.send(&lock(9, 1, UNLOCK, 0))),
    ("test", |client| client.send(&getlock(9, 1))),
    ("close", |client| client.send(&clunk(9, 1))),
    ("open", |client| client.send(&lock(9, 1, READ, 50))),
];

/// Whether it is the first lock of the one whom the host keeps that hangs.
fn is_first(call: &str) -> bool {
    call == "open"
}

#[test]
fn sessions_end_while_the_host_keeps_a_lock_of_another() {
    within_a_minute(|| {
        for (call, cause) in CALLS {
            let (server, host) = server();
            let (mut kept, _) = client(&server);
            if !is_first(call) {
                kept.send(&[lock(1, 1, READ, 0), lock(2, 1, READ, 20)].concat());
                assert_eq!([kept.receive().0, kept.receive().0], [53, 53]);
            }
            let (mut other, ends) = client(&server);
            other.send(&lock(1, 1, READ, 0));
            assert_eq!(other.receive().0, 53);
            host.hang_in(Some(call));
            cause(&mut kept);
            host.wait_until_one_hangs();
            drop(other);
            assert!(ends.wait_for(PATIENCE), "{call}");
            host.hang_in(None);
            kept.receive();
            host.wait_for_lock_files(usize::from(call != "close"));
        }
    });
}

#[test]
fn who_waits_for_the_host_to_let_go_of_another_s_lock_can_give_up() {
    within_a_minute(|| {
        for (call, cause) in CALLS {
            let (server, host) = server();
            let (mut kept, _) = client(&server);
            if !is_first(call) {
                kept.send(&[lock(1, 1, READ, 0), lock(2, 1, READ, 20)].concat());
                assert_eq!([kept.receive().0, kept.receive().0], [53, 53]);
            }
            let (mut other, ends) = client(&server);
            other.send(&lock(1, 1, READ, 0));
            assert_eq!(other.receive().0, 53);
            host.hang_in(Some(call));
            cause(&mut kept);
            host.wait_until_one_hangs();
            if call != "open" {
                let gives_up = [lock(1, 1, READ, 9), lock(2, 1, UNLOCK, 0), getlock(3, 1)];
                other.send(&[gives_up.concat(), clunk(4, 1)].concat());
                for tag in 1..5 {
                    other.send(&flush(10 + tag, tag));
                    assert_eq!(other.receive(), (109, 10 + tag), "{call}");
                }
                // Its fid is gone, and what was locked through it goes as soon as it can.
                other.send(&walk(5, 0, 1, &["f"]));
                assert_eq!(other.receive(), (111, 5));
            }
            // Another file is nobody else's business.
            if call != "lock" && call != "open" {
                other.send(&lock(6, 2, READ, 0));
                assert_eq!(other.receive(), (53, 6), "{call}");
            }
            host.hang_in(None);
            drop(other);
            assert!(ends.wait_for(PATIENCE), "{call}");
            kept.receive();
            host.wait_for_lock_files(usize::from(call != "close"));
        }
    });
}

#[test]
fn a_file_that_hangs_while_it_is_opened_to_be_locked_keeps_nobody() {
    within_a_minute(|| {
        let (server, host) = server();
        let ((mut kept, _), (mut other, _)) = (client(&server), client(&server));
        other.send(&lock(1, 1, READ, 0));
        assert_eq!(other.receive(), (53, 1));
        host.hang_in(Some("open"));
        kept.send(&lock(9, 1, READ, 50));
        host.wait_until_one_hangs();
        other.send(&lock(2, 1, READ, 10));
        assert_eq!(other.receive(), (53, 2));
        other.send(&getlock(3, 1));
        assert_eq!(other.receive(), (55, 3));
        other.send(&clunk(4, 1));
        assert_eq!(other.receive(), (121, 4));
        assert_eq!(host.lock_files.load(SeqCst), 0);
        host.hang_in(None);
        assert_eq!(kept.receive(), (53, 9));
    });
}
