//! Programs of the host that lock: this program once more, which does what it is told.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use virtfs_proto::LockType;

use super::sys;

const WHERE: &str = "LOCK_THIS";

/// A program of the host that may open one file several times. It ends when dropped.
pub(crate) struct Host {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Host {
    /// The suite has a test `host_process` that calls [`obey`].
    pub(crate) fn new(file: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "host_process", "--nocapture", "--test-threads=1"])
            .env(WHERE, file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn open(&mut self, number: u32) {
        assert!(self.ask(&format!("open {number}")));
    }

    pub(crate) fn close(&mut self, number: u32) {
        assert!(self.ask(&format!("close {number}")));
    }

    /// `F_SETLK`: whether it was granted.
    pub(crate) fn fcntl(&mut self, number: u32, kind: LockType, start: u64, length: u64) -> bool {
        self.ask(&format!("fcntl {number} {} {start} {length}", kind.0))
    }

    /// `F_OFD_SETLK`.
    pub(crate) fn ofd(&mut self, number: u32, kind: LockType, start: u64, length: u64) -> bool {
        self.ask(&format!("ofd {number} {} {start} {length}", kind.0))
    }

    /// `flock`.
    pub(crate) fn flock(&mut self, number: u32, kind: LockType) -> bool {
        self.ask(&format!("flock {number} {} 0 0", kind.0))
    }

    /// Ends it without a word.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn ask(&mut self, what: &str) -> bool {
        writeln!(self.input, "{what}").unwrap();
        loop {
            let mut line = String::new();
            assert_ne!(
                self.output.read_line(&mut line).unwrap(),
                0,
                "{what}: it is gone"
            );
            if let Some(answer) = line.trim_end().rsplit("answer: ").next()
                && line.contains("answer: ")
            {
                return answer == "yes";
            }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does nothing unless this is such a program.
pub(crate) fn obey() {
    let Some(path) = std::env::var_os(WHERE) else {
        return;
    };
    let mut open: HashMap<u32, File> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<_> = line.split(' ').collect();
        let number = words[1].parse().unwrap();
        let result = match words[0] {
            "open" => {
                let file = File::options().read(true).write(true).open(&path);
                // A directory is not written.
                file.or_else(|_| File::open(&path))
                    .map(|file| drop(open.insert(number, file)))
            }
            "close" => {
                open.remove(&number);
                Ok(())
            }
            how => {
                let kind = ["0", "1", "2"].iter().position(|kind| *kind == words[2]);
                let kind = kind.unwrap();
                let fcntl = [libc::F_RDLCK, libc::F_WRLCK, libc::F_UNLCK][kind];
                let (start, length) = (words[3].parse().unwrap(), words[4].parse().unwrap());
                let file = &open[&number];
                match how {
                    "fcntl" => sys::set(file, libc::F_SETLK, fcntl, start, length),
                    "ofd" => sys::set(file, libc::F_OFD_SETLK, fcntl, start, length),
                    "flock" => {
                        use rustix::fs::FlockOperation as F;
                        let kinds = [
                            F::NonBlockingLockShared,
                            F::NonBlockingLockExclusive,
                            F::Unlock,
                        ];
                        rustix::fs::flock(file, kinds[kind]).map_err(Into::into)
                    }
                    other => panic!("{other}?"),
                }
            }
        };
        println!("answer: {}", if result.is_ok() { "yes" } else { "no" });
    }
}
