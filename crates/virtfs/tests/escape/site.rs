//! A server that is compromised from its start, in each way that it can be shut in.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;
use virtfs_tests::Raw;

use crate::guest::guest;
use crate::outside::Outside;
use crate::running::{Running, unix};
use crate::victim::{Hook, Victim};

/// An ordinary user, who has nothing but what a test gives them.
const USER: u32 = 4242;

/// Which process an attacker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    Server,
    Vmm,
}

/// A way to start a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// The table's column.
    pub(crate) column: &'static str,
    pub(crate) root: bool,
    pub(crate) process: Process,
    pub(crate) flags: &'static [&'static str],
}

/// A server, and its compromised process.
pub(crate) struct Site {
    pub(crate) victim: Victim,
    pub(crate) outside: Outside,
    /// What it told of its sandbox.
    pub(crate) told: String,
    _server: Running,
    _guest: Option<Raw>,
}

impl Start {
    pub(crate) fn start(&self) -> Site {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test needs root: without it nothing would be tested"
        );
        let mut outside = Outside::new(if self.root { 0 } else { USER });
        let (hook, theirs) = Hook::new();
        let socket = outside.nothing();
        let process = match self.process {
            Process::Server => "server",
            Process::Vmm => "vmm",
        };
        let mut command = Command::new(program());
        command.args(["serve", "--escape-hook", process, "--shared-dir"]);
        command.arg(outside.export()).current_dir("/");
        match self.process {
            Process::Server => command.args(["--listen", &unix(&socket)]),
            Process::Vmm => command.arg("--socket-path").arg(&socket),
        };
        command
            .args(["--listen", "tcp:127.0.0.1:0"])
            .args(self.flags);
        if !self.root {
            command.uid(USER).gid(USER);
        }
        let server = Running::start(command.stdin(theirs));
        drop(command);
        let told = server.line("sandbox");
        let (guest, port) = match self.process {
            Process::Server => (None, Some(server.port())),
            Process::Vmm => {
                server.line("listens for VMMs at ");
                (Some(guest(&socket)), None)
            }
        };
        outside.port = port;
        let victim = hook.wait().expect("the process does not start");
        Site {
            victim,
            outside,
            told,
            _server: server,
            _guest: guest,
        }
    }
}

/// A copy of the program that all users can run.
fn program() -> &'static Path {
    static COPY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = COPY.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), everybody).unwrap();
        let path = dir.path().join("virtfs");
        // By another process: a child of another test could hold what we have open for writing, and
        // such a file cannot be run.
        let mut copy = Command::new("cp");
        copy.arg(env!("CARGO_BIN_EXE_virtfs")).arg(&path);
        assert!(copy.status().unwrap().success());
        (dir, path)
    });
    path
}
