//! What is known of one file system of the host, learnt once for each device.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::fstatfs;

use crate::sys::handle::FileHandle;

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

/// One mounted file system.
#[derive(Debug)]
pub(crate) struct HostFs {
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

    pub(crate) fn new(index: u64, magic: u64) -> Self {
        Self {
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
    pub(crate) fn generation(&self, handle: &FileHandle) -> Option<u64> {
        let at = match (self.magic, handle.kind() & 0xff) {
            (EXT, 1 | 2) | (XFS, 1 | 2) => 4,
            (XFS, 0x81 | 0x82) => 8,
            (BTRFS, 0x4d..=0x4f) => 16,
            _ => return None,
        };
        let bytes = handle.bytes().get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_ne_bytes(bytes).into())
    }
}
