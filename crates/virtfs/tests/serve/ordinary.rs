//! A place where an ordinary user serves a directory of their own.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use virtfs_client::{Attach, Client, Fid, Options};

use crate::running::unix;

/// All in it belongs to that user, and nobody else enters.
#[derive(Debug)]
pub(crate) struct Ordinary {
    dir: TempDir,
    program: PathBuf,
    pub(crate) user: u32,
    pub(crate) served: PathBuf,
    pub(crate) socket: PathBuf,
}

impl Ordinary {
    /// For the user who runs the test, or for another one if that is root.
    pub(crate) fn new() -> Self {
        let user = rustix::process::geteuid();
        Self::of(if user.is_root() { 4242 } else { user.as_raw() })
    }

    /// For a user of the host.
    pub(crate) fn of(user: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [served, program, socket] = ["own", "virtfs", "9p"].map(|name| dir.path().join(name));
        std::fs::create_dir(&served).unwrap();
        // The program may lie where that user cannot go. Another process copies it: a child of
        // another test could hold what we have open for writing, and such a file cannot be run.
        let mut copy = Command::new("cp");
        copy.arg(env!("CARGO_BIN_EXE_virtfs")).arg(&program);
        assert!(copy.status().unwrap().success());
        for path in [dir.path(), &served, &program] {
            chown(path, Some(user), Some(user)).unwrap();
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)).unwrap();
        }
        Self {
            dir,
            program,
            user,
            served,
            socket,
        }
    }

    /// `virtfs serve` of the directory at the socket, as that user, to be completed.
    pub(crate) fn serve(&self) -> Command {
        let mut command = Command::new(&self.program);
        if rustix::process::geteuid().is_root() {
            command.uid(self.user).gid(self.user);
        }
        self.complete(&mut command);
        command
    }

    /// The same by `sh -c SCRIPT`, as the user who runs the test; it finds the program and its
    /// arguments in `"$@"`.
    pub(crate) fn script(&self, outer: &mut Command, script: &str) {
        outer.args(["sh", "-c", script, "sh"]).arg(&self.program);
        self.complete(outer);
    }

    fn complete(&self, command: &mut Command) {
        command.args(["serve", "--listen", &unix(&self.socket), "--shared-dir"]);
        command.arg(&self.served).current_dir("/");
        command.stdin(Stdio::null());
    }

    /// The root, for this user of the client's.
    pub(crate) fn attach(&self, uid: u32) -> Fid {
        attach(&self.socket, "", uid)
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// The root of an export, for a user of the client's, in a session of its own.
pub(crate) fn attach(socket: &Path, aname: &str, uid: u32) -> Fid {
    let client = Client::connect(&unix(socket).parse().unwrap(), &Options::default()).unwrap();
    let who = Attach {
        aname: aname.into(),
        uid,
        ..Attach::default()
    };
    client.attach(&who).unwrap()
}
