//! The server under test, as a process of its own.

use std::error::Error;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running `virtfs serve`.
pub(crate) struct Server {
    child: Child,
    socket: PathBuf,
    _dir: tempfile::TempDir,
}

impl Server {
    pub(crate) fn start(binary: &Path, export: &Path) -> Result<Self, Box<dyn Error>> {
        let dir = tempfile::tempdir()?;
        let socket = dir.path().join("9p");
        let child = Command::new(binary)
            .args(["serve", "--log-level", "error", "--shared-dir"])
            .arg(export)
            .arg("--listen")
            .arg(format!("unix:{}", socket.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| {
                format!(
                    "{} cannot be started: {error}; build it by `cargo build --release -p virtfs`",
                    binary.display()
                )
            })?;
        let server = Self {
            child,
            socket,
            _dir: dir,
        };
        let began = Instant::now();
        while UnixStream::connect(&server.socket).is_err() {
            if began.elapsed() > Duration::from_secs(10) {
                return Err("the server does not come up".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The processor time that the server has used.
    pub(crate) fn cpu(&self) -> Result<Duration, Box<dyn Error>> {
        cpu_of(self.child.id())
    }
}

/// The processor time that the threads of a process have used.
pub(crate) fn cpu_of(process: u32) -> Result<Duration, Box<dyn Error>> {
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end between the two calls.
        let Ok(stat) = fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        total += stat.split(' ').next().unwrap_or("0").parse::<u64>()?;
    }
    Ok(Duration::from_nanos(total))
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing more to do about it then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
