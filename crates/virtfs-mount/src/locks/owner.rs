//! Who holds a lock, in the kernel's words and in 9P's.
//!
//! The kernel knows owners by 64-bit numbers; the server by a client's name and a process. So each
//! owner becomes a client of its own, and the process says only whom to show.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use virtfs_client::{Lock, LockFlags, LockType};

use crate::fuse::{LockIn, LockKind};
use crate::tree::LockOwner;

/// The end of a file, as the last byte of a range (`OFFSET_MAX`).
const END: u64 = i64::MAX as u64;

/// What this mount's names as a client begin with.
#[derive(Debug)]
pub(crate) struct ClientId(String);

impl ClientId {
    /// A name that no other mount of any host has.
    pub(crate) fn new() -> Self {
        static MOUNTS: AtomicU64 = AtomicU64::new(0);
        let host = rustix::system::uname();
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(format!(
            "{}:{}:{:x}:{}:",
            host.nodename().to_string_lossy(),
            process::id(),
            since.as_nanos(),
            MOUNTS.fetch_add(1, Ordering::Relaxed),
        ))
    }

    /// An owner's lock on a range, which ends with the byte `end`.
    pub(crate) fn lock(&self, owner: &LockOwner, kind: LockKind, start: u64, end: u64) -> Lock {
        let sort = if owner.flock { "flock" } else { "posix" };
        Lock {
            kind: match kind {
                LockKind::Read => LockType::RDLCK,
                LockKind::Write => LockType::WRLCK,
                LockKind::Unlock => LockType::UNLCK,
            },
            start,
            length: if end >= END {
                0
            } else {
                end.saturating_sub(start).saturating_add(1)
            },
            proc_id: owner.proc_id,
            client_id: format!("{}{:016x}:{sort}", self.0, owner.id).into_bytes(),
            flags: LockFlags::empty(),
        }
    }

    /// The release of everything an owner has of a file.
    pub(crate) fn release(&self, owner: &LockOwner) -> Lock {
        self.lock(owner, LockKind::Unlock, 0, END)
    }

    /// A lock that the server found, for the kernel: kind, first byte, last byte, process. The
    /// process is 0 if it is not of this mount: its number would mean another here.
    pub(crate) fn found(&self, lock: &Lock) -> (LockKind, u64, u64, u32) {
        let kind = match lock.kind {
            LockType::RDLCK => LockKind::Read,
            LockType::WRLCK => LockKind::Write,
            _ => LockKind::Unlock,
        };
        let start = lock.start.min(END);
        let end = match lock.length {
            0 => END,
            length => start.saturating_add(length - 1).min(END),
        };
        let ours = lock.client_id.starts_with(self.0.as_bytes());
        (kind, start, end, if ours { lock.proc_id } else { 0 })
    }
}

/// The owner that a request is about, if it has not asked before.
impl From<&LockIn> for LockOwner {
    fn from(lock: &LockIn) -> Self {
        Self {
            id: lock.owner,
            flock: lock.flock,
            proc_id: lock.pid,
            fh: lock.fh,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: LockOwner = LockOwner {
        id: 0xabc,
        flock: false,
        proc_id: 5,
        fh: 1,
    };

    #[test]
    fn ranges_survive_the_way_to_the_server_and_back() {
        let id = ClientId::new();
        for (start, end) in [(0, 0), (0, END), (7, 9), (END, END), (5, END - 1)] {
            let lock = id.lock(&OWNER, LockKind::Read, start, end);
            assert_eq!(id.found(&lock), (LockKind::Read, start, end, 5));
        }
        assert_eq!(id.lock(&OWNER, LockKind::Write, 3, END).length, 0);
    }

    #[test]
    fn each_owner_is_another_client_and_strangers_have_no_process() {
        let id = ClientId::new();
        let flock = LockOwner {
            flock: true,
            ..OWNER
        };
        let other = LockOwner { id: 0xabd, ..OWNER };
        let name = |owner| id.release(owner).client_id;
        assert_ne!(name(&OWNER), name(&flock));
        assert_ne!(name(&OWNER), name(&other));
        let stranger = ClientId::new().lock(&OWNER, LockKind::Write, 0, 4);
        assert_eq!(id.found(&stranger), (LockKind::Write, 0, 4, 0));
    }
}
