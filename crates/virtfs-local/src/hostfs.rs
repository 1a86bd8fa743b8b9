//! What is known of one file system of the host, learnt once for each device.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use rustc_hash::FxHashMap;
use rustix::fs::fstatfs;
use virtfs_vfs::Errno;

use crate::inode::InodeId;
use crate::options::{Multidevs, Options};
use crate::sync::lock;
use crate::sys::handle::FileHandle;
use crate::tree::Tree;

const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;
const EXT: u64 = 0xef53;
const XFS: u64 = 0x5846_5342;
const BTRFS: u64 = 0x9123_683e;

/// File systems whose every call may go to another machine or process and never come back.
const REMOTE: [u64; 16] = [
    0x6573_5546, // FUSE
    0x6969,      // NFS
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB2
    0x517b,      // SMB
    0x0102_1997, // 9P
    0x00c3_6400, // Ceph
    0x5346_414f, // AFS
    0x6b41_4653, // kAFS
    0x7375_7245, // Coda
    0x0187,      // autofs
    0x7461_636f, // OCFS2
    0x0116_1970, // GFS2
    0x0bd0_0bd0, // Lustre
    0x4750_4653, // GPFS
    0x786f_4256, // VirtualBox
];

/// One mounted file system: what is the same for all of its inodes is here, once.
#[derive(Debug)]
pub(crate) struct HostFs {
    /// The export that it was met in.
    pub(crate) tree: Arc<Tree>,
    pub(crate) mount: u64,
    pub(crate) dev: u64,
    /// Its place among the devices of the export, by which `qid.path` tells them apart; the
    /// root's is 0.
    pub(crate) index: u64,
    /// The magic number of its type (`f_type`); 0 if not known.
    pub(crate) magic: u64,
    /// Whether any call may wait for somebody else.
    pub(crate) remote: bool,
    /// Whether everything lies in memory: no read sleeps.
    pub(crate) in_memory: bool,
    no_nowait: AtomicBool,
}

impl HostFs {
    /// The magic number of the file system that a descriptor is on; 0 if it does not tell.
    pub(crate) fn magic(fd: BorrowedFd<'_>) -> u64 {
        fstatfs(fd).map_or(0, |s| (s.f_type as u64) & 0xffff_ffff)
    }

    fn new(tree: Arc<Tree>, id: InodeId, index: u64, magic: u64) -> Self {
        Self {
            tree,
            mount: id.mount,
            dev: id.dev,
            index,
            magic,
            remote: REMOTE.contains(&magic),
            in_memory: matches!(magic, TMPFS | RAMFS),
            no_nowait: AtomicBool::new(false),
        }
    }

    /// Whether reads can be tried with `RWF_NOWAIT`.
    pub(crate) fn nowait(&self) -> bool {
        !self.remote && !self.in_memory && !self.no_nowait.load(Ordering::Relaxed)
    }

    /// Remembers that they cannot.
    pub(crate) fn nowait_refused(&self) {
        self.no_nowait.store(true, Ordering::Relaxed);
    }

    /// The generation inside a handle, where the layout of the handle is known.
    pub(crate) fn generation(&self, handle: &FileHandle) -> Option<u32> {
        let at = match (self.magic, handle.kind() & 0xff) {
            (EXT, 1 | 2) | (XFS, 1 | 2) => 4,
            (XFS, 0x81 | 0x82) => 8,
            (BTRFS, 0x4d..=0x4f) => 16,
            _ => return None,
        };
        let bytes = handle.bytes().get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_ne_bytes(bytes))
    }
}

/// The file systems that were met in an export.
#[derive(Debug)]
pub(crate) struct Hosts {
    met: Mutex<Met>,
    /// Whether a file of another device than the root's was met.
    spans: AtomicBool,
    multidevs: Multidevs,
    on_other_device: Option<fn()>,
}

#[derive(Debug, Default)]
struct Met {
    /// The indices of devices.
    indices: FxHashMap<u64, u64>,
    /// By mount and device, for as long as there are inodes of them.
    mounts: FxHashMap<(u64, u64), Weak<HostFs>>,
}

impl Hosts {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            met: Mutex::default(),
            spans: AtomicBool::new(false),
            multidevs: options.multidevs,
            on_other_device: options.on_other_device,
        }
    }

    /// Whether there is more than one device.
    pub(crate) fn spans(&self) -> bool {
        self.spans.load(Ordering::Relaxed)
    }

    /// That of an inode which a descriptor stands for. `ENODEV` for other devices than the root's
    /// if they are forbidden.
    pub(crate) fn of(
        &self,
        tree: &Arc<Tree>,
        id: InodeId,
        fd: BorrowedFd<'_>,
    ) -> Result<Arc<HostFs>, Errno> {
        let known = |met: &Met| met.mounts.get(&(id.mount, id.dev)).and_then(Weak::upgrade);
        if let Some(host) = known(&lock(&self.met)) {
            return Ok(host);
        }
        let magic = HostFs::magic(fd);
        let mut met = lock(&self.met);
        if let Some(host) = known(&met) {
            return Ok(host); // Another request was quicker.
        }
        let next = met.indices.len() as u64;
        let first = next == 0;
        let new = !met.indices.contains_key(&id.dev);
        // Nothing of it gets a number.
        if new && !first && self.multidevs == Multidevs::Forbid {
            return Err(Errno::ENODEV);
        }
        let number = *met.indices.entry(id.dev).or_insert(next);
        let index = match self.multidevs {
            Multidevs::Warn => 0,
            Multidevs::Remap | Multidevs::Forbid => number,
        };
        let host = Arc::new(HostFs::new(tree.clone(), id, index, magic));
        met.mounts.retain(|_, host| host.strong_count() > 0);
        let mount = (id.mount, id.dev);
        met.mounts.insert(mount, Arc::downgrade(&host));
        drop(met);
        if new
            && !first
            && !self.spans.swap(true, Ordering::Relaxed)
            && self.multidevs == Multidevs::Warn
            && let Some(warn) = self.on_other_device
        {
            warn();
        }
        Ok(host)
    }
}
