//! Reading directories: a buffer for each open one, from which lists go on without a call.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{SeekFrom, seek};
use virtfs_vfs::{Cx, DirEntry, Errno, FileKind, Open, Qid};

use crate::LocalFs;
use crate::call::call;
use crate::opened::LocalOpen;
use crate::sync::lock;
use crate::sys::getdents::getdents;

/// How much is read at once, in bytes.
const BUFFER: usize = 32 << 10;
/// Where the name begins in a `struct linux_dirent64`.
const NAME: usize = 19;

/// How far an open directory has been read.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    buffer: Vec<u8>,
    /// What of the buffer has not been taken.
    from: usize,
    to: usize,
    /// The cookie behind which the buffer goes on.
    cookie: u64,
    /// Whether anything was read since the start.
    begun: bool,
}

/// `Treaddir`.
pub(crate) fn list(
    fs: &LocalFs,
    cx: &Cx<'_>,
    open: &Open,
    cookie: u64,
    take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
) -> Result<(), Errno> {
    let open = fs.opened(open)?;
    if open.node.inode.kind() != FileKind::Directory {
        return Err(Errno::ENOTDIR);
    }
    if open.node.inode.host.remote {
        cx.about_to_block();
    }
    let fd = open.fd(cx)?;
    let mut listing = lock(&open.listing);
    let listing = &mut *listing;
    if cookie != listing.cookie || cookie == 0 && listing.begun {
        listing.rewind(cx, fd.as_fd(), cookie)?;
    }
    let tells_kinds = fs.model().keeps_kinds();
    let mut took = false;
    loop {
        while let Some(entry) = Raw::first(&listing.buffer, listing.from, listing.to) {
            let hidden = fs.model().is_reserved(entry.name);
            if !hidden && !take(&entry.dir_entry(open, tells_kinds)) {
                return Ok(());
            }
            (listing.from, listing.cookie) = (entry.end, entry.next);
            took = true;
        }
        if cx.interrupted() {
            return if took { Ok(()) } else { Err(Errno::EINTR) };
        }
        listing.begun = true;
        listing.buffer.resize(BUFFER, 0);
        listing.from = 0;
        listing.to = match call(cx, || getdents(fd.as_fd(), &mut listing.buffer)) {
            // A directory that was removed has ended, says POSIX.
            Err(Errno::ENOENT) => 0,
            result => result?,
        };
        if listing.to == 0 {
            listing.buffer = Vec::new();
            return Ok(());
        }
    }
}

impl Listing {
    fn rewind(&mut self, cx: &Cx<'_>, fd: BorrowedFd<'_>, cookie: u64) -> Result<(), Errno> {
        (self.from, self.to) = (0, 0);
        call(cx, || seek(fd, SeekFrom::Start(cookie)))?;
        self.begun = cookie != 0;
        self.cookie = cookie;
        Ok(())
    }
}

/// A `struct linux_dirent64`.
struct Raw<'a> {
    ino: u64,
    next: u64,
    kind: u8,
    name: &'a [u8],
    /// Where the next one begins in the buffer.
    end: usize,
}

impl<'a> Raw<'a> {
    /// The first entry between two offsets.
    fn first(buffer: &'a [u8], from: usize, to: usize) -> Option<Self> {
        let bytes = buffer.get(from..to)?;
        let u64_at = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let length = u16::from_ne_bytes(bytes.get(16..18)?.try_into().ok()?).into();
        let name = bytes.get(NAME..length)?;
        Some(Self {
            ino: u64_at(0)?,
            next: u64_at(8)?,
            kind: *bytes.get(18)?,
            name: name.split(|b| *b == 0).next()?,
            end: from + length,
        })
    }

    fn dir_entry(&self, open: &LocalOpen, tells_kinds: bool) -> DirEntry<'a> {
        let dir = &open.node;
        let inode = &dir.inode;
        let path = match self.name {
            b"." => inode.qid_path,
            // That of the root is the root: what is above is nobody's business.
            b".." => match dir.entry() {
                Some(entry) => entry.parent.inode.qid_path,
                None => inode.qid_path,
            },
            name => dir.tree.listed_path(dir, name, self.ino),
        };
        // What a regular file is to clients cannot be told without a call for each.
        let host = FileKind::from_mode(u32::from(self.kind) << 12);
        let told = tells_kinds || host != Some(FileKind::Regular);
        DirEntry {
            qid: Qid {
                kind: host.filter(|_| told),
                version: 0,
                path,
            },
            next: self.next,
            kind: if tells_kinds { self.kind } else { 0 },
            name: self.name,
        }
    }
}
