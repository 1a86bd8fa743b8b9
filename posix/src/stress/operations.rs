//! What a worker does: system calls on names that others use too, and on files that it holds open.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use super::blocks::{self, BLOCK};
use crate::rng::Rng;

/// Why an operation did not succeed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Of a call that takes a path.
    Path(Errno),
    /// Of a call on a file that is open.
    Open(Errno),
    /// A call succeeded and its result is wrong.
    Content(String),
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Self::Path(errno)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(errno) => write!(f, "{errno}"),
            Self::Open(errno) => write!(f, "of an open file: {errno}"),
            Self::Content(text) => f.write_str(text),
        }
    }
}

type Done = Result<(), Trouble>;

/// One kind of operation; `weight` tells how often it is chosen.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) weight: u64,
    pub(crate) run: fn(&mut Worker) -> Done,
}

const fn kind(name: &'static str, weight: u64, run: fn(&mut Worker) -> Done) -> Kind {
    Kind { name, weight, run }
}

/// All kinds.
pub(crate) const KINDS: [Kind; 24] = [
    kind("create", 12, |w| w.write(OFlags::CREATE)),
    kind("write", 12, |w| w.write(OFlags::empty())),
    kind("read", 15, Worker::read),
    kind("truncate", 5, Worker::truncate),
    kind("fsync", 1, Worker::fsync),
    kind("unlinked", 2, Worker::unlinked),
    kind("mkdir", 6, |w| {
        let path = w.path();
        Ok(rustix::fs::mkdirat(
            CWD,
            path,
            Mode::from_raw_mode(w.mode() | 0o700),
        )?)
    }),
    kind("rmdir", 3, |w| {
        Ok(rustix::fs::unlinkat(CWD, w.path(), AtFlags::REMOVEDIR)?)
    }),
    kind("unlink", 7, |w| {
        Ok(rustix::fs::unlinkat(CWD, w.path(), AtFlags::empty())?)
    }),
    kind("rename", 8, |w| {
        // Mostly to the same depth, or directories would be buried where nobody comes.
        let depth = w.rng.below(3);
        let from = w.path_at(depth);
        let to = if w.rng.one_in(50) {
            w.path()
        } else {
            w.path_at(depth)
        };
        Ok(rustix::fs::renameat(CWD, from, CWD, to)?)
    }),
    kind("link", 4, |w| {
        Ok(rustix::fs::linkat(
            CWD,
            w.path(),
            CWD,
            w.path(),
            AtFlags::empty(),
        )?)
    }),
    kind("symlink", 3, |w| {
        // Beside it: so it leads neither out of the tree nor further down.
        let target = w.name();
        Ok(rustix::fs::symlinkat(target, CWD, w.path())?)
    }),
    kind("readlink", 3, |w| {
        rustix::fs::readlinkat(CWD, w.path(), Vec::new())?;
        Ok(())
    }),
    kind("mkfifo", 2, |w| w.make_node(FileType::Fifo, 0)),
    kind("mknod", 1, |w| {
        w.make_node(FileType::CharacterDevice, rustix::fs::makedev(1, 3))
    }),
    kind("chmod", 4, |w| {
        let (path, mode) = (w.path(), Mode::from_raw_mode(w.mode()));
        Ok(rustix::fs::chmodat(CWD, path, mode, AtFlags::empty())?)
    }),
    kind("chown", 4, |w| {
        let (user, group) = (w.rng.below(5) as u32, w.rng.below(5) as u32);
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::chownat(
            CWD,
            w.path(),
            Some(user),
            Some(group),
            nofollow,
        )?)
    }),
    kind("utimens", 4, |w| {
        let mut time = || Timespec {
            tv_sec: w.rng.below(1 << 32) as i64,
            tv_nsec: w.rng.below(1_000_000_000) as i64,
        };
        let times = Timestamps {
            last_access: time(),
            last_modification: time(),
        };
        Ok(rustix::fs::utimensat(
            CWD,
            w.path(),
            &times,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }),
    kind("setxattr", 4, |w| {
        let (path, name, length) = (w.path(), w.attribute(), w.rng.below(200));
        let value = w.rng.bytes(length as usize);
        Ok(rustix::fs::lsetxattr(
            path,
            name,
            &value,
            XattrFlags::empty(),
        )?)
    }),
    kind("getxattr", 2, |w| {
        let (path, name) = (w.path(), w.attribute());
        rustix::fs::lgetxattr(path, name, &mut [0; 4096][..])?;
        Ok(())
    }),
    kind("removexattr", 2, |w| {
        let (path, name) = (w.path(), w.attribute());
        Ok(rustix::fs::lremovexattr(path, name)?)
    }),
    kind("stat", 8, |w| {
        rustix::fs::statat(CWD, w.path(), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(())
    }),
    kind("readdir", 4, Worker::list),
    kind("statfs", 1, |w| {
        rustix::fs::statfs(w.path())?;
        Ok(())
    }),
];

/// The state of one worker.
pub(crate) struct Worker {
    root: PathBuf,
    index: u64,
    writes: u64,
    pub(crate) rng: Rng,
}

impl Worker {
    pub(crate) fn new(root: &Path, index: u64, rng: Rng) -> Self {
        Self {
            root: root.to_owned(),
            index,
            writes: 0,
            rng,
        }
    }

    /// A path of up to three names: few enough that the workers meet.
    fn path(&mut self) -> PathBuf {
        let depth = self.rng.below(3);
        self.path_at(depth)
    }

    fn path_at(&mut self, depth: u64) -> PathBuf {
        let mut path = self.root.clone();
        for _ in 0..depth {
            path.push(format!("d{}", self.rng.below(6)));
        }
        path.push(self.name());
        path
    }

    /// Mostly a name that a file has; a directory's now and then, and either as the other.
    fn name(&mut self) -> String {
        if self.rng.one_in(4) {
            format!("d{}", self.rng.below(6))
        } else {
            format!("f{}", self.rng.below(16))
        }
    }

    /// Not sticky: in a sticky directory Linux refuses even root what it calls unsafe (the settings
    /// fs.protected_*).
    fn mode(&mut self) -> u32 {
        self.rng.below(0o10000) as u32 & !0o1000
    }

    fn attribute(&mut self) -> String {
        format!("user.a{}", self.rng.below(4))
    }

    fn make_node(&mut self, kind: FileType, device: u64) -> Done {
        let (path, mode) = (self.path(), Mode::from_raw_mode(self.mode()));
        Ok(rustix::fs::mknodat(CWD, path, kind, mode, device)?)
    }

    /// Opens what may be anything; `None` if it is no regular file. Gives its number, too.
    fn open(&mut self, flags: OFlags) -> Result<Option<(OwnedFd, u64)>, Trouble> {
        let (path, mode) = (self.path(), Mode::from_raw_mode(self.mode()));
        let flags = flags | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(CWD, path, flags, mode)?;
        let stat = rustix::fs::fstat(&file).map_err(Trouble::Open)?;
        let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        Ok(regular.then_some((file, stat.st_ino)))
    }

    /// Whole blocks, at a multiple of a block, so that a reader can tell what is right.
    fn write(&mut self, flags: OFlags) -> Done {
        let Some((file, number)) = self.open(OFlags::WRONLY | flags)? else {
            return Ok(());
        };
        for _ in 0..=self.rng.below(3) {
            self.write_blocks(&file, number)?;
        }
        Ok(())
    }

    fn write_blocks(&mut self, file: &OwnedFd, number: u64) -> Done {
        let offset = self.rng.below(512) * BLOCK as u64;
        let most = 1 << self.rng.below(9);
        let count = 1 + self.rng.below(most);
        self.writes += 1;
        let bytes = blocks::make(number, offset, count, self.index << 48 | self.writes);
        match rustix::io::pwrite(file, &bytes, offset).map_err(Trouble::Open)? {
            length if length == bytes.len() => Ok(()),
            length => Err(Trouble::Content(format!(
                "{length} bytes written of {}",
                bytes.len()
            ))),
        }
    }

    fn read(&mut self) -> Done {
        let Some((file, number)) = self.open(OFlags::RDONLY)? else {
            return Ok(());
        };
        let offset = self.rng.below(512) * BLOCK as u64;
        let length = BLOCK << self.rng.below(9);
        verify(&file, number, offset, length)
    }

    fn truncate(&mut self) -> Done {
        let size = self.rng.below(512 * BLOCK as u64);
        if self.rng.one_in(3) {
            return match self.open(OFlags::WRONLY | OFlags::TRUNC)? {
                Some(_) | None => Ok(()),
            };
        }
        match self.open(OFlags::WRONLY)? {
            Some((file, _)) => rustix::fs::ftruncate(file, size).map_err(Trouble::Open),
            None => Ok(()),
        }
    }

    fn fsync(&mut self) -> Done {
        match self.open(OFlags::WRONLY)? {
            Some((file, number)) => {
                self.write_blocks(&file, number)?;
                rustix::fs::fsync(file).map_err(Trouble::Open)
            }
            None => Ok(()),
        }
    }

    /// A file that has no name any more, and is nobody else's: everything must succeed.
    fn unlinked(&mut self) -> Done {
        let path = self.root.join(format!("u{}", self.index));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let own = Trouble::Open;
        let file =
            rustix::fs::openat(CWD, &path, flags, Mode::from_raw_mode(0o600)).map_err(own)?;
        let number = rustix::fs::fstat(&file).map_err(own)?.st_ino;
        self.write_blocks(&file, number)?;
        rustix::fs::unlinkat(CWD, &path, AtFlags::empty()).map_err(own)?;
        self.write_blocks(&file, number)?;
        verify(&file, number, 0, 1 << 20)?;
        let size = self.rng.below(100_000);
        rustix::fs::ftruncate(&file, size).map_err(own)?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(0o640)).map_err(own)?;
        rustix::fs::fsetxattr(&file, "user.a", b"b", XattrFlags::empty()).map_err(own)?;
        let stat = rustix::fs::fstat(&file).map_err(own)?;
        let seen = (
            stat.st_nlink as u64,
            stat.st_size as u64,
            stat.st_mode & 0o7777,
        );
        if seen != (0, size, 0o640) {
            return Err(Trouble::Content(format!("links, size, mode {seen:?}")));
        }
        Ok(())
    }

    /// Every name must be one that somebody makes, and none twice... of those that nobody moves.
    fn list(&mut self) -> Done {
        let mut path = self.path();
        path.pop();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        for entry in rustix::fs::Dir::new(directory).map_err(Trouble::Open)? {
            let entry = entry.map_err(Trouble::Open)?;
            let name = entry.file_name().to_bytes();
            let known = matches!(name, [b'd' | b'f' | b'u', digits @ ..]
                if digits.iter().all(u8::is_ascii_digit));
            if !known && !matches!(name, b"." | b".." | b"records") {
                let name = name.escape_ascii();
                return Err(Trouble::Content(format!("a directory lists {name}")));
            }
        }
        Ok(())
    }
}

/// Reads and checks. A block that somebody writes at this moment may come in part from before, so
/// what is wrong is read again; it cannot be so for long.
fn verify(file: impl AsFd, number: u64, offset: u64, length: usize) -> Done {
    const TRIES: u32 = 50;
    let mut buffer = vec![0; length];
    let mut wrong = None;
    for _ in 0..TRIES {
        let length = rustix::io::pread(&file, &mut buffer, offset).map_err(Trouble::Open)?;
        wrong = blocks::check(number, offset, &buffer[..length]);
        if wrong.is_none() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(2));
    }
    Err(Trouble::Content(wrong.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::tolerated::tolerated;
    use super::*;

    #[test]
    fn every_kind_succeeds_on_the_host_at_some_time() {
        let root = tempfile::tempdir_in("/var/tmp").unwrap();
        let mut worker = Worker::new(root.path(), 0, Rng::new(1));
        let mut good = [0; KINDS.len()];
        for round in 0..1000 {
            for (kind, good) in KINDS.iter().zip(&mut good) {
                // A disk may take its time for this one.
                if kind.name == "fsync" && round % 10 != 0 {
                    continue;
                }
                // Devices need root.
                match (kind.run)(&mut worker) {
                    Ok(()) => *good += 1,
                    Err(error) => assert!(
                        tolerated(kind.name, &error) || matches!(kind.name, "mknod" | "chown"),
                        "{}: {error}",
                        kind.name
                    ),
                }
            }
        }
        for (kind, good) in KINDS.iter().zip(good) {
            assert!(
                good > 0 || matches!(kind.name, "mknod" | "chown"),
                "{}",
                kind.name
            );
        }
    }

    #[test]
    fn a_byte_changed_behind_its_back_is_found() {
        let root = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = root.path().join("f");
        let file = fs::File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        let mut worker = Worker::new(root.path(), 0, Rng::new(1));
        let file = OwnedFd::from(file);
        worker.write_blocks(&file, 9).unwrap();
        verify(&file, 9, 0, 1 << 20).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(verify(&file, 9, 0, 1 << 20).is_err());
    }
}
