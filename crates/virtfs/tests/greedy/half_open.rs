//! Connections that never become sessions keep nobody out: on the real program.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use virtfs_tests::{Got, PATIENCE, Raw};

/// The fewest descriptors that may be asked for: 16 sessions.
const FEW: [&str; 2] = ["--rlimit-nofile", "256"];

/// A program that serves a directory at a socket.
pub(crate) struct Program(pub(crate) Child);

impl Program {
    pub(crate) fn start(command: &mut Command, socket: &Path) -> Self {
        let program = Self(command.stdout(Stdio::null()).spawn().unwrap());
        let began = Instant::now();
        while UnixStream::connect(socket).is_err() {
            assert!(began.elapsed() < PATIENCE, "the server does not come up");
            sleep(Duration::from_millis(5));
        }
        program
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself; the test has failed then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(dir: &Path, socket: &Path) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_virtfs"));
    command.args(["serve", "--log-level", "error"]).args(FEW);
    command.arg("--shared-dir").arg(dir);
    command
        .arg("--listen")
        .arg(format!("unix:{}", socket.display()));
    Program::start(&mut command, socket)
}

fn attached(socket: &Path) -> Raw {
    let mut client = Raw::socket(UnixStream::connect(socket).unwrap());
    client.start();
    client.attach(1, "").unwrap();
    client
}

/// The beginnings of a session, none of which is one.
const BEGINNINGS: [fn(&mut Raw); 4] = [
    |_| {},
    |client| client.send_bytes(&[19]),
    |client| client.send_bytes(&[19, 0, 0, 0, 100, 0xff, 0xff]),
    |client| client.start(),
];

#[test]
fn connections_that_say_nothing_make_room_for_those_that_do() {
    let dir = tempfile::tempdir().unwrap();
    let sockets = tempfile::tempdir().unwrap();
    let socket = sockets.path().join("9p");
    let _server = serve(dir.path(), &socket);
    let mut witness = attached(&socket);
    for begin in BEGINNINGS {
        let mut silent = Vec::new();
        for number in 0..100 {
            let mut client = Raw::socket(UnixStream::connect(&socket).unwrap());
            begin(&mut client);
            silent.push(client);
            if number % 20 == 19 {
                let mut client = attached(&socket);
                client.mkdir(1, "made", 0o755).unwrap();
                client.unlinkat(1, "made", 0x200).unwrap();
                witness.getattr(1).unwrap();
            }
        }
        // Of those that say nothing the oldest have gone.
        assert!(silent[0].ends());
        let last = silent.last_mut().unwrap();
        assert!(matches!(last.receive_within(Duration::ZERO), Got::Nothing));
    }
    witness.mkdir(1, "still here", 0o755).unwrap();
}

#[test]
fn sessions_that_hold_something_are_never_closed_for_others() {
    let dir = tempfile::tempdir().unwrap();
    let sockets = tempfile::tempdir().unwrap();
    let socket = sockets.path().join("9p");
    let _server = serve(dir.path(), &socket);
    // Of 16 places one user has 15.
    let mut clients: Vec<_> = (0..15).map(|_| attached(&socket)).collect();
    for _ in 0..50 {
        let mut one_more = Raw::socket(UnixStream::connect(&socket).unwrap());
        assert!(one_more.ends());
    }
    for client in &mut clients {
        client.getattr(1).unwrap();
    }
}
