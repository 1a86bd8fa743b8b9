//! Real mounts of a real server on a directory of this host. They need root and `/dev/fuse`.

#![allow(dead_code, reason = "each test uses its part")]
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "names say it; each test is a crate"
)]

pub mod helper;
pub mod sys;

use std::fs::{self, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use tempfile::TempDir;
use virtfs_client::{Client, Options as ClientOptions, Stream};
use virtfs_local::{LocalFs, Options};
use virtfs_mount::{Mount, MountOptions, Mounted};
use virtfs_server::{Export, FdStream, Limits, Server};

/// An ordinary user, and another one.
pub const USER: u32 = 1234;
pub const OTHER: u32 = 4321;

/// A server of a directory, in this process.
pub struct Served {
    dir: TempDir,
    server: Server,
}

impl Served {
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    /// With options of the directory.
    pub fn with(options: Options) -> Self {
        assert!(
            rustix::process::geteuid().is_root() && Path::new("/dev/fuse").exists(),
            "these tests mount: they need root and /dev/fuse"
        );
        let dir = open_tempdir();
        let fs = LocalFs::open(dir.path(), options).unwrap();
        let export = Export::new("root", Arc::new(fs));
        let server = Server::builder().export(export).limits(Limits::default());
        Self {
            dir,
            server: server.build().unwrap(),
        }
    }

    /// A path on the host.
    pub fn host(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A connection to the server.
    pub fn connect(&self) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.server.serve(FdStream::socket(theirs)).unwrap();
        ours
    }

    /// Mounts it with these options.
    pub fn mount(&self, options: &str) -> Mounting {
        Mounting::over(self.connect(), options)
    }
}

/// A mount. Dropped: unmounted, whoever uses it.
pub struct Mounting {
    pub at: TempDir,
    pub client: Client,
    mounted: Option<Mounted>,
}

impl Mounting {
    /// Over a connection to a server.
    pub fn over(connection: impl Into<OwnedFd>, options: &str) -> Self {
        let stream = Stream::socket(connection);
        let client = Client::over(stream, &ClientOptions::default()).unwrap();
        let at = open_tempdir();
        let options = MountOptions::parse(options).unwrap();
        let mounted = Mount::start(client.clone(), at.path(), &options).unwrap();
        Self {
            at,
            client,
            mounted: Some(mounted),
        }
    }

    /// A path in the mount.
    pub fn path(&self, name: &str) -> PathBuf {
        self.at.path().join(name)
    }

    pub fn mounted(&self) -> &Mounted {
        self.mounted.as_ref().unwrap()
    }

    /// Takes the mount, to wait for its end.
    pub fn take(&mut self) -> Mounted {
        self.mounted.take().unwrap()
    }

    /// Whether the kernel shows it.
    pub fn is_mounted(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let at = self.at.path().to_str().unwrap();
        mounts
            .lines()
            .any(|line| line.split(' ').nth(4) == Some(at))
    }
}

impl Drop for Mounting {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.at.path(), rustix::mount::UnmountFlags::DETACH);
    }
}

/// One server, one mount.
pub fn mounted(options: &str) -> (Served, Mounting) {
    let served = Served::new();
    let mounting = served.mount(options);
    (served, mounting)
}

/// A temporary directory that every user may enter.
pub fn open_tempdir() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    dir
}

/// Lets everybody write into a directory.
pub fn open_to_all(dir: &Path) {
    fs::set_permissions(dir, Permissions::from_mode(0o777)).unwrap();
}

/// Runs a command of the shell as a user, whose group has the same number.
pub fn as_user(uid: u32, script: &str) -> Output {
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={uid}"))
        .arg(format!("--regid={uid}"))
        .args(["--clear-groups", "sh", "-c", script]);
    command.output().unwrap()
}

/// The same, which must succeed.
pub fn must_as(uid: u32, script: &str) -> String {
    let output = as_user(uid, script);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{script}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}
