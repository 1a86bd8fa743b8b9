//! The temporary folder of one run: what the guest is given, and what the server shares.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::server::quoted;
use crate::{Item, Mount, Server};

pub(crate) struct RunDir {
    dir: TempDir,
}

impl RunDir {
    /// Lays it out: `guest/` (init scripts, items, `env`) and an empty `share/`.
    pub(crate) fn new(
        items: &[Item],
        mount: &Mount,
        server: &Server,
        data: &Path,
        helpers: &Path,
    ) -> io::Result<Self> {
        let run = Self {
            dir: tempfile::Builder::new().prefix("virtfs-guest-").tempdir()?,
        };
        fs::create_dir(run.share())?;
        fs::set_permissions(run.share(), fs::Permissions::from_mode(0o755))?;
        fs::create_dir(run.guest())?;
        copy_folder(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("init"),
            &run.guest().join("init"),
        )?;
        fs::create_dir(run.guest().join("items"))?;
        for item in items {
            let path = run
                .guest()
                .join("items")
                .join(format!("{}.sh", item.name()));
            fs::write(path, item.text())?;
        }
        fs::write(
            run.guest().join("env"),
            run.environment(items, mount, server, data, helpers),
        )?;
        Ok(run)
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What the server shares.
    pub(crate) fn share(&self) -> PathBuf {
        self.path().join("share")
    }

    /// What the guest sees of this folder.
    pub(crate) fn guest(&self) -> PathBuf {
        self.path().join("guest")
    }

    /// Has the launcher print what the guest and its server are doing.
    pub(crate) fn ask_for_report(&self) -> io::Result<()> {
        fs::write(self.path().join("stands-still"), "")
    }

    /// Gives an emulated guest, which cannot see the host, its data as copies.
    pub(crate) fn copy_in(&self, data: &Path, names: &[&str]) -> io::Result<()> {
        let to = self.guest().join("data");
        fs::create_dir(&to)?;
        for name in names {
            fs::copy(data.join(name), to.join(name))?;
        }
        Ok(())
    }

    /// What the server wrote to its standard output and error.
    pub(crate) fn server_log(&self) -> String {
        fs::read(self.path().join("server.log")).map_or_else(
            |_| String::new(),
            |log| String::from_utf8_lossy(&log).into_owned(),
        )
    }

    fn environment(
        &self,
        items: &[Item],
        mount: &Mount,
        server: &Server,
        data: &Path,
        helpers: &Path,
    ) -> String {
        let share = self.share().to_string_lossy().into_owned();
        let mut options = mount.options();
        if !server.mount_options.is_empty() {
            options.push(',');
            options.push_str(&server.mount_options.replace("{share}", &share));
        }
        let names: Vec<_> = items.iter().map(Item::name).collect();
        let long = std::env::var("VIRTFS_GUEST_LONG").unwrap_or_default();
        [
            ("ITEMS", names.join(" ")),
            ("MOUNT_OPTIONS", options),
            ("CACHE", mount.cache.to_string()),
            ("LONG", long),
            ("PORT", "5640".to_owned()),
            ("HOST_SHARE", share),
            ("HOST_DATA", data.to_string_lossy().into_owned()),
            ("HOST_BIN", helpers.to_string_lossy().into_owned()),
        ]
        .into_iter()
        .map(|(name, value)| format!("{name}={}\n", quoted(&value)))
        .collect()
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_is_given_its_items_and_the_mount_options() {
        let item = Item::inline("one", "true").unwrap();
        let server = Server {
            command: String::new(),
            mount_options: "aname={share}".to_owned(),
            ends_cleanly: false,
        };
        let run = RunDir::new(
            &[item],
            &Mount::default(),
            &server,
            Path::new("/d"),
            Path::new("/h"),
        )
        .unwrap();
        let env = fs::read_to_string(run.guest().join("env")).unwrap();
        assert!(env.contains("ITEMS='one'\n"));
        assert!(env.contains(&format!(",aname={}'\n", run.share().display())));
        assert!(run.guest().join("items/one.sh").exists());
        assert!(run.guest().join("init/run-items.sh").exists());
    }
}
