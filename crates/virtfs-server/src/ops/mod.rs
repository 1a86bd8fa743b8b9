//! The operations, one file a group: each looks at the fids, asks the file system, and says what
//! is answered and what becomes of the fid.

mod attach;
mod attr;
mod dir;
mod entry;
mod io;
mod lock;
mod open;
mod xattr;

pub(crate) use self::xattr::commit_xattr;

use std::sync::Arc;
use std::time::Duration;

use virtfs_vfs::{Call, Cx, Errno, FileSystem, LockRange};

use crate::budget::Budget;
use crate::export::Export;
use crate::fid::Fid;
use crate::locks::{InodeKey, LockShares};
use crate::lower::Op;
use crate::raise::Answer;
use crate::server::Shared;

/// A request, as an operation sees it.
pub(crate) struct Request<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) session: u64,
    pub(crate) opens: &'a Arc<Budget>,
    pub(crate) directories: &'a Arc<Budget>,
    pub(crate) xattrs: &'a Arc<Budget>,
    pub(crate) locks: &'a LockShares,
    pub(crate) msize: u32,
    pub(crate) call: &'a dyn Call,
    /// The errno for a fid that is not known.
    pub(crate) unknown: Errno,
    /// Whether a walk binds the very fid that it starts from.
    pub(crate) walks_itself: bool,
    /// The fid that the message names first.
    pub(crate) fid: Option<&'a Arc<Fid>>,
    /// The fid that it names second; for a message that makes a fid, the one in its way.
    pub(crate) second: Option<&'a Arc<Fid>>,
}

/// What became of a request.
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    /// The new state of the fid that it makes or changes.
    pub(crate) state: Option<Arc<Fid>>,
    /// It may be tried again before it is answered.
    pub(crate) retry: Option<Retry>,
}

/// How a lock that somebody else holds is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    pub(crate) inode: InodeKey,
    pub(crate) range: LockRange,
    /// For how long in all.
    pub(crate) patience: Duration,
    /// Whether nobody tells when it is free.
    pub(crate) poll: bool,
    /// What [`Waiters::releases`] said before the try.
    ///
    /// [`Waiters::releases`]: crate::locks::Waiters::releases
    pub(crate) seen: u64,
}

impl Outcome {
    /// An answer, and the state of a fid that was made or changed.
    fn with_state(answer: Answer, state: Fid) -> Self {
        Self {
            answer,
            state: Some(Arc::new(state)),
            retry: None,
        }
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            state: None,
            retry: None,
        }
    }
}

impl<'a> Request<'a> {
    /// Does what has no payload.
    pub(crate) fn perform(&self, op: Op<'_>) -> Result<Outcome, Errno> {
        if op.changes_something() {
            self.writable()?;
        }
        match op {
            Op::Attach {
                aname,
                claim,
                authenticated,
            } => self.attach(aname, &claim, authenticated),
            Op::Walk { names } => self.walk(&names),
            Op::Open { flags, access } => self.open(flags, access),
            Op::Create {
                name,
                flags,
                access,
                mode,
                gid,
            } => self.create(name, (flags, access), mode, gid),
            Op::Make { name, what, gid } => self.make(name, what, gid),
            Op::Link { name } => self.link(name),
            Op::Rename { name } => self.rename(name),
            Op::RenameAt { from, to, same_dir } => self.rename_at(from, to, same_dir),
            Op::Unlink { name, kind } => self.unlink(name, kind),
            Op::Remove => self.remove(),
            Op::Clunk => self.clunk(),
            Op::GetAttr { mask } => self.get_attr(mask),
            Op::SetAttr { changes } => self.set_attr(&changes),
            Op::Sync { data_only } => self.sync(data_only),
            Op::StatFs => self.statfs(),
            Op::ReadLink => self.readlink(),
            Op::XattrWalk { name } => self.xattr_walk(name),
            Op::XattrCreate { name, size, how } => self.xattr_create(name, size, how),
            Op::Lock {
                kind,
                range,
                owner,
                blocking,
            } => self.lock(kind, range, owner, blocking),
            Op::TestLock { kind, range, owner } => self.test_lock(kind, range, owner),
            // These have a payload and are called directly.
            Op::Read { .. } | Op::Write { .. } | Op::List { .. } => Err(Errno::EIO),
        }
    }

    /// The fid that the message names first.
    fn fid(&self) -> Result<&'a Arc<Fid>, Errno> {
        self.fid.ok_or(self.unknown)
    }

    /// The fid that it names second, of the same export: no call of the host spans two.
    fn second(&self) -> Result<&'a Arc<Fid>, Errno> {
        let (first, second) = (self.fid()?, self.second.ok_or(self.unknown)?);
        if first.export.id == second.export.id {
            Ok(second)
        } else {
            Err(Errno::EXDEV)
        }
    }

    /// That the number of a fid to be made is free.
    fn is_free(&self) -> Result<(), Errno> {
        if self.second.is_some() {
            Err(Errno::EINVAL)
        } else {
            Ok(())
        }
    }

    /// That the export of the first fid may be changed. An unknown fid is told apart later.
    fn writable(&self) -> Result<(), Errno> {
        match self.fid {
            Some(fid) if fid.export.readonly => Err(Errno::EROFS),
            _ => Ok(()),
        }
    }

    fn cx<'f>(&'f self, fid: &'f Fid) -> Cx<'f> {
        fid.caller.cx(self.call)
    }

    /// How many bytes one read or write moves whole, in units of the file system's blocks.
    fn iounit(&self, blksize: u32) -> u32 {
        let most = self
            .msize
            .saturating_sub(virtfs_proto::IO_HEADER_LEN as u32);
        match most.checked_rem(blksize) {
            Some(rest) if rest < most => most - rest,
            _ => most,
        }
    }
}

impl Fid {
    fn fs(&self) -> &dyn FileSystem {
        let export: &Export = &self.export;
        &*export.fs
    }
}
