//! A FUSE mount whose server does not answer some requests before it is told to.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;
use virtfs_tests::PATIENCE;

const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const RELEASE: u32 = 18;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
const RELEASEDIR: u32 = 29;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

const ROOT: u64 = 1;
const FILE: u64 = 2;
const FOPEN_DIRECT_IO: u32 = 1;
const ENOENT: i32 = 2;
const EINTR: i32 = 4;
const ENOSYS: i32 = 38;

/// What becomes of reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reads {
    /// They hang, whatever signals come.
    Hang,
    /// They hang until they are interrupted.
    HangUntilInterrupted,
    /// They are answered with [`TEXT`], some at once and some a little later; till then they may be
    /// interrupted.
    Race,
}

/// What is read where reads are answered.
pub(crate) const TEXT: &[u8] = b"answered";

/// A directory with a file `gate`, whose reads hang, and whose attributes do when told so. What
/// hangs ends when it is dropped.
pub(crate) struct HungHost {
    dir: TempDir,
    attributes_hang: Arc<AtomicBool>,
    hung: Receiver<()>,
}

impl HungHost {
    pub(crate) fn mount() -> Self {
        Self::with(Reads::Hang)
    }

    pub(crate) fn with(reads: Reads) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let fuse = File::options().read(true).write(true).open("/dev/fuse");
        let fuse = fuse.expect("/dev/fuse");
        let fd = fuse.as_raw_fd();
        let options = format!("fd={fd},rootmode=40000,user_id=0,group_id=0\0");
        let options = std::ffi::CString::from_vec_with_nul(options.into()).unwrap();
        let flags = MountFlags::NODEV | MountFlags::NOSUID;
        mount("hung", dir.path(), "fuse", flags, options.as_c_str()).expect("root may mount");
        let (tell, hung) = channel();
        let attributes_hang = Arc::new(AtomicBool::new(false));
        let server = Server {
            fuse,
            reads,
            attributes_hang: attributes_hang.clone(),
            tell,
            hanging: HashSet::new(),
            turn: 0,
        };
        std::thread::spawn(move || server.run());
        Self {
            dir,
            attributes_hang,
            hung,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn let_attributes_hang(&self) {
        self.attributes_hang.store(true, Ordering::Relaxed);
    }

    pub(crate) fn wait_until_one_hangs(&self) {
        self.hung.recv_timeout(PATIENCE).expect("a call hangs");
    }
}

impl Drop for HungHost {
    fn drop(&mut self) {
        // All that hangs ends with an error, though some still use the mount.
        let flags = UnmountFlags::FORCE | UnmountFlags::DETACH;
        let _ = unmount(self.dir.path(), flags);
    }
}

struct Server {
    fuse: File,
    reads: Reads,
    attributes_hang: Arc<AtomicBool>,
    tell: Sender<()>,
    /// By their `unique`.
    hanging: HashSet<u64>,
    turn: u64,
}

impl Server {
    /// Ends with the mount.
    fn run(mut self) {
        let mut request = vec![0; 1 << 17];
        loop {
            if self.reads == Reads::Race && !self.hanging.is_empty() {
                self.answer_late();
            }
            let Ok(length) = self.fuse.read(&mut request) else {
                return;
            };
            let request = &request[..length];
            let number = |at: usize| u64::from_le_bytes(request[at..at + 8].try_into().unwrap());
            let opcode = u32::from_le_bytes(request[4..8].try_into().unwrap());
            let (unique, node, body) = (number(8), number(16), &request[40..]);
            match opcode {
                INTERRUPT if self.reads != Reads::Hang => self.interrupt(number(40)),
                FORGET | BATCH_FORGET | INTERRUPT => {}
                _ => match self.answer(opcode, node, body) {
                    Some(answer) => self.reply(unique, answer),
                    None => {
                        self.hanging.insert(unique);
                        // The test may have seen enough.
                        let _ = self.tell.send(());
                    }
                },
            }
        }
    }

    fn reply(&mut self, unique: u64, answer: Result<Vec<u8>, i32>) {
        let (error, body) = match answer {
            Ok(body) => (0, body),
            Err(errno) => (-errno, Vec::new()),
        };
        let size = u32::try_from(16 + body.len()).unwrap();
        let head = [size.to_le_bytes(), error.to_le_bytes()].concat();
        // It fails if the call was interrupted before it began.
        let _ = self
            .fuse
            .write(&[&head[..], &unique.to_le_bytes(), &body].concat());
    }

    fn interrupt(&mut self, unique: u64) {
        if self.hanging.remove(&unique) {
            self.reply(unique, Err(EINTR));
        }
    }

    /// Some of what hangs; all of it if nothing else comes.
    fn answer_late(&mut self) {
        let moment = Timespec {
            tv_sec: 0,
            tv_nsec: 200_000,
        };
        let mut fds = [PollFd::new(&self.fuse, PollFlags::IN)];
        let more = matches!(poll(&mut fds, Some(&moment)), Ok(1..));
        self.turn += 1;
        let turn = self.turn;
        let due = |unique: &&u64| !more || (**unique / 2 + turn).is_multiple_of(3);
        let due: Vec<_> = self.hanging.iter().filter(due).copied().collect();
        for unique in due {
            self.hanging.remove(&unique);
            self.reply(unique, Ok(TEXT.to_vec()));
        }
    }

    /// `None` if it hangs.
    fn answer(&mut self, opcode: u32, node: u64, body: &[u8]) -> Option<Result<Vec<u8>, i32>> {
        let hangs = self.attributes_hang.load(Ordering::Relaxed);
        self.turn += 1;
        match opcode {
            INIT => Some(Ok(words(&[7, 31, 1 << 16, 0, 0, 1 << 16, 1, 0], 64))),
            // The node and times of 0, for which it is known; then its attributes.
            LOOKUP if body == b"gate\0" => {
                let head = [&FILE.to_le_bytes()[..], &[0; 32]].concat();
                Some(Ok([head, attributes(FILE)].concat()))
            }
            LOOKUP => Some(Err(ENOENT)),
            GETATTR if node == FILE && hangs => None,
            GETATTR => Some(Ok([vec![0; 16], attributes(node)].concat())),
            OPEN | OPENDIR => Some(Ok(words(&[0, 0, FOPEN_DIRECT_IO], 16))),
            READ if self.reads == Reads::Race && self.turn.is_multiple_of(4) => {
                Some(Ok(TEXT.to_vec()))
            }
            READ => None,
            RELEASE | RELEASEDIR => Some(Ok(Vec::new())),
            _ => Some(Err(ENOSYS)),
        }
    }
}

/// A `fuse_attr`.
fn attributes(node: u64) -> Vec<u8> {
    let mode: u32 = match node {
        ROOT => 0o40755,
        _ => 0o100644,
    };
    let (number, size, blocks, times, links) = ([node as u32, 0], [4096, 0], [8, 0], [0; 9], 1);
    let numbers = [&number[..], &size, &blocks, &times, &[mode, links]].concat();
    words(&numbers, 88)
}

/// These numbers, and zeros up to this length.
fn words(numbers: &[u32], length: usize) -> Vec<u8> {
    let mut bytes: Vec<_> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    bytes.resize(length, 0);
    bytes
}
