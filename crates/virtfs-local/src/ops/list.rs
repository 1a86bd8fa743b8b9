//! Reading directories: a buffer for each open one, from which lists go on without a call.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{SeekFrom, seek};
use virtfs_vfs::{Cx, DirEntry, Errno, FileKind, Open, Qid};

use crate::LocalFs;
use crate::call::call;
use crate::opened::LocalOpen;
use crate::sync::lock;
use crate::sys::getdents::getdents;

/// How much is read at once, in bytes.
const BUFFER: usize = 32 << 10;
/// How many directories have a buffer between requests; of others what was read is read again.
const KEPT: usize = 1024;
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
    /// What was read ahead is gone.
    stale: bool,
}

/// How many have one.
static BUFFERS: AtomicUsize = AtomicUsize::new(0);

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
    if cookie != listing.cookie || cookie == 0 && listing.begun || listing.stale {
        listing.rewind(cx, fd.as_fd(), cookie)?;
    }
    let listed = listing.go_on(fs, cx, open, fd.as_fd(), take);
    listing.keep_few();
    listed
}

impl Listing {
    fn go_on(
        &mut self,
        fs: &LocalFs,
        cx: &Cx<'_>,
        open: &LocalOpen,
        fd: BorrowedFd<'_>,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<(), Errno> {
        let listing = self;
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
            listing.take_buffer();
            (listing.from, listing.to) = (0, 0);
            listing.to = match call(cx, || getdents(fd, &mut listing.buffer)) {
                // A directory that was removed has ended, says POSIX.
                Err(Errno::ENOENT) => 0,
                result => result?,
            };
            if listing.to == 0 {
                listing.drop_buffer();
                return Ok(());
            }
        }
    }

    fn rewind(&mut self, cx: &Cx<'_>, fd: BorrowedFd<'_>, cookie: u64) -> Result<(), Errno> {
        (self.from, self.to) = (0, 0);
        call(cx, || seek(fd, SeekFrom::Start(cookie)))?;
        (self.begun, self.stale) = (cookie != 0, false);
        self.cookie = cookie;
        Ok(())
    }

    fn take_buffer(&mut self) {
        if self.buffer.is_empty() {
            BUFFERS.fetch_add(1, Ordering::Relaxed);
            self.buffer.resize(BUFFER, 0);
        }
    }

    fn drop_buffer(&mut self) {
        if !self.buffer.is_empty() {
            BUFFERS.fetch_sub(1, Ordering::Relaxed);
            self.buffer = Vec::new();
            (self.from, self.to) = (0, 0);
        }
    }

    /// Gives the buffer up where many have one; a later list reads from its cookie on.
    fn keep_few(&mut self) {
        if !self.buffer.is_empty() && BUFFERS.load(Ordering::Relaxed) > KEPT {
            self.drop_buffer();
            self.stale = true;
        }
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        self.drop_buffer();
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
            b"." => inode.qid_path(),
            // That of the root is the root: what is above is nobody's business.
            b".." => match dir.entry() {
                Some(entry) => entry.parent.inode.qid_path(),
                None => inode.qid_path(),
            },
            name => dir.tree().listed_path(dir, name, self.ino),
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
