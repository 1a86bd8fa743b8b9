//! A program under test: its lines, its signals, its end. Every wait has a limit.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use virtfs_tests::Raw;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// `virtfs serve --shared-dir DIR`, to be completed.
pub(crate) fn serve(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_virtfs"));
    command.args(["serve", "--shared-dir"]).arg(dir);
    command.stdin(Stdio::null());
    command
}

/// `unix:PATH`.
pub(crate) fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

/// A program that runs. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) child: Child,
    stderr: Receiver<String>,
    stdout: Option<Receiver<String>>,
}

impl Running {
    /// Starts the program with its output captured.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut running = Self::start_with_own_stdout(command.stdout(Stdio::piped()));
        running.stdout = running.child.stdout.take().map(lines);
        running
    }

    /// Starts the program, its standard output left as the command says.
    pub(crate) fn start_with_own_stdout(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = lines(child.stderr.take().unwrap());
        Self {
            child,
            stderr,
            stdout: None,
        }
    }

    /// Starts a server that listens at one address, and waits until it does.
    pub(crate) fn listening(dir: &Path, address: impl AsRef<OsStr>) -> Self {
        let running = Self::start(serve(dir).arg("--listen").arg(address));
        running.line("listening on ");
        running
    }

    /// What follows `start` in the next line on standard error that has it; lines before it are
    /// passed over.
    pub(crate) fn line(&self, start: &str) -> String {
        let mut seen = Vec::new();
        loop {
            let Ok(line) = self.stderr.recv_timeout(PATIENCE) else {
                panic!("no line with {start:?} came after {seen:#?}");
            };
            if let Some((_, rest)) = line.split_once(start) {
                return rest.to_owned();
            }
            seen.push(line);
        }
    }

    /// The port of the next TCP address that it tells.
    pub(crate) fn port(&self) -> u16 {
        let address = self.line("listening on tcp:");
        address.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The process that serves, of a server that listens.
    pub(crate) fn worker(&self) -> Pid {
        let worker = virtfs_tests::worker(self.child.id());
        Pid::from_raw(worker.cast_signed()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits until it ends.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let process = pidfd_open(self.pid(), PidfdFlags::empty()).unwrap();
        let limit = Timespec::try_from(PATIENCE).unwrap();
        let mut fds = [PollFd::new(&process, PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&limit)), Ok(1), "it does not end");
        self.child.wait().unwrap()
    }

    /// Waits until it ends; its status and what is left of standard error.
    pub(crate) fn failure(mut self) -> (Option<i32>, String) {
        let status = self.end();
        (status.code(), rest(&self.stderr))
    }

    /// All of standard output, after it has ended.
    pub(crate) fn stdout(&self) -> String {
        rest(self.stdout.as_ref().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // If it has ended there is nothing more to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rest(lines: &Receiver<String>) -> String {
    let mut text = String::new();
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        text += &line;
        text += "\n";
    }
    text
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}

/// A client of a Unix socket, attached: fid 1 is the root.
pub(crate) fn unix_client(path: &Path) -> Raw {
    attached(Raw::socket(UnixStream::connect(path).unwrap()))
}

/// A client of a port on loopback, attached: fid 1 is the root.
pub(crate) fn tcp_client(port: u16) -> Raw {
    attached(Raw::socket(
        TcpStream::connect(("127.0.0.1", port)).unwrap(),
    ))
}

fn attached(mut client: Raw) -> Raw {
    client.start();
    client.attach(1, "").unwrap();
    client
}
