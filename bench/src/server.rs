//! The server under test, as a process of its own.

use std::error::Error;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The name of the vhost-user socket.
const DEVICE: &str = "vhost-user";

/// A running `virtfs serve`.
pub(crate) struct Server {
    child: Child,
    socket: PathBuf,
    dir: tempfile::TempDir,
}

impl Server {
    /// Serves a directory on a Unix socket, and as a vhost-user device if that is wanted.
    pub(crate) fn start(
        binary: &Path,
        export: &Path,
        device: bool,
    ) -> Result<Self, Box<dyn Error>> {
        Self::start_with(binary, export, device, &[])
    }

    /// The same with some flags more.
    pub(crate) fn start_with(
        binary: &Path,
        export: &Path,
        device: bool,
        flags: &[&str],
    ) -> Result<Self, Box<dyn Error>> {
        let dir = tempfile::tempdir()?;
        let socket = dir.path().join("9p");
        let mut command = Command::new(binary);
        command
            .args(["serve", "--log-level", "error", "--shared-dir"])
            .arg(export)
            .arg("--listen")
            .arg(format!("unix:{}", socket.display()))
            .args(flags);
        if device {
            command.arg("--socket-path").arg(dir.path().join(DEVICE));
        }
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| {
                format!(
                    "{} cannot be started: {error}; build it by `cargo build --release -p virtfs`",
                    binary.display()
                )
            })?;
        let server = Self { child, socket, dir };
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

    /// The vhost-user socket.
    pub(crate) fn device(&self) -> Result<PathBuf, Box<dyn Error>> {
        let path = self.dir.path().join(DEVICE);
        match path.exists() {
            true => Ok(path),
            false => Err("the server has no vhost-user socket".into()),
        }
    }

    /// The processor time that the server has used, and the processes that it has now.
    pub(crate) fn cpu(&self) -> Result<Duration, Box<dyn Error>> {
        // One may end between the two calls.
        let processes = self.processes()?.into_iter();
        Ok(processes.filter_map(|process| cpu_of(process).ok()).sum())
    }

    /// The server's processes.
    pub(crate) fn processes(&self) -> Result<Vec<u32>, Box<dyn Error>> {
        let mut processes = vec![self.child.id()];
        let mut at = 0;
        while let Some(process) = processes.get(at) {
            let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else {
                processes.remove(at);
                continue;
            };
            at += 1;
            for task in tasks {
                let children = fs::read_to_string(task?.path().join("children"));
                let children = children.unwrap_or_default();
                processes.extend(children.split(' ').filter_map(|id| id.parse::<u32>().ok()));
            }
        }
        Ok(processes)
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
