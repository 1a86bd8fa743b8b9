//! What an attack goes for: files beside the export and another process, all of the same user, so that
//! nothing protects them but the sandbox.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// What is in each file.
pub(crate) const SECRET: &[u8] = b"nobody beside the export may read this";

/// How long an effect may take to be seen.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long another process may take to start.
const START: Duration = Duration::from_secs(20);

/// The place of the export, and of what is beside it.
pub(crate) struct Outside {
    dir: TempDir,
    /// Whose everything is.
    pub(crate) user: u32,
    made: AtomicU32,
    /// Where the server listens, if it does so over TCP.
    pub(crate) port: Option<u16>,
}

impl Outside {
    pub(crate) fn new(user: u32) -> Self {
        let outside = Self {
            dir: tempfile::tempdir().unwrap(),
            user,
            made: AtomicU32::new(0),
            port: None,
        };
        outside.own(outside.dir.path());
        std::fs::create_dir(outside.export()).unwrap();
        outside.own(&outside.export());
        let inside = outside.inside("in-it");
        std::fs::write(&inside, "in it").unwrap();
        outside.own(&inside);
        outside
    }

    fn own(&self, path: &Path) {
        chown(path, Some(self.user), Some(self.user)).unwrap();
    }

    pub(crate) fn export(&self) -> PathBuf {
        self.dir.path().join("export")
    }

    /// A name in the export.
    pub(crate) fn inside(&self, name: &str) -> PathBuf {
        self.export().join(name)
    }

    /// A path beside the export where nothing is yet.
    pub(crate) fn nothing(&self) -> PathBuf {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        self.dir.path().join(format!("outside-{number}"))
    }

    /// A new file beside the export.
    pub(crate) fn file(&self) -> PathBuf {
        let path = self.nothing();
        std::fs::write(&path, SECRET).unwrap();
        self.own(&path);
        path
    }

    /// A new directory beside the export, with a file `secret` in it.
    pub(crate) fn folder(&self) -> PathBuf {
        let path = self.nothing();
        std::fs::create_dir(&path).unwrap();
        self.own(&path);
        let file = path.join("secret");
        std::fs::write(&file, SECRET).unwrap();
        self.own(&file);
        path
    }

    /// Another process of this user, with no capability.
    pub(crate) fn target(&self) -> Target {
        let user = self.user.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
        command.args(["--inh-caps", "-all", "--bounding-set", "-all"]);
        // It has a secret open, and a process group of its own.
        let stdin = std::fs::File::open(self.file()).unwrap();
        let child = command.args(["sleep", "60"]).process_group(0).stdin(stdin);
        let target = Target(child.spawn().unwrap());
        // It is what it will be when it sleeps.
        let calls = || std::fs::read_to_string(target.proc("wchan")).unwrap_or_default();
        let comm = || std::fs::read(target.proc("comm")).unwrap_or_default();
        let began = Instant::now();
        while comm() != b"sleep\n" || !calls().contains("nanosleep") {
            assert!(began.elapsed() < START, "the other process does not start");
            std::thread::sleep(Duration::from_millis(1));
        }
        target
    }
}

/// A process that only sleeps.
pub(crate) struct Target(Child);

impl Target {
    pub(crate) fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    /// Whether a signal ended it, if perhaps in a moment. `sent` tells that one went out.
    pub(crate) fn dies(&mut self, sent: bool) -> bool {
        let mut dead = || self.0.try_wait().unwrap().is_some();
        match sent {
            true => soon(dead),
            false => dead(),
        }
    }

    /// A file of its directory in `/proc`.
    pub(crate) fn proc(&self, name: &str) -> PathBuf {
        format!("/proc/{}/{name}", self.pid()).into()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.0.kill();
        // While another process traces it, its end is that one's to see.
        soon(|| !matches!(self.0.try_wait(), Ok(None)));
    }
}

/// Whether something becomes true in a moment.
pub(crate) fn soon(mut is: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if is() {
            return true;
        }
        if began.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
