//! What a request does to fids, and what may answer it.

use virtfs_proto::{NOFID, Tmessage};

/// What the connection must know of a request that is on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expect {
    /// The request's type byte; its reply's is one more.
    pub(super) kind: u8,
    /// The longest reply in bytes. No correct reply to this request is longer.
    pub(super) limit: u32,
    /// The fids it names, `NOFID` where there is none.
    pub(super) names: [u32; 2],
    /// The fid it makes if it succeeds.
    pub(super) makes: u32,
    /// The fid that is gone when it is answered.
    pub(super) ends: u32,
}

/// Longer than any reply that has neither a string nor a payload.
const FIXED: u32 = 256;

/// A reply with one string: fixed fields and the longest string.
const STRING: u32 = FIXED + 65_535;

impl Expect {
    pub(super) fn of(message: &Tmessage<'_>) -> Expect {
        use Tmessage as T;
        let (fid, second) = match message {
            T::Attach(m) => (m.fid, NOFID),
            T::Walk(m) => (m.fid, m.newfid),
            T::Read(m) => (m.fid, NOFID),
            T::Write(m) => (m.fid, NOFID),
            T::Clunk(m) => (m.fid, NOFID),
            T::Remove(m) => (m.fid, NOFID),
            T::Statfs(m) => (m.fid, NOFID),
            T::Lopen(m) => (m.fid, NOFID),
            T::Lcreate(m) => (m.fid, NOFID),
            T::Symlink(m) => (m.dfid, NOFID),
            T::Mknod(m) => (m.dfid, NOFID),
            T::Rename(m) => (m.fid, m.dfid),
            T::Readlink(m) => (m.fid, NOFID),
            T::Getattr(m) => (m.fid, NOFID),
            T::Setattr(m) => (m.fid, NOFID),
            T::Xattrwalk(m) => (m.fid, m.newfid),
            T::Xattrcreate(m) => (m.fid, NOFID),
            T::Readdir(m) => (m.fid, NOFID),
            T::Fsync(m) => (m.fid, NOFID),
            T::Lock(m) => (m.fid, NOFID),
            T::Getlock(m) => (m.fid, NOFID),
            T::Link(m) => (m.dfid, m.fid),
            T::Mkdir(m) => (m.dfid, NOFID),
            T::Renameat(m) => (m.olddirfid, m.newdirfid),
            T::Unlinkat(m) => (m.dirfid, NOFID),
            // Not of this dialect, or sent by the connection itself.
            _ => (NOFID, NOFID),
        };
        Expect {
            kind: message.kind(),
            limit: limit(message),
            names: [fid, second],
            makes: match message {
                T::Attach(_) => fid,
                T::Walk(_) | T::Xattrwalk(_) => second,
                _ => NOFID,
            },
            ends: match message {
                T::Clunk(_) | T::Remove(_) => fid,
                _ => NOFID,
            },
        }
    }
}

fn limit(message: &Tmessage<'_>) -> u32 {
    match message {
        Tmessage::Read(read) => read.count.saturating_add(11),
        Tmessage::Readdir(readdir) => readdir.count.saturating_add(11),
        // Exactly this much if the whole way was walked.
        Tmessage::Walk(walk) => {
            9 + 13 * u32::try_from(walk.names.len()).unwrap_or(u32::from(u16::MAX))
        }
        Tmessage::Readlink(_) | Tmessage::Getlock(_) | Tmessage::Version(_) => STRING,
        _ => FIXED,
    }
}
