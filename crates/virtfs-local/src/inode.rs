//! An inode that clients have reached: what it is, and a descriptor of it or what is left of one.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{AtFlags, Statx, StatxFlags, statx};
use rustix::io;
use rustix::path::Arg;
use virtfs_vfs::{FileKind, Qid};

use crate::budget::Holder;
use crate::directory::Directory;
use crate::hostfs::HostFs;
use crate::ownership::Memory;
use crate::qid::qid;
use crate::sync::lock;
use crate::sys::handle;
use crate::trace::Trace;
use crate::tree::Tree;

/// Which inode it is, for as long as something keeps its number from being used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct InodeId {
    pub(crate) mount: u64,
    pub(crate) dev: u64,
    /// The inode number, which other files may have on other devices.
    pub(crate) ino: u64,
}

/// The attributes that every look at a file asks for.
pub(crate) const LOOK: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);

impl InodeId {
    pub(crate) fn of(stat: &Statx) -> Self {
        Self {
            mount: stat.stx_mnt_id,
            dev: u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor),
            ino: stat.stx_ino,
        }
    }

    /// Whether both are on one mount.
    pub(crate) fn same_mount(&self, other: &Self) -> bool {
        self.mount == other.mount
    }

    fn same_inode(&self, other: &Self) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }
}

/// The attributes of what a descriptor stands for.
pub(crate) fn look(fd: BorrowedFd<'_>, want: StatxFlags) -> io::Result<Statx> {
    statx(fd, c"", AtFlags::EMPTY_PATH, want)
}

/// The attributes of an entry; a symbolic link's own.
pub(crate) fn look_at(dir: BorrowedFd<'_>, name: impl Arg) -> io::Result<Statx> {
    look_at_for(dir, name, LOOK)
}

/// As [`look_at`], of these attributes.
pub(crate) fn look_at_for(
    dir: BorrowedFd<'_>,
    name: impl Arg,
    want: StatxFlags,
) -> io::Result<Statx> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    statx(dir, name, flags, want)
}

/// Shared by all nodes that reached it. There may be a million, each with a fid of its own: 88
/// bytes.
#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) ino: u64,
    pub(crate) host: Arc<HostFs>,
    /// What it is on the host.
    pub(crate) host_kind: FileKind,
    /// What the model remembers of it.
    pub(crate) memory: Memory,
    /// What a directory has more.
    pub(crate) dir: Option<Box<Directory>>,
    descriptor: Mutex<Descriptor>,
    /// Whether it was used since the sweep last came by.
    used: AtomicBool,
    /// Whether its last name may be gone: then a descriptor is all that keeps it.
    unlinked: AtomicBool,
    /// How many open files of it are parked.
    parked: AtomicU32,
    /// [`UNASKED`], [`UNKNOWN`] or [`KNOWN`].
    asked: AtomicU8,
    generation: AtomicU32,
}

/// The generation has not been asked for.
const UNASKED: u8 = 0;
/// Nobody tells it.
const UNKNOWN: u8 = 1;
const KNOWN: u8 = 2;

#[derive(Debug)]
enum Descriptor {
    /// By `O_PATH`.
    Held(Arc<OwnedFd>),
    /// Closed to save descriptors.
    Demoted(Trace),
}

impl Inode {
    pub(crate) fn new(
        host: Arc<HostFs>,
        ino: u64,
        host_kind: FileKind,
        memory: Memory,
        fd: OwnedFd,
    ) -> Self {
        let directory = host_kind == FileKind::Directory;
        Self {
            ino,
            host,
            host_kind,
            memory,
            dir: directory.then(Box::default),
            descriptor: Mutex::new(Descriptor::Held(Arc::new(fd))),
            used: AtomicBool::new(true),
            unlinked: AtomicBool::new(false),
            parked: AtomicU32::new(0),
            asked: AtomicU8::new(UNASKED),
            generation: AtomicU32::new(0),
        }
    }

    pub(crate) fn id(&self) -> InodeId {
        InodeId {
            mount: self.host.mount,
            dev: self.host.dev,
            ino: self.ino,
        }
    }

    pub(crate) fn tree(&self) -> &Arc<Tree> {
        &self.host.tree
    }

    /// The path of its qids.
    pub(crate) fn qid_path(&self) -> u64 {
        self.tree().qids.path(self.host.index, self.ino)
    }

    /// What it is to clients.
    pub(crate) fn kind(&self) -> FileKind {
        self.memory.kind()
    }

    /// The descriptor, unless it was closed.
    pub(crate) fn held(&self) -> Option<Arc<OwnedFd>> {
        match &*lock(&self.descriptor) {
            Descriptor::Held(fd) => {
                self.used.store(true, Ordering::Relaxed);
                Some(fd.clone())
            }
            Descriptor::Demoted(_) => None,
        }
    }

    /// Whether a look at some place saw this inode. Numbers are believed only while a descriptor
    /// keeps them from being used again.
    pub(crate) fn is_at(&self, stat: &Statx) -> bool {
        self.id() == InodeId::of(stat)
            && FileKind::from_mode(stat.stx_mode.into()) == Some(self.host_kind)
    }

    fn can_be_opened_by(&self, trace: &Trace) -> bool {
        let root = self.tree().mount.as_ref();
        matches!(trace, Trace::Handles(_))
            && root.is_some_and(|(root, _)| root.same_mount(&self.id()))
    }

    /// What is left of a closed descriptor.
    pub(crate) fn trace(&self) -> Option<Trace> {
        match &*lock(&self.descriptor) {
            Descriptor::Held(_) => None,
            Descriptor::Demoted(trace) => Some(trace.clone()),
        }
    }

    /// Takes a descriptor (whose attributes are `stat`) for its own if it is of this inode; gives
    /// the one to use from now on, or `fd` back if it is of another.
    pub(crate) fn adopt(
        self: &Arc<Self>,
        fd: OwnedFd,
        stat: &Statx,
    ) -> Result<Arc<OwnedFd>, OwnedFd> {
        // The mount may differ: a handle may be opened by another bind mount.
        if !self.id().same_inode(&InodeId::of(stat))
            || FileKind::from_mode(stat.stx_mode.into()) != Some(self.host_kind)
        {
            return Err(fd);
        }
        let mut descriptor = lock(&self.descriptor);
        self.used.store(true, Ordering::Relaxed);
        match &*descriptor {
            Descriptor::Held(held) => return Ok(held.clone()),
            Descriptor::Demoted(trace) if trace.is_of(fd.as_fd(), &self.tree().proc) => {}
            Descriptor::Demoted(_) => return Err(fd),
        }
        let fd = Arc::new(fd);
        *descriptor = Descriptor::Held(fd.clone());
        drop(descriptor);
        self.tree().nodes.add(self);
        Ok(fd)
    }

    /// Tells that a name of it is about to go, or that it will have several; whether that was
    /// known before. From now on its descriptor is kept, and no open file of it is parked.
    pub(crate) fn losing_a_name(&self) -> bool {
        self.unlinked.swap(true, Ordering::SeqCst)
    }

    /// Takes that back: the name stayed.
    pub(crate) fn kept_its_name(&self) {
        self.unlinked.store(false, Ordering::SeqCst);
    }

    /// Whether open files of it are parked: only its descriptor leads back to them.
    pub(crate) fn has_parked(&self) -> bool {
        self.parked.load(Ordering::SeqCst) > 0
    }

    /// Counts an open file that is to be parked, unless its name may go.
    pub(crate) fn park(&self) -> bool {
        self.parked.fetch_add(1, Ordering::SeqCst);
        let stays = !self.unlinked.load(Ordering::SeqCst);
        if !stays {
            self.unpark();
        }
        stays
    }

    /// Counts one less.
    pub(crate) fn unpark(&self) {
        self.parked.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Holder for Inode {
    fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    /// One whose name was removed is let go only at any cost, and never while it leads to parked
    /// files.
    fn let_go(&self, at_any_cost: bool) -> bool {
        let unlinked = self.unlinked.load(Ordering::SeqCst);
        if unlinked && (!at_any_cost || self.has_parked()) {
            return false;
        }
        let Ok(mut descriptor) = self.descriptor.try_lock() else {
            return false;
        };
        let Descriptor::Held(fd) = &*descriptor else {
            return false;
        };
        if Arc::strong_count(fd) > 1 {
            return false;
        }
        let Some(trace) = Trace::of(fd.as_fd(), &self.tree().proc, self.tree().shut_in) else {
            return false;
        };
        if self.tree().needs_handles && !self.can_be_opened_by(&trace) {
            return false;
        }
        *descriptor = Descriptor::Demoted(trace);
        true
    }
}

impl Inode {
    /// The generation: asked for once, without opening the file.
    pub(crate) fn generation(&self, fd: BorrowedFd<'_>) -> Option<u64> {
        if self.asked.load(Ordering::Acquire) == UNASKED {
            let told = handle::of(fd).ok();
            let told = told.and_then(|handle| self.host.generation(&handle));
            if let Some(generation) = told {
                self.generation.store(generation, Ordering::Relaxed);
            }
            let state = if told.is_some() { KNOWN } else { UNKNOWN };
            // Who else asks now is told the same.
            self.asked.store(state, Ordering::Release);
        }
        (self.asked.load(Ordering::Acquire) == KNOWN)
            .then(|| self.generation.load(Ordering::Relaxed).into())
    }

    /// The qid, at a time when the attributes are these.
    pub(crate) fn qid(&self, stat: &Statx) -> Qid {
        qid(self.kind(), self.qid_path(), stat)
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        let held = matches!(&*lock(&self.descriptor), Descriptor::Held(_));
        self.tree().forget_inode(self, held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inode_fits_its_memory() {
        assert!(size_of::<Inode>() <= 88, "{}", size_of::<Inode>());
    }
}
