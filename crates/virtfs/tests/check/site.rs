//! A directory to be checked, and short ways to spoil it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::fs::{XattrFlags, setxattr};
use tempfile::TempDir;

pub(crate) const UID: &str = "user.virtfs.uid";
pub(crate) const GID: &str = "user.virtfs.gid";
pub(crate) const MODE: &str = "user.virtfs.mode";
pub(crate) const RDEV: &str = "user.virtfs.rdev";

pub(crate) struct Site {
    pub(crate) dir: TempDir,
}

/// What the program said.
pub(crate) struct Said {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The findings, each as `path: severity: …` from the directory on.
    pub(crate) fn findings(&self, site: &Site) -> Vec<String> {
        let base = site.dir.path().to_str().unwrap();
        let mut lines: Vec<_> = self.out.lines().collect();
        lines.pop();
        lines
            .iter()
            .map(|line| {
                let line = line.strip_prefix(base).unwrap();
                line.strip_prefix('/').unwrap_or(line).to_owned()
            })
            .collect()
    }
}

/// `virtfs check`.
pub(crate) fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_virtfs"));
    command.arg("check").arg(dir).stdin(Stdio::null());
    command
}

impl Site {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir }
    }

    /// In memory if it can be, for a tree that would keep a disk busy.
    pub(crate) fn in_memory() -> Self {
        let made = tempfile::tempdir_in("/dev/shm").map(|dir| Self { dir });
        // Linux before 6.6 has no attributes there.
        let set = |site: &Self| setxattr(site.dir.path(), "user.a", b"", XattrFlags::empty());
        match made {
            Ok(site) if set(&site).is_ok() => site,
            _ => Self::new(),
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), content).unwrap();
    }

    pub(crate) fn xattr(&self, path: &str, name: &str, value: &[u8]) {
        setxattr(self.path(path), name, value, XattrFlags::empty()).unwrap();
    }

    /// A file with all that `mapped-xattr` stores of it.
    pub(crate) fn mapped(&self, path: &str, mode: u32, content: &[u8]) {
        self.file(path, content);
        self.xattr(path, UID, &1000_u32.to_le_bytes());
        self.xattr(path, GID, &55_u32.to_le_bytes());
        self.xattr(path, MODE, &mode.to_le_bytes());
    }

    pub(crate) fn check(&self, flags: &[&str]) -> Said {
        Said::of(command(self.dir.path()).args(flags).output().unwrap())
    }

    /// Checks that there is one finding, that it begins and goes on so, and that the status says
    /// so too.
    #[track_caller]
    pub(crate) fn finds(&self, start: &str, part: &str) {
        let said = self.check(&[]);
        let findings = said.findings(self);
        let [finding] = &findings[..] else {
            panic!("{findings:#?} {}", said.err);
        };
        assert!(
            finding.starts_with(start) && finding.contains(part),
            "{finding}"
        );
        let status = if start.contains(": note") { 0 } else { 1 };
        assert_eq!((said.status, &*said.err), (Some(status), ""));
    }
}
