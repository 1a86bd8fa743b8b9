//! Opening and creating files.

use std::sync::atomic::AtomicBool;

use virtfs_vfs::{Errno, FileKind, Name, Node, OpenFlags, Opened};

use super::{Outcome, Request};
use crate::budget::Permit;
use crate::fid::{Access, Fid, FidKind, OpenFid, OpenId};
use crate::raise::Answer;

impl Request<'_> {
    pub(super) fn open(&self, flags: OpenFlags, access: Access) -> Result<Outcome, Errno> {
        let fid = self.fid()?;
        let node = fid.unopened()?;
        let permit = self.open_permit()?;
        let opened = fid.fs().open(&self.cx(fid), node, flags)?;
        Ok(self.opened(fid, node.clone(), opened, (access, permit)))
    }

    pub(super) fn create(
        &self,
        name: Name<'_>,
        (flags, access): (OpenFlags, Access),
        mode: u32,
        gid: u32,
    ) -> Result<Outcome, Errno> {
        let fid = self.fid()?;
        let dir = fid.unopened()?;
        let permit = self.open_permit()?;
        let (node, opened) = fid
            .fs()
            .create(&self.cx(fid), dir, name, flags, mode, gid)?;
        Ok(self.opened(fid, node, opened, (access, permit)))
    }

    fn opened(
        &self,
        fid: &Fid,
        node: Node,
        opened: Opened,
        (access, permit): (Access, Permit),
    ) -> Outcome {
        let Opened { open, qid, blksize } = opened;
        let directory = qid.kind == Some(FileKind::Directory);
        let iounit = if directory { 0 } else { self.iounit(blksize) };
        let open = OpenFid {
            node,
            open,
            directory,
            access,
            path: qid.path,
            id: OpenId::new(),
            locked: AtomicBool::new(false),
            unlockable: AtomicBool::new(false),
            locks: self.shared.locks.clone(),
            export: fid.export.id,
            _permit: permit,
        };
        let state = Fid {
            export: fid.export.clone(),
            caller: fid.caller.clone(),
            kind: FidKind::Open(Box::new(open)),
        };
        Outcome::with_state(Answer::Opened { qid, iounit }, state)
    }

    /// A session may open as many files as there are, and its share when others want some too.
    pub(super) fn open_permit(&self) -> Result<Permit, Errno> {
        let all = self.shared.limits.open_files;
        let fair = (all / self.shared.sessions().max(1)).max(1);
        let share = if self.shared.opens.used() < all / 2 {
            all
        } else {
            fair
        };
        Permit::take((&self.shared.opens, all), (self.opens, share), 1).ok_or(Errno::EMFILE)
    }
}
