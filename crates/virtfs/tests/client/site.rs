//! A server with a directory, a directory beside it, and commands that talk to the server.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::running::{Running, unix};

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Done {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: output.stdout,
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// What it wrote, if nothing went wrong.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, &*self.err), (Some(0), ""));
        String::from_utf8(self.out).unwrap()
    }

    /// What it said, if it failed with status 1.
    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert_eq!(self.code, Some(1), "{}", self.err);
        self.err
    }
}

/// `virtfs COMMAND`.
pub(crate) fn virtfs(command: &str) -> Command {
    let mut virtfs = Command::new(env!("CARGO_BIN_EXE_virtfs"));
    virtfs.arg(command).stdin(Stdio::null());
    virtfs
}

/// A server of `served`, and a directory `here` that it knows nothing of.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) dir: TempDir,
    pub(crate) served: PathBuf,
    pub(crate) here: PathBuf,
    pub(crate) address: String,
    _server: Running,
}

impl Site {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [served, here] = ["served", "here"].map(|name| dir.path().join(name));
        fs::create_dir(&served).unwrap();
        fs::create_dir(&here).unwrap();
        let address = unix(&dir.path().join("socket"));
        Self {
            _server: Running::listening(&served, &address),
            dir,
            served,
            here,
            address,
        }
    }

    /// `virtfs COMMAND ADDRESS`, to be completed; it runs in `here`.
    pub(crate) fn command(&self, command: &str, flags: &[&str]) -> Command {
        let mut virtfs = virtfs(command);
        virtfs.args(flags).arg(&self.address);
        virtfs.current_dir(&self.here).env("TZ", "UTC");
        virtfs
    }

    /// Runs `virtfs COMMAND FLAGS ADDRESS ARGS`; the first words that begin with a dash are the
    /// flags.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, command: &str, flags: &[&str], args: &[A]) -> Done {
        Done::of(self.command(command, flags).args(args).output().unwrap())
    }

    /// Makes a file that is served.
    pub(crate) fn serve(&self, path: &str, content: &str) {
        write(&self.served.join(path), content);
    }

    /// Makes a file that is not.
    pub(crate) fn have(&self, path: &str, content: &str) {
        write(&self.here.join(path), content);
    }

    /// The contents of a file that is served.
    #[track_caller]
    pub(crate) fn content(&self, path: &str) -> String {
        fs::read_to_string(self.served.join(path)).unwrap()
    }
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// The mode of a file, without its type.
#[track_caller]
pub(crate) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// All that a copy keeps of a tree, a line for each file: type and mode, times, size, blocks,
/// owner, hard links by the first of their names, link texts, attributes, contents.
pub(crate) fn snapshot(top: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut first = std::collections::HashMap::new();
    let mut below = vec![PathBuf::new()];
    while let Some(path) = below.pop() {
        let full = top.join(&path);
        let meta = fs::symlink_metadata(&full).unwrap();
        let name = format!("{path:?}");
        let link = first.entry(meta.ino()).or_insert_with(|| name.clone());
        let mut line = format!(
            "{name} {:o} {}:{} links {} as {link} rdev {} modified {}.{:09}",
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.nlink(),
            meta.rdev(),
            meta.mtime(),
            meta.mtime_nsec(),
        );
        if meta.is_symlink() {
            line += &format!(" to {:?}", fs::read_link(&full).unwrap());
        } else if meta.is_file() {
            let hash = fnv(&fs::read(&full).unwrap());
            line += &format!(" size {} content {hash:x}", meta.len());
        }
        if meta.is_dir() || meta.is_file() {
            line += &format!(" {:?}", xattrs(&full));
        }
        if meta.is_dir() {
            let names = fs::read_dir(&full).unwrap();
            let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            below.extend(names.into_iter().rev().map(|name| path.join(name)));
        }
        lines.push(line);
    }
    lines
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

fn xattrs(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = vec![0; 4096];
    let length = rustix::fs::listxattr(path, &mut names[..]).unwrap_or(0);
    let mut found = Vec::new();
    for name in names[..length].split(|byte| *byte == 0) {
        if name.starts_with(b"user.") || name.starts_with(b"system.") {
            let name = String::from_utf8(name.to_vec()).unwrap();
            let mut value = vec![0; 65536];
            let length = rustix::fs::getxattr(path, &name, &mut value[..]).unwrap();
            value.truncate(length);
            found.push((name, value));
        }
    }
    found.sort();
    found
}
