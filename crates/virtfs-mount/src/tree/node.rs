//! A file that the kernel knows.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use virtfs_client::{Attributes, Fid, Qid, QidType, Timespec};

use super::cached::{Cached, Version};
use crate::sync::lock;

/// How many users' fids of one directory are kept.
const MAKERS: usize = 8;

/// A file that the kernel knows by a number.
#[derive(Debug)]
pub(crate) struct Node {
    /// The kernel's number for it.
    pub(crate) id: u64,
    /// What makes it the same file for the server.
    pub(crate) file: FileKey,
    state: Mutex<State>,
}

/// Equal for two fids of a mount if they are of the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileKey {
    path: u64,
    kind: QidType,
}

impl From<Qid> for FileKey {
    fn from(qid: Qid) -> Self {
        Self {
            path: qid.path,
            kind: qid.kind,
        }
    }
}

#[derive(Debug)]
struct State {
    fid: Arc<Fid>,
    seen: Seen,
    cached: Option<Cached>,
    lock_owners: Vec<LockOwner>,
    /// Fids of this directory by users who made something in it, the latest last.
    makers: Vec<(u32, Arc<Fid>)>,
    /// Whether this directory has a default ACL, and when that was asked.
    default_acl: Option<(Instant, bool)>,
}

/// What a server said of a file, as far as it is needed again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) mode: u32,
    pub(crate) gid: u32,
    size: u64,
    mtime: Timespec,
}

impl From<&Attributes> for Seen {
    fn from(attributes: &Attributes) -> Self {
        Self {
            mode: attributes.mode,
            gid: attributes.gid,
            size: attributes.size,
            mtime: attributes.mtime,
        }
    }
}

/// Somebody who asked for a lock on a file through this mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockOwner {
    /// The kernel's number: a table of open files, or an open file.
    pub(crate) id: u64,
    /// From flock(2).
    pub(crate) flock: bool,
    /// The process that asked first. One owner has one number for the server, though an open file
    /// may be passed on to other processes.
    pub(crate) proc_id: u32,
    /// The open file through which it asked last.
    pub(crate) fh: u64,
}

impl Node {
    pub(super) fn new(id: u64, fid: Fid, attributes: &Attributes) -> Self {
        Self {
            id,
            file: fid.qid().into(),
            state: Mutex::new(State {
                fid: Arc::new(fid),
                seen: attributes.into(),
                cached: None,
                lock_owners: Vec::new(),
                makers: Vec::new(),
                default_acl: None,
            }),
        }
    }

    /// The mount's own fid of it.
    pub(crate) fn fid(&self) -> Arc<Fid> {
        lock(&self.state).fid.clone()
    }

    /// Takes a fid that was walked just now, for servers whose fids go by path. Gives back the one
    /// that is not needed, to be dropped where no lock is held.
    pub(super) fn renew(&self, fid: Fid) -> Arc<Fid> {
        std::mem::replace(&mut lock(&self.state).fid, Arc::new(fid))
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.file.kind.contains(QidType::DIR)
    }

    /// Remembers what the server has just said of it.
    pub(crate) fn saw(&self, attributes: &Attributes) {
        lock(&self.state).seen = attributes.into();
    }

    /// What the server said last.
    pub(crate) fn seen(&self) -> Seen {
        lock(&self.state).seen
    }

    /// It was opened: whether the kernel may keep its pages.
    pub(crate) fn opened(&self, qid: Qid) -> bool {
        let mut state = lock(&self.state);
        let version = Version {
            qid: qid.version,
            size: state.seen.size,
            mtime: state.seen.mtime,
        };
        let (cached, keep) = Cached::opened(state.cached, version, Instant::now());
        state.cached = Some(cached);
        keep
    }

    /// The kept fid of a user, if there is one.
    pub(crate) fn maker(&self, uid: u32) -> Option<Arc<Fid>> {
        let makers = &mut lock(&self.state).makers;
        let at = makers.iter().position(|(of, _)| *of == uid)?;
        makers[at..].rotate_left(1);
        makers.last().map(|(_, fid)| fid.clone())
    }

    /// Keeps a user's fid.
    pub(crate) fn keep_maker(&self, uid: u32, fid: Arc<Fid>) {
        let makers = &mut lock(&self.state).makers;
        if makers.len() >= MAKERS {
            makers.remove(0);
        }
        makers.push((uid, fid));
    }

    /// Drops the kept fid of a user.
    pub(crate) fn drop_maker(&self, uid: u32) {
        let makers = &mut lock(&self.state).makers;
        makers.retain(|(of, _)| *of != uid);
    }

    /// Whether it has a default ACL, if that was asked within `age`.
    pub(crate) fn default_acl(&self, age: Duration) -> Option<bool> {
        let (asked, has) = lock(&self.state).default_acl?;
        (asked.elapsed() < age).then_some(has)
    }

    /// Remembers whether it has a default ACL; `None`: that is to be asked again.
    pub(crate) fn set_default_acl(&self, has: Option<bool>) {
        lock(&self.state).default_acl = has.map(|has| (Instant::now(), has));
    }

    /// Notes that an owner asks for a lock, and gives the number it goes by.
    pub(crate) fn note_lock_owner(&self, asks: LockOwner) -> LockOwner {
        let owners = &mut lock(&self.state).lock_owners;
        let known = |known: &&mut LockOwner| known.id == asks.id && known.flock == asks.flock;
        match owners.iter_mut().find(known) {
            Some(known) => {
                known.fh = asks.fh;
                *known
            }
            None => {
                owners.push(asks);
                asks
            }
        }
    }

    /// An owner that may hold a lock.
    pub(crate) fn lock_owner(&self, id: u64, flock: bool) -> Option<LockOwner> {
        let state = lock(&self.state);
        let mut owners = state.lock_owners.iter();
        owners
            .find(|owner| owner.id == id && owner.flock == flock)
            .copied()
    }

    /// Forgets an owner, who has let go of everything.
    pub(crate) fn drop_lock_owner(&self, id: u64, flock: bool) {
        let owners = &mut lock(&self.state).lock_owners;
        owners.retain(|owner| (owner.id, owner.flock) != (id, flock));
    }

    /// Forgets those who locked through an open file that is being released and is their own.
    pub(crate) fn drop_lock_owners_of(&self, fh: u64) {
        lock(&self.state).lock_owners.retain(|owner| owner.fh != fh);
    }
}
