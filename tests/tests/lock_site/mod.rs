//! What the suites of locks share.
#![allow(dead_code, reason = "no suite uses all of it")]

pub(crate) mod host;
mod sys;

use std::path::Path;

use virtfs_proto::{LockFlags, LockStatus, LockType, Rmessage, Tgetattr, Tlock};
use virtfs_tests::{Lock, Raw, Reply, Served};

pub(crate) const RD: LockType = LockType::RDLCK;
pub(crate) const WR: LockType = LockType::WRLCK;
pub(crate) const UN: LockType = LockType::UNLCK;
pub(crate) const SUCCESS: Result<LockStatus, u32> = Ok(LockStatus::SUCCESS);
pub(crate) const BLOCKED: Result<LockStatus, u32> = Ok(LockStatus::BLOCKED);

/// The flag of a lock whose process waits for it.
pub(crate) const BLOCK: u32 = 1;

pub(crate) fn lock(kind: LockType, start: u64, length: u64, proc_id: u32) -> Lock<'static> {
    Lock {
        kind,
        start,
        length,
        proc_id,
        client_id: "client",
    }
}

/// An export on this host, of which there can be several servers.
pub(crate) struct Export(tempfile::TempDir);

impl Export {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn serve(&self) -> Served {
        Served::local(self.0.path())
    }
}

/// A session with the file `f` open for reading and writing as fid 1.
pub(crate) fn session(served: &Served) -> Raw {
    let mut client = served.session();
    client.walk(0, 1, &[]).unwrap();
    client.lcreate(1, "f", 2, 0o644).unwrap();
    client
}

/// Opens `f` once more, or for the first time.
pub(crate) fn open(client: &mut Raw, fid: u32) {
    client.walk(0, fid, &["f"]).unwrap();
    client.lopen(fid, 2).unwrap();
}

/// A `Tlock` to send.
pub(crate) fn tlock(fid: u32, lock: Lock<'static>, flags: u32) -> Tlock<'static> {
    Tlock {
        fid,
        kind: lock.kind,
        flags: LockFlags::from_bits_retain(flags),
        start: lock.start,
        length: lock.length,
        proc_id: lock.proc_id,
        client_id: lock.client_id.as_bytes(),
    }
}

/// A request that is answered at once.
pub(crate) fn getattr() -> Tgetattr {
    Tgetattr {
        fid: 0,
        request_mask: virtfs_proto::GetattrMask::BASIC,
    }
}

/// What a `Tlock` was answered.
pub(crate) fn status(reply: &Reply) -> Result<LockStatus, u32> {
    match reply.result()? {
        Rmessage::Lock(lock) => Ok(lock.status),
        other => panic!("Tlock was answered {other:?}"),
    }
}

/// Whether this holds in one round of a few: for what a busy machine can bring out of step.
pub(crate) fn in_some_round(mut round: impl FnMut() -> bool) -> bool {
    (0..8).any(|_| round())
}
