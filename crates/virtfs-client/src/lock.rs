//! Locks on ranges of bytes.

use virtfs_proto::{Tgetlock, Tlock};

use crate::connection::{Batch, Connection, fields};
use crate::{File, LockFlags, LockStatus, LockType, Result};

/// A lock on a range of bytes, and whose it is. A process is known by `client_id` and `proc_id`
/// together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Shared, exclusive, or none: release it.
    pub kind: LockType,
    /// The first byte.
    pub start: u64,
    /// The number of bytes; 0 for all to the end.
    pub length: u64,
    /// The process, as the client numbers it.
    pub proc_id: u32,
    /// The client's name for itself.
    pub client_id: Vec<u8>,
    /// How to lock.
    pub flags: LockFlags,
}

impl File {
    /// Takes or releases a lock (`Tlock`).
    ///
    /// [`LockStatus::BLOCKED`] means that another's lock is in the way, and to try again; with
    /// [`LockFlags::BLOCK`] the server may wait a while before it says so.
    pub fn lock(&self, lock: &Lock) -> Result<LockStatus> {
        let reply = self.handle().call(lock.message(self.number()))?;
        Ok(fields!(reply, Lock)?.status)
    }

    /// The lock that is in the way of this one; of kind [`LockType::UNLCK`] if there is none
    /// (`Tgetlock`).
    pub fn test_lock(&self, lock: &Lock) -> Result<Lock> {
        let message = Tgetlock {
            fid: self.number(),
            kind: lock.kind,
            start: lock.start,
            length: lock.length,
            proc_id: lock.proc_id,
            client_id: &lock.client_id,
        };
        let reply = self.handle().call(message)?;
        let found = fields!(reply, Getlock)?;
        Ok(Lock {
            kind: found.kind,
            start: found.start,
            length: found.length,
            proc_id: found.proc_id,
            client_id: found.client_id.to_vec(),
            flags: LockFlags::empty(),
        })
    }
}

/// Sends lock requests together, then awaits them: as many [`File::lock`]s in about one round trip
/// for each connection's files in a row.
pub fn lock_all(requests: &[(&File, &Lock)]) -> Vec<Result<LockStatus>> {
    let mut results = Vec::with_capacity(requests.len());
    let one_client = |a: &(&File, &Lock), b: &(&File, &Lock)| a.0.client().is(b.0.client());
    for same in requests.chunk_by(one_client) {
        for portion in same.chunks(Connection::PORTION) {
            results.extend(lock_portion(portion));
        }
    }
    results
}

fn lock_portion(requests: &[(&File, &Lock)]) -> Vec<Result<LockStatus>> {
    let Some((first, _)) = requests.first() else {
        return Vec::new();
    };
    let mut batch = Batch::new(first.handle().connection());
    let pushed: Vec<_> = requests
        .iter()
        .map(|(file, lock)| batch.push(lock.message(file.number())))
        .collect();
    match batch.send() {
        Err(error) => pushed.iter().map(|_| Err(error.clone())).collect(),
        Ok(mut sent) => pushed
            .into_iter()
            .map(|pushed| {
                pushed?;
                Ok(fields!(sent.next()?, Lock)?.status)
            })
            .collect(),
    }
}

impl Lock {
    fn message(&self, fid: u32) -> Tlock<'_> {
        Tlock {
            fid,
            kind: self.kind,
            flags: self.flags,
            start: self.start,
            length: self.length,
            proc_id: self.proc_id,
            client_id: &self.client_id,
        }
    }
}
