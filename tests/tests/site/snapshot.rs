//! All that can be known of a tree.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use std::io::Read;

/// A tree at a moment; equal to a later one if nothing has changed, and no file was read between.
#[derive(PartialEq, Eq, Debug)]
pub struct Snapshot(BTreeMap<PathBuf, File>);

#[derive(PartialEq, Eq, Debug)]
struct File {
    numbers: [u64; 7],
    modified: (i64, i64),
    changed: (i64, i64),
    /// Of a file; that of a directory moves when this looks into it.
    accessed: Option<(i64, i64)>,
    content: Vec<u8>,
    xattrs: Vec<(OsString, Vec<u8>)>,
}

impl Snapshot {
    /// Looks at everything below, and at the directory itself.
    pub fn of(dir: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut left = vec![dir.to_owned()];
        while let Some(path) = left.pop() {
            let meta = path.symlink_metadata().unwrap();
            if meta.is_dir() {
                let entries = fs::read_dir(&path).unwrap();
                left.extend(entries.map(|entry| entry.unwrap().path()));
            }
            let file = File::of(&path, &meta);
            files.insert(path, file);
        }
        Self(files)
    }
}

impl File {
    fn of(path: &Path, meta: &Metadata) -> Self {
        let content = if meta.is_file() {
            let mut content = Vec::new();
            let mut options = fs::OpenOptions::new();
            let noatime = rustix::fs::OFlags::NOATIME.bits() as i32;
            let file = options.read(true).custom_flags(noatime).open(path);
            file.unwrap().read_to_end(&mut content).unwrap();
            content
        } else if meta.is_symlink() {
            fs::read_link(path).unwrap().into_os_string().into_vec()
        } else {
            Vec::new()
        };
        Self {
            numbers: [
                meta.mode().into(),
                meta.uid().into(),
                meta.gid().into(),
                meta.nlink(),
                meta.ino(),
                meta.size(),
                meta.rdev(),
            ],
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            accessed: meta.is_file().then(|| (meta.atime(), meta.atime_nsec())),
            content,
            xattrs: xattrs(path),
        }
    }
}

fn xattrs(path: &Path) -> Vec<(OsString, Vec<u8>)> {
    let mut names = vec![0; 4096];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..length].split(|b| *b == 0);
    let names = names.filter(|name| !name.is_empty());
    let pairs = names.map(|name| {
        let mut value = vec![0; 4096];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap_or(0);
        value.truncate(length);
        (OsString::from_vec(name.to_vec()), value)
    });
    pairs.collect()
}
