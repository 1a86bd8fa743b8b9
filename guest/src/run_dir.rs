//! The temporary folder of one run: what the guest is given, and what the server shares.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::server::quoted;
use crate::{Item, Mount, Server, Transport};

/// What an item that runs a POSIX suite needs of the project.
const POSIX: [&str; 3] = [
    "pjdfstest-exceptions.txt",
    "../posix/pjdfstest-exceptions.txt",
    "../posix/pjdfstest.toml",
];

/// What of a guest shows in its run's folder.
pub(crate) struct Place<'a> {
    pub(crate) server: &'a Server,
    pub(crate) transport: Transport,
    pub(crate) data: &'a Path,
    pub(crate) helpers: &'a Path,
    /// By how much the limits of the items are longer.
    pub(crate) slower: u32,
    /// What is shared, if not an empty folder.
    pub(crate) share: Option<&'a Path>,
}

pub(crate) struct RunDir {
    dir: TempDir,
    share: PathBuf,
}

impl RunDir {
    /// Lays it out: `guest/` (init scripts, items, `env`) and, unless another folder is shared, an
    /// empty `share/`. Any user can go through it.
    pub(crate) fn new(items: &[Item], mount: &Mount, place: &Place<'_>) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("virtfs-guest-").tempdir()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711))?;
        let share = match place.share {
            Some(share) => share.to_owned(),
            None => {
                let share = dir.path().join("share");
                fs::create_dir(&share)?;
                fs::set_permissions(&share, fs::Permissions::from_mode(0o755))?;
                share
            }
        };
        let run = Self { dir, share };
        fs::create_dir(run.guest())?;
        copy_folder(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("init"),
            &run.guest().join("init"),
        )?;
        fs::create_dir(run.guest().join("peer"))?;
        fs::create_dir(run.guest().join("posix"))?;
        for name in POSIX {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            let flat = name.trim_start_matches("../").replace('/', "-");
            fs::copy(from, run.guest().join("posix").join(flat))?;
        }
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
            run.environment(items, mount, place),
        )?;
        Ok(run)
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What the server shares.
    pub(crate) fn share(&self) -> &Path {
        &self.share
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

    fn environment(&self, items: &[Item], mount: &Mount, place: &Place<'_>) -> String {
        let share = self.share().to_string_lossy().into_owned();
        let mut options = mount.options();
        let more = &place.server.mount_options;
        if !more.is_empty() {
            options.push(',');
            options.push_str(&more.replace("{share}", &share));
        }
        let names: Vec<_> = items.iter().map(Item::name).collect();
        let setting = |name| std::env::var(name).unwrap_or_default();
        [
            ("ITEMS", names.join(" ")),
            ("MOUNT_OPTIONS", options),
            ("CACHE", mount.cache.to_string()),
            ("LONG", setting("VIRTFS_GUEST_LONG")),
            ("TRANSPORT", place.transport.to_string()),
            ("MODEL", place.server.model.to_string()),
            ("SLOWER", place.slower.to_string()),
            ("PORT", "5640".to_owned()),
            ("HOST_SHARE", share),
            ("HOST_DATA", place.data.to_string_lossy().into_owned()),
            ("HOST_BIN", place.helpers.to_string_lossy().into_owned()),
            ("HOST_POSIX", setting("VIRTFS_POSIX_TOOLS")),
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
            mount_options: "aname={share}".to_owned(),
            ..Server::none()
        };
        let place = Place {
            server: &server,
            transport: Transport::Virtio,
            data: Path::new("/d"),
            helpers: Path::new("/h"),
            slower: 1,
            share: None,
        };
        let run = RunDir::new(&[item], &Mount::default(), &place).unwrap();
        let env = fs::read_to_string(run.guest().join("env")).unwrap();
        assert!(env.contains("ITEMS='one'\n"));
        assert!(env.contains("TRANSPORT='virtio'\n"));
        assert!(env.contains("MODEL='passthrough'\n"));
        assert!(env.contains(&format!(",aname={}'\n", run.share().display())));
        assert!(run.guest().join("items/one.sh").exists());
        assert!(run.guest().join("init/run-items.sh").exists());
    }
}
