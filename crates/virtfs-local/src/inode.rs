//! An inode that clients have reached: what it is, and a descriptor of it or what is left of one.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use rustix::fs::{AtFlags, Statx, StatxFlags, statx};
use rustix::io;
use rustix::path::Arg;
use virtfs_vfs::{FileKind, Qid};

use crate::budget::Holder;
use crate::hostfs::HostFs;
use crate::ownership::Memory;
use crate::proc::ProcFd;
use crate::qid::qid;
use crate::sync::lock;
use crate::sys::handle::{self, FileHandle};
use crate::tree::{LocalNode, Tree};

/// Which inode it is, for as long as something keeps its number from being used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct InodeId {
    mount: u64,
    dev: u64,
    ino: u64,
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

    pub(crate) fn dev(&self) -> u64 {
        self.dev
    }

    /// The inode number, which other files may have on other devices.
    pub(crate) fn ino(&self) -> u64 {
        self.ino
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

/// Shared by all nodes that reached it.
#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) id: InodeId,
    /// What it is on the host.
    pub(crate) host_kind: FileKind,
    /// What the model remembers of it.
    pub(crate) memory: Memory,
    pub(crate) qid_path: u64,
    pub(crate) host: Arc<HostFs>,
    descriptor: Mutex<Descriptor>,
    /// Whether it was used since the sweep last came by.
    used: AtomicBool,
    /// Whether its last name may be gone: then a descriptor is all that keeps it.
    unlinked: AtomicBool,
    /// How many open files of it are parked.
    parked: AtomicUsize,
    generation: OnceLock<Option<u64>>,
    /// The node of a directory, which has only one.
    pub(crate) place: Mutex<Weak<LocalNode>>,
    tree: Arc<Tree>,
}

#[derive(Debug)]
enum Descriptor {
    /// By `O_PATH`.
    Held(Arc<OwnedFd>),
    /// Closed to save descriptors.
    Demoted(Trace),
}

/// What a demoted inode is known again by.
#[derive(Clone, Debug)]
pub(crate) enum Trace {
    /// The kernel's handle, and one that Landlock lets be used.
    Handle {
        plain: FileHandle,
        connectable: Option<FileHandle>,
    },
    /// The time of birth, where the file system has no handles.
    Born(i64, u32),
}

impl Trace {
    fn of(fd: BorrowedFd<'_>, proc: &ProcFd, connectable: bool) -> Option<Self> {
        if let Ok(plain) = handle::of(fd) {
            let connectable = connectable
                .then(|| handle::connectable(proc.as_fd(), ProcFd::name(fd).as_c_str()).ok())
                .flatten();
            return Some(Self::Handle { plain, connectable });
        }
        let stat = look(fd, StatxFlags::BTIME).ok()?;
        let known = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
        known.then_some(Self::Born(stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec))
    }

    fn is_of(&self, fd: BorrowedFd<'_>, proc: &ProcFd) -> bool {
        match (self, Self::of(fd, proc, false)) {
            (Self::Handle { plain, .. }, Some(Self::Handle { plain: other, .. })) => {
                *plain == other
            }
            (Self::Born(sec, nsec), Some(Self::Born(s, n))) => (*sec, *nsec) == (s, n),
            _ => false,
        }
    }
}

impl Inode {
    pub(crate) fn new(
        tree: &Arc<Tree>,
        stat: &Statx,
        host_kind: FileKind,
        memory: Memory,
        fd: OwnedFd,
        host: Arc<HostFs>,
    ) -> Self {
        let id = InodeId::of(stat);
        Self {
            id,
            host_kind,
            memory,
            qid_path: tree.qids.path(host.index, id.ino),
            host,
            descriptor: Mutex::new(Descriptor::Held(Arc::new(fd))),
            used: AtomicBool::new(true),
            unlinked: AtomicBool::new(false),
            parked: AtomicUsize::new(0),
            generation: OnceLock::new(),
            place: Mutex::default(),
            tree: tree.clone(),
        }
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
        self.id == InodeId::of(stat)
            && FileKind::from_mode(stat.stx_mode.into()) == Some(self.host_kind)
    }

    fn can_be_opened_by(&self, trace: &Trace) -> bool {
        let root = self.tree.mount.as_ref();
        matches!(trace, Trace::Handle { .. })
            && root.is_some_and(|(root, _)| root.same_mount(&self.id))
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
        if !self.id.same_inode(&InodeId::of(stat))
            || FileKind::from_mode(stat.stx_mode.into()) != Some(self.host_kind)
        {
            return Err(fd);
        }
        let mut descriptor = lock(&self.descriptor);
        self.used.store(true, Ordering::Relaxed);
        match &*descriptor {
            Descriptor::Held(held) => return Ok(held.clone()),
            Descriptor::Demoted(trace) if trace.is_of(fd.as_fd(), &self.tree.proc) => {}
            Descriptor::Demoted(_) => return Err(fd),
        }
        let fd = Arc::new(fd);
        *descriptor = Descriptor::Held(fd.clone());
        drop(descriptor);
        self.tree.nodes.add(self);
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
        let Some(trace) = Trace::of(fd.as_fd(), &self.tree.proc, self.tree.shut_in) else {
            return false;
        };
        if self.tree.needs_handles && !self.can_be_opened_by(&trace) {
            return false;
        }
        *descriptor = Descriptor::Demoted(trace);
        true
    }
}

impl Inode {
    /// The generation: asked for once, without opening the file.
    pub(crate) fn generation(&self, fd: BorrowedFd<'_>) -> Option<u64> {
        *self
            .generation
            .get_or_init(|| self.host.generation(&handle::of(fd).ok()?))
    }

    /// The qid, at a time when the attributes are these.
    pub(crate) fn qid(&self, stat: &Statx) -> Qid {
        qid(self.kind(), self.qid_path, stat)
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        let held = matches!(&*lock(&self.descriptor), Descriptor::Held(_));
        self.tree.forget_inode(self, held);
    }
}
