//! A mount that is gone after the test, and processes that use it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::memory::Memory;
use crate::fuse::{KernelOptions, Session, Unmounter};

/// Only for tests that would hang: none of them needs more than a moment.
const HANGS: Duration = Duration::from_secs(60);

pub(super) struct Mount {
    pub(super) handler: Arc<Memory>,
    pub(super) unmounter: Unmounter,
    path: PathBuf,
    server: Option<JoinHandle<io::Result<()>>>,
    /// Dropped last: after the mount on it.
    dir: Option<TempDir>,
}

impl Mount {
    pub(super) fn new(memory: Memory, threads: usize) -> Self {
        Self::with(memory, threads, &KernelOptions::default())
    }

    pub(super) fn with(memory: Memory, threads: usize, options: &KernelOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Self::start(dir.path(), memory, threads, options);
        mount.dir = Some(dir);
        mount
    }

    pub(super) fn at(path: &Path, memory: Memory, threads: usize) -> Self {
        Self::start(path, memory, threads, &KernelOptions::default())
    }

    fn start(path: &Path, memory: Memory, threads: usize, options: &KernelOptions) -> Self {
        let handler = Arc::new(memory);
        let session = match Session::mount(path, options) {
            Ok(session) => session,
            Err(error) => panic!("this test needs root and /dev/fuse: {error}"),
        };
        let unmounter = session.unmounter();
        let server = thread::spawn({
            let handler = Arc::clone(&handler);
            move || session.run(&handler, threads)
        });
        let path = path.to_owned();
        Self {
            handler,
            unmounter,
            path,
            server: Some(server),
            dir: None,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_mounted(&self) -> bool {
        mounted(&self.path)
    }

    /// Waits for the session's end.
    pub(super) fn ended(&mut self) -> io::Result<()> {
        self.server.take().expect("asked once").join().unwrap()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = self.unmounter.unmount();
        if !thread::panicking() {
            unmounted.unwrap();
            if let Some(server) = self.server.take() {
                server.join().unwrap().unwrap();
            }
        }
    }
}

pub(super) fn mounted(path: &Path) -> bool {
    mount_line(path).is_some()
}

pub(super) fn mount_line(path: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let path = path.to_str().unwrap();
    mounts
        .lines()
        .find(|line| line.split(' ').nth(4) == Some(path))
        .map(str::to_owned)
}

pub(super) struct Child {
    process: std::process::Child,
}

impl Child {
    pub(super) fn run(program: &str, args: &[&Path]) -> Self {
        let process = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process }
    }

    /// Waits until the process sleeps in the kernel for an answer of the session.
    pub(super) fn waits_for_fuse(&self) {
        let wchan = format!("/proc/{}/wchan", self.process.id());
        let mut last = String::new();
        until(|| {
            last = fs::read_to_string(&wchan).unwrap();
            last == "request_wait_answer"
        });
    }

    /// Ends by SIGKILL.
    pub(super) fn killed(mut self) {
        self.process.kill().unwrap();
        let status = self.status();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9)
        );
    }

    /// Ends by itself, with an error.
    pub(super) fn fails(mut self) {
        assert_eq!(self.status().code(), Some(1));
    }

    fn status(&mut self) -> ExitStatus {
        let mut status = None;
        until(|| {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
    }
}

fn until(mut such: impl FnMut() -> bool) {
    let start = Instant::now();
    while !such() {
        assert!(start.elapsed() < HANGS, "the process hangs");
        thread::sleep(Duration::from_millis(2));
    }
}
