//! A server as the side that is read. What it says is not to be trusted.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FileType, Timespec};
use rustix::io::Errno;
use virtfs_client::{Attributes, Fid, File, LopenFlags, Timespec as WireTime};

use super::super::listing::Listing as Directory;
use super::tree::{Found, Meta, Source, Xattrs};
use super::xattrs::is_wanted;

/// How many entries are looked at by one round trip; each is a fid until it is copied.
const PORTION: usize = 64;

/// A server.
#[derive(Debug)]
pub(crate) struct RemoteSource {
    root: bool,
    /// It has said that it has no extended attributes.
    no_xattrs: AtomicBool,
}

impl RemoteSource {
    pub(crate) fn new() -> Self {
        Self {
            root: rustix::process::geteuid().is_root(),
            no_xattrs: AtomicBool::new(false),
        }
    }
}

/// A directory that is being listed, and what of it was not looked at yet.
#[derive(Debug)]
pub(crate) struct Listing {
    directory: Directory,
    names: VecDeque<Vec<u8>>,
}

impl Source for RemoteSource {
    type Item = Fid;
    type Dir = Fid;
    type File = File;
    type Listing = Listing;

    fn enter(&self, item: Fid, xattrs: bool) -> io::Result<(Fid, Xattrs)> {
        let xattrs = self.xattrs(&item, xattrs)?;
        Ok((item, xattrs))
    }

    fn list(&self, dir: &Fid) -> io::Result<Listing> {
        Ok(Listing {
            directory: Directory::of(dir)?,
            names: VecDeque::new(),
        })
    }

    fn next(&self, dir: &Fid, listing: &mut Listing) -> io::Result<Vec<Found<Fid>>> {
        let mut found = Vec::new();
        let mut names = Vec::new();
        while names.is_empty() && found.is_empty() {
            if listing.names.is_empty() {
                let batch = listing.directory.next_batch()?;
                if batch.is_empty() {
                    return Ok(found);
                }
                listing.names = batch.into_iter().map(|entry| entry.name).collect();
            }
            let portion = PORTION.min(listing.names.len());
            for name in listing.names.drain(..portion) {
                match &*name {
                    b"." | b".." => {}
                    bad if bad.is_empty() || bad.iter().any(|byte| matches!(byte, b'/' | 0)) => {
                        found.push(Found {
                            name,
                            what: Err(io::Error::other("the server gave a name that is none")),
                        });
                    }
                    _ => names.push(name),
                }
            }
        }
        let looked = dir.lookup_all(&names);
        for (name, looked) in names.into_iter().zip(looked) {
            let what = looked.map(|(fid, attributes)| (fid, meta(&attributes)));
            found.push(Found {
                name,
                what: what.map_err(Into::into),
            });
        }
        Ok(found)
    }

    fn open(&self, item: Fid, xattrs: bool) -> io::Result<(File, Xattrs)> {
        let xattrs = self.xattrs(&item, xattrs)?;
        Ok((item.into_open(LopenFlags::RDONLY)?, xattrs))
    }

    fn read_at(&self, file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(file.read_at(buf, offset)?)
    }

    fn data(&self, _: &File, range: Range<u64>) -> io::Result<Range<u64>> {
        Ok(range)
    }

    fn hides_holes(&self) -> bool {
        true
    }

    fn size_of_file(&self, file: &File) -> io::Result<u64> {
        Ok(file.attributes()?.size)
    }

    fn atime_of_file(&self, file: &File) -> io::Result<Timespec> {
        Ok(time(file.attributes()?.atime))
    }

    fn atime_of_dir(&self, dir: &Fid) -> io::Result<Timespec> {
        Ok(time(dir.attributes()?.atime))
    }

    fn link_text(&self, item: &Fid) -> io::Result<Vec<u8>> {
        Ok(item.readlink()?)
    }
}

impl RemoteSource {
    fn xattrs(&self, fid: &Fid, wanted: bool) -> io::Result<Xattrs> {
        if !wanted || self.no_xattrs.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        let names = match fid.xattrs() {
            Err(error) if error.errno() == Errno::OPNOTSUPP.raw_os_error() => {
                self.no_xattrs.store(true, Ordering::Relaxed);
                return Ok(Vec::new());
            }
            names => names?,
        };
        let mut xattrs = Vec::new();
        for name in names {
            if !is_wanted(&name, self.root) {
                continue;
            }
            match fid.xattr(&name) {
                Ok(value) => xattrs.push((name, value)),
                // It went away in the meantime, or was never there: the server made it up.
                Err(error) if error.errno() == Errno::NODATA.raw_os_error() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(xattrs)
    }
}

/// What the server tells.
pub(crate) fn meta(file: &Attributes) -> Meta {
    Meta {
        kind: FileType::from_raw_mode(file.mode),
        mode: file.mode & 0o7777,
        uid: file.uid,
        gid: file.gid,
        nlink: file.nlink,
        rdev: (rustix::fs::major(file.rdev), rustix::fs::minor(file.rdev)),
        size: file.size,
        sparse: file.blocks < file.size.div_ceil(512),
        atime: time(file.atime),
        mtime: time(file.mtime),
        ctime: time(file.ctime),
        id: (0, file.qid.path),
    }
}

fn time(time: WireTime) -> Timespec {
    Timespec {
        tv_sec: time.sec as i64,
        // Larger numbers have meanings of their own in Linux.
        tv_nsec: time.nsec.min(999_999_999) as i64,
    }
}
