//! Locks on files: open-file-description locks where the file can be written, else `flock`.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io;
use virtfs_vfs::{
    Cx, Errno, FileKind, LockFile, LockHolder, LockKind, LockRange, LockSet, Node, Open,
};

use crate::LocalFs;
use crate::call::{errno, raw};
use crate::sync::lock;
use crate::sys::ofd;
use crate::tree::Tree;

/// Opens a file once more, for the locks of one owner.
pub(crate) fn lock_file(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &Node,
    open: &Open,
) -> Result<Box<dyn LockFile>, Errno> {
    let node = fs.node(node)?;
    // By the open file: it is there though the name may be gone.
    let fd = fs.opened(open)?.fd(cx)?;
    if !fs.tree.opens.make_room() {
        return Err(Errno::ENOLCK);
    }
    if node.inode.host.remote {
        cx.about_to_block();
    }
    let reopen = |how| {
        raw(cx, || {
            let tree = &fs.tree;
            tree.with_room(|| tree.proc.reopen(fd.as_fd(), how))
        })
    };
    if node.inode.kind() == FileKind::Regular && !fs.readonly {
        match reopen(OFlags::RDWR) {
            Ok(fd) => return Ok(Box::new(Ranges(Counted::new(fs, fd)))),
            Err(io::Errno::ACCESS | io::Errno::PERM | io::Errno::ROFS | io::Errno::TXTBSY) => {}
            Err(error) => return Err(errno(error)),
        }
    }
    let fd = reopen(OFlags::RDONLY).map_err(errno)?;
    Ok(Box::new(Whole {
        fd: Counted::new(fs, fd),
        held: Mutex::new(LockKind::Unlock),
    }))
}

/// A descriptor that counts among those of open files. It is never closed before its time: the
/// lock would be gone.
struct Counted {
    fd: OwnedFd,
    tree: Arc<Tree>,
}

impl Counted {
    fn new(fs: &LocalFs, fd: OwnedFd) -> Self {
        fs.tree.opens.count();
        let tree = fs.tree.clone();
        Self { fd, tree }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.tree.opens.remove();
    }
}

/// Byte ranges.
struct Ranges(Counted);

impl LockFile for Ranges {
    fn whole_file_only(&self) -> bool {
        false
    }

    fn set(&self, kind: LockKind, range: LockRange) -> Result<LockSet, Errno> {
        Ok(if taken(ofd::set(self.0.fd.as_fd(), kind, range))? {
            LockSet::Done
        } else {
            LockSet::Refused
        })
    }

    fn test(&self, kind: LockKind, range: LockRange) -> Result<Option<LockHolder>, Errno> {
        if kind == LockKind::Unlock {
            return Ok(None);
        }
        let Some(held) = ofd::get(self.0.fd.as_fd(), kind, range).map_err(errno)? else {
            return Ok(None);
        };
        Ok(Some(LockHolder {
            kind: held.kind,
            range: LockRange::new(held.start, held.length)?,
            pid: u32::try_from(held.pid).ok().filter(|pid| *pid != 0),
        }))
    }
}

/// The file as a whole. The kernel lets go of a lock before it takes one of another kind; if that
/// fails, the old one is taken again, which whoever came between prevents.
struct Whole {
    fd: Counted,
    held: Mutex<LockKind>,
}

impl Whole {
    fn flock(&self, kind: LockKind) -> Result<bool, Errno> {
        let operation = match kind {
            LockKind::Read => FlockOperation::NonBlockingLockShared,
            LockKind::Write => FlockOperation::NonBlockingLockExclusive,
            LockKind::Unlock => FlockOperation::NonBlockingUnlock,
        };
        taken(flock(&self.fd.fd, operation))
    }

    fn change(&self, held: &mut LockKind, kind: LockKind) -> Result<LockSet, Errno> {
        if *held == kind {
            return Ok(LockSet::Done);
        }
        let outcome = self.flock(kind);
        if let Ok(true) = outcome {
            *held = kind;
            return Ok(LockSet::Done);
        }
        if *held == LockKind::Unlock || self.flock(*held) == Ok(true) {
            return outcome.map(|_| LockSet::Refused);
        }
        *held = LockKind::Unlock;
        Ok(LockSet::Lost)
    }
}

impl LockFile for Whole {
    fn whole_file_only(&self) -> bool {
        true
    }

    fn set(&self, kind: LockKind, _range: LockRange) -> Result<LockSet, Errno> {
        self.change(&mut lock(&self.held), kind)
    }

    /// There is no call to ask: an owner that holds nothing takes the lock for a moment. One that
    /// holds it shared does not, for it would have to let go first; it hears of nobody.
    fn test(&self, kind: LockKind, _range: LockRange) -> Result<Option<LockHolder>, Errno> {
        let mut held = lock(&self.held);
        if kind == LockKind::Unlock || *held != LockKind::Unlock {
            return Ok(None);
        }
        let free = self.change(&mut held, kind)? == LockSet::Done;
        let shared = !free && self.change(&mut held, LockKind::Read)? == LockSet::Done;
        let _ = self.change(&mut held, LockKind::Unlock)?;
        Ok((!free).then_some(LockHolder {
            kind: if shared {
                LockKind::Read
            } else {
                LockKind::Write
            },
            range: LockRange::WHOLE,
            pid: None,
        }))
    }
}

fn taken(result: io::Result<()>) -> Result<bool, Errno> {
    match result {
        Ok(()) => Ok(true),
        Err(io::Errno::AGAIN | io::Errno::ACCESS) => Ok(false),
        Err(error) => Err(errno(error)),
    }
}
