//! The local file system as the side that is read.

use std::ffi::{CString, OsStr};
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, SeekFrom, Stat, Timespec, fgetxattr, flistxattr,
    fstat, openat, readlinkat, seek, statat,
};
use rustix::io::{Errno, pread};

use super::tree::{Found, Meta, Source, Xattrs};
use super::xattrs::is_wanted;

/// How many entries are looked at together.
const PORTION: usize = 64;

/// The local file system.
#[derive(Debug)]
pub(crate) struct LocalSource {
    root: bool,
}

/// An entry of a directory; `.` stands for the directory.
#[derive(Debug)]
pub(crate) struct Item {
    dir: Arc<OwnedFd>,
    name: CString,
}

impl LocalSource {
    pub(crate) fn new() -> Self {
        Self {
            root: rustix::process::geteuid().is_root(),
        }
    }

    /// A file that was typed. A link is followed only with a slash behind it.
    pub(crate) fn start(&self, typed: &OsStr) -> io::Result<(Item, Meta)> {
        let path = Path::new(typed);
        let slash = typed.as_bytes().ends_with(b"/");
        let item = match path.components().next_back() {
            Some(Component::Normal(name)) if !slash => {
                let above = path.parent().filter(|above| !above.as_os_str().is_empty());
                Item {
                    dir: Arc::new(directory(above.unwrap_or(Path::new(".")))?),
                    name: CString::new(name.as_bytes())?,
                }
            }
            _ => Item {
                dir: Arc::new(directory(path)?),
                name: c".".into(),
            },
        };
        let stat = statat(&item.dir, &item.name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok((item, meta(&stat)))
    }
}

fn directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?)
}

impl Source for LocalSource {
    type Item = Item;
    type Dir = Arc<OwnedFd>;
    type File = OwnedFd;
    type Listing = Dir;

    fn enter(&self, item: Item, xattrs: bool) -> io::Result<(Self::Dir, Xattrs)> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = openat(&item.dir, &item.name, flags, Mode::empty())?;
        let xattrs = self.xattrs(&dir, xattrs)?;
        Ok((Arc::new(dir), xattrs))
    }

    fn list(&self, dir: &Self::Dir) -> io::Result<Dir> {
        Ok(Dir::read_from(dir)?)
    }

    fn next(&self, dir: &Self::Dir, listing: &mut Dir) -> io::Result<Vec<Found<Item>>> {
        let mut found = Vec::new();
        for entry in listing {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let item = Item {
                dir: dir.clone(),
                name: name.into(),
            };
            let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
            found.push(Found {
                name: name.to_bytes().into(),
                what: match stat {
                    Ok(stat) => Ok((item, meta(&stat))),
                    Err(error) => Err(error.into()),
                },
            });
            if found.len() == PORTION {
                break;
            }
        }
        Ok(found)
    }

    fn open(&self, item: Item, xattrs: bool) -> io::Result<(OwnedFd, Xattrs)> {
        // It was a regular file. Whatever has taken its place is not waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&item.dir, &item.name, flags, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(Errno::STALE.into());
        }
        let xattrs = self.xattrs(&file, xattrs)?;
        Ok((file, xattrs))
    }

    fn read_at(&self, file: &OwnedFd, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(room) = buf.get_mut(filled..).filter(|room| !room.is_empty()) {
            match pread(file, room, offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }

    fn data(&self, file: &OwnedFd, range: Range<u64>) -> io::Result<Range<u64>> {
        let start = match seek(file, SeekFrom::Data(range.start)) {
            Ok(start) if start < range.end => start,
            Ok(_) => return Ok(range.end..range.end),
            // The file's last hole, or its end: it may have shrunk.
            Err(Errno::NXIO) => {
                let end = self.size_of_file(file)?.min(range.end);
                return Ok(end..end);
            }
            // It has no such notion: all is data.
            Err(Errno::INVAL) => return Ok(range),
            Err(error) => return Err(error.into()),
        };
        match seek(file, SeekFrom::Hole(start)) {
            Ok(end) => Ok(start..end.min(range.end)),
            Err(_) => Ok(start..range.end),
        }
    }

    fn hides_holes(&self) -> bool {
        false
    }

    fn size_of_file(&self, file: &OwnedFd) -> io::Result<u64> {
        Ok(meta(&fstat(file)?).size)
    }

    fn atime_of_file(&self, file: &OwnedFd) -> io::Result<Timespec> {
        Ok(meta(&fstat(file)?).atime)
    }

    fn atime_of_dir(&self, dir: &Self::Dir) -> io::Result<Timespec> {
        Ok(meta(&fstat(dir)?).atime)
    }

    fn link_text(&self, item: &Item) -> io::Result<Vec<u8>> {
        Ok(readlinkat(&item.dir, &item.name, Vec::new())?.into_bytes())
    }
}

impl LocalSource {
    fn xattrs(&self, file: impl AsFd, wanted: bool) -> io::Result<Xattrs> {
        if !wanted {
            return Ok(Vec::new());
        }
        let names = match grown(|buf| flistxattr(&file, buf)) {
            Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            names => names?,
        };
        let mut xattrs = Vec::new();
        for name in names.split(|byte| *byte == 0) {
            if !is_wanted(name, self.root) {
                continue;
            }
            let name = CString::new(name)?;
            match grown(|buf| fgetxattr(&file, &name, buf)) {
                Ok(value) => xattrs.push((name.into_bytes(), value)),
                // It went away in the meantime.
                Err(Errno::NODATA) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(xattrs)
    }
}

/// What a call gives that wants to be given enough room.
fn grown(call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buf = vec![0; 256];
    loop {
        match call(&mut buf) {
            Ok(length) => {
                buf.truncate(length);
                return Ok(buf);
            }
            // What Linux has at most.
            Err(Errno::RANGE) if buf.len() < 64 << 10 => buf.resize(64 << 10, 0),
            Err(error) => return Err(error),
        }
    }
}

/// What stat(2) tells.
#[expect(
    clippy::unnecessary_cast,
    reason = "the types depend on the architecture"
)]
pub(super) fn meta(stat: &Stat) -> Meta {
    let time = |sec: i64, nsec: u64| Timespec {
        tv_sec: sec,
        tv_nsec: nsec as i64,
    };
    Meta {
        kind: FileType::from_raw_mode(stat.st_mode),
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        nlink: stat.st_nlink as u64,
        rdev: (
            rustix::fs::major(stat.st_rdev),
            rustix::fs::minor(stat.st_rdev),
        ),
        size: stat.st_size as u64,
        sparse: (stat.st_blocks as u64) < (stat.st_size as u64).div_ceil(512),
        atime: time(stat.st_atime as i64, stat.st_atime_nsec as u64),
        mtime: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
        ctime: time(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        id: (stat.st_dev as u64, stat.st_ino as u64),
    }
}
