//! Looking at the host's files without leaving a trace: no time of access changes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, Dir, Mode, OFlags, openat};
use rustix::io::{Errno, Result};

/// The names in a directory but the two dots, sorted.
pub(crate) fn list(path: &Path) -> Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(open(path, OFlags::DIRECTORY)?)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The bytes of a regular file. Of what is long, the beginning.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>> {
    const MOST: usize = 4 << 20;
    let file = open(path, OFlags::NONBLOCK)?;
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while bytes.len() < MOST {
        match rustix::io::read(&file, &mut buffer)? {
            0 => break,
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(bytes)
}

/// All extended attributes of a file, not of what a symbolic link leads to.
pub(crate) fn xattrs(path: &Path) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut names = vec![0; 64 << 10];
    let length = match rustix::fs::llistxattr(path, names.as_mut_slice()) {
        Err(Errno::OPNOTSUPP) => 0,
        result => result?,
    };
    let mut found = BTreeMap::new();
    let mut value = vec![0; 64 << 10];
    let names = names[..length].split(|&byte| byte == 0);
    for name in names.filter(|name| !name.is_empty()) {
        let length = rustix::fs::lgetxattr(path, name, value.as_mut_slice())?;
        found.insert(name.to_vec(), value[..length].to_vec());
    }
    Ok(found)
}

/// A descriptor that keeps a file's inode number from being used again.
pub(crate) fn hold(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty())
}

/// Below this directory, the entry of this name.
pub(crate) fn below(path: &Path, name: &[u8]) -> std::path::PathBuf {
    path.join(OsStr::from_bytes(name))
}

fn open(path: &Path, more: OFlags) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NOATIME | OFlags::CLOEXEC;
    openat(CWD, path, flags | more, Mode::empty())
}
