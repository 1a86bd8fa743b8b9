//! Where a suite works: a folder of the host, or the same folder through `virtfs serve` and
//! `virtfs mount`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{At, Result, fail};
use crate::model::Model;
use crate::running::Running;

const START: Duration = Duration::from_secs(30);
const END: Duration = Duration::from_secs(60);

/// A running `virtfs serve` of one folder on a Unix socket beside it.
pub(crate) struct Server {
    running: Running,
    socket: PathBuf,
}

impl Server {
    pub(crate) fn start(virtfs: &Path, model: Model, share: &Path, socket: &Path) -> Result<Self> {
        let mut running = Running::start(
            model
                .command(virtfs)
                .args(["serve", "--security-model", model.name(), "--shared-dir"])
                .arg(share)
                .args(["--listen", &format!("unix:{}", socket.display())]),
        )?;
        let end = Instant::now() + START;
        while UnixStream::connect(socket).is_err() {
            if Instant::now() > end || running.wait(Duration::ZERO)?.is_some() {
                return fail(format!("the server does not start\n{}", running.log()));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(Self {
            running,
            socket: socket.to_owned(),
        })
    }

    /// Its address as the command line takes it.
    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    pub(crate) fn end(self) -> Result {
        self.running.end(END)
    }
}

/// A folder to work in, and the same folder as the host sees it.
pub(crate) struct Place {
    path: PathBuf,
    share: PathBuf,
    mount: Option<Mount>,
}

struct Mount {
    virtfs: PathBuf,
    options: String,
    server: Server,
    running: Option<Running>,
}

impl Place {
    /// The folder itself.
    pub(crate) fn host(share: &Path) -> Self {
        Self {
            path: share.to_owned(),
            share: share.to_owned(),
            mount: None,
        }
    }

    /// Serves the folder and mounts it beside it (`NAME.mnt`), with `options` for `-o` if any.
    pub(crate) fn mounted(
        virtfs: &Path,
        model: Model,
        share: &Path,
        options: &str,
    ) -> Result<Self> {
        let path = share.with_extension("mnt");
        fs::create_dir_all(&path).at(path.display())?;
        let server = Server::start(virtfs, model, share, &share.with_extension("sock"))?;
        let mut place = Self {
            path,
            share: share.to_owned(),
            mount: Some(Mount {
                virtfs: virtfs.to_owned(),
                options: options.to_owned(),
                server,
                running: None,
            }),
        };
        place.start_mount()?;
        Ok(place)
    }

    /// Where the suite works.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The same folder on the host.
    pub(crate) fn share(&self) -> &Path {
        &self.share
    }

    /// Unmounts and mounts again, so that nothing is cached; of the host nothing.
    pub(crate) fn remount(&mut self) -> Result {
        if let Some(running) = self.mount.as_mut().and_then(|mount| mount.running.take()) {
            running.end(END)?;
            self.start_mount()?;
        }
        Ok(())
    }

    /// Ends the mount and the server, which both must answer SIGTERM with status 0.
    pub(crate) fn end(mut self) -> Result {
        let Some(mut mount) = self.mount.take() else {
            return Ok(());
        };
        if let Some(running) = mount.running.take() {
            running.end(END)?;
        }
        if is_mounted(&self.path)? {
            return fail(format!("{} is still mounted", self.path.display()));
        }
        mount.server.end()
    }

    /// What the mount said, for a failure.
    pub(crate) fn log(&self) -> String {
        let Some(mount) = &self.mount else {
            return String::new();
        };
        let client = mount
            .running
            .as_ref()
            .map_or_else(String::new, Running::log);
        format!(
            "the mount said:\n{client}\nthe server said:\n{}",
            mount.server.running.log()
        )
    }

    fn start_mount(&mut self) -> Result {
        let Some(mount) = &mut self.mount else {
            return Ok(());
        };
        let mut command = Command::new(&mount.virtfs);
        command
            .arg("mount")
            .arg(mount.server.address())
            .arg(&self.path);
        if !mount.options.is_empty() {
            command.args(["-o", &mount.options]);
        }
        let mut running = Running::start(&mut command)?;
        running.wait_for("mounted", START)?;
        mount.running = Some(running);
        if !is_mounted(&self.path)? {
            return fail(format!("nothing is mounted at {}", self.path.display()));
        }
        Ok(())
    }
}

/// An empty folder for a suite to share, with ordinary permissions.
pub(crate) fn new_share(under: &Path, name: &str) -> Result<PathBuf> {
    let share = under.join(name);
    fs::create_dir(&share).at(share.display())?;
    fs::set_permissions(&share, fs::Permissions::from_mode(0o755)).at(share.display())?;
    Ok(share)
}

fn is_mounted(path: &Path) -> Result<bool> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").at("mountinfo")?;
    let path = path.to_string_lossy();
    Ok(mounts
        .lines()
        .any(|line| line.split(' ').nth(4) == Some(&*path)))
}
