//! All that can be known of a tree by looking at it.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;

use crate::failure::{At, Result};

/// The entries of a tree by their path below its root (the root itself is the empty path).
pub(crate) type Snapshot = BTreeMap<PathBuf, Entry>;

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: FileType,
    /// Permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) size: u64,
    /// Units of 512 bytes.
    pub(crate) blocks: u64,
    pub(crate) links: u64,
    pub(crate) device: u64,
    /// Seconds and nanoseconds.
    pub(crate) modified: (i64, i64),
    /// As it was before the file was read for the snapshot.
    pub(crate) accessed: (i64, i64),
    /// Where a symbolic link leads.
    pub(crate) target: Vec<u8>,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Of a regular file's bytes; holes and written zeros are the same.
    pub(crate) content: u64,
    /// The first path in the tree that is the same file.
    pub(crate) same_as: PathBuf,
}

/// Looks at everything below `root`.
pub(crate) fn take(root: &Path) -> Result<Snapshot> {
    let mut walk = Walk::default();
    walk.enter(root, PathBuf::new())
        .at(format!("below {}", root.display()))?;
    Ok(walk.found)
}

#[derive(Default)]
struct Walk {
    found: Snapshot,
    /// The first path of each file.
    first: HashMap<(u64, u64), PathBuf>,
}

impl Walk {
    /// `at` leads to what is called `path` in the snapshot.
    fn enter(&mut self, at: &Path, path: PathBuf) -> Result {
        let stat = rustix::fs::statat(CWD, at, AtFlags::SYMLINK_NOFOLLOW).at(shown(&path))?;
        let mut entry = look(at, &stat).at(shown(&path))?;
        let first = self.first.entry((stat.st_dev, stat.st_ino));
        entry.same_as = first.or_insert_with(|| path.clone()).clone();
        let directory = entry.kind == FileType::Directory;
        self.found.insert(path.clone(), entry);
        if directory {
            self.enter_all(at, &path)?;
        }
        Ok(())
    }

    /// In the order of the names, so that the first path of a file is the same in two equal trees.
    fn enter_all(&mut self, at: &Path, path: &Path) -> Result {
        let directory = File::open(at).at(shown(path))?;
        // Not by the whole path, every part of which the client would ask the server about.
        let at = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        let mut names = Vec::new();
        for child in fs::read_dir(&at).at(shown(path))? {
            names.push(child.at(shown(path))?.file_name());
        }
        names.sort();
        for name in names {
            self.enter(&at.join(&name), path.join(&name))?;
        }
        Ok(())
    }
}

fn look(path: &Path, stat: &Stat) -> rustix::io::Result<Entry> {
    let kind = FileType::from_raw_mode(stat.st_mode);
    let target = if kind == FileType::Symlink {
        rustix::fs::readlinkat(CWD, path, Vec::new())?.into_bytes()
    } else {
        Vec::new()
    };
    let content = if kind == FileType::RegularFile {
        hash(path, stat.st_size as u64)?
    } else {
        0
    };
    Ok(Entry {
        kind,
        mode: stat.st_mode & 0o7777,
        owner: (stat.st_uid, stat.st_gid),
        size: stat.st_size as u64,
        blocks: stat.st_blocks as u64,
        links: stat.st_nlink,
        device: stat.st_rdev,
        modified: (stat.st_mtime, stat.st_mtime_nsec as i64),
        accessed: (stat.st_atime, stat.st_atime_nsec as i64),
        target,
        xattrs: xattrs(path)?,
        content,
        same_as: PathBuf::new(),
    })
}

fn xattrs(path: &Path) -> rustix::io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut names = vec![0; 65536];
    let length = match rustix::fs::llistxattr(path, names.as_mut_slice()) {
        Err(Errno::OPNOTSUPP) => 0,
        result => result?,
    };
    names.truncate(length);
    let mut found = BTreeMap::new();
    let mut value = vec![0; 65536];
    for name in names
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
    {
        let length = rustix::fs::lgetxattr(path, name, value.as_mut_slice())?;
        found.insert(name.to_vec(), value[..length].to_vec());
    }
    Ok(found)
}

/// Blocks that are not zero, with their places, of the parts that the file system says are data.
fn hash(path: &Path, size: u64) -> rustix::io::Result<u64> {
    let file = open(path)?;
    let mut hasher = DefaultHasher::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut offset = 0;
    while offset < size {
        offset = match rustix::fs::seek(&file, SeekFrom::Data(offset)) {
            Err(Errno::NXIO) => break,
            result => result?,
        };
        let end = rustix::fs::seek(&file, SeekFrom::Hole(offset))?;
        while offset < end {
            // Portions begin at multiples of the block, wherever data begins.
            let start = offset - offset % BLOCK as u64;
            let length = read_full(file.as_fd(), &mut buffer, start)?;
            if length == 0 {
                break;
            }
            for (index, block) in buffer[..length].chunks(BLOCK).enumerate() {
                if block.iter().any(|&byte| byte != 0) {
                    hasher.write_u64(start / BLOCK as u64 + index as u64);
                    hasher.write(block);
                }
            }
            offset = start + length as u64;
        }
    }
    Ok(hasher.finish())
}

const BLOCK: usize = 4096;

/// Without touching the time of access, where the file system lets us.
fn open(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags | OFlags::NOATIME, Mode::empty())
        .or_else(|_| rustix::fs::openat(CWD, path, flags, Mode::empty()))
}

fn read_full(file: impl AsFd + Copy, buffer: &mut [u8], offset: u64) -> rustix::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match rustix::io::pread(file, &mut buffer[length..], offset + length as u64)? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

/// A name that can be shown on a terminal. Of long ones the middle is left out.
pub(crate) fn shown(path: &Path) -> String {
    let whole = match path.as_os_str().as_bytes() {
        b"" => ".".to_owned(),
        bytes => bytes.escape_ascii().to_string(),
    };
    match whole.len() {
        ..=120 => whole,
        length => format!("{}…{}", &whole[..60], &whole[length - 60..]),
    }
}
