//! Opening and creating files.

use virtfs_vfs::{Errno, FileKind, Name, Node, OpenFlags, Opened};

use super::{Outcome, Request};
use crate::budget::{Permit, fair};
use crate::fid::{Access, Fid, FidKind, OpenFid};
use crate::locks::{InodeKey, Through};
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
            through: Through::new(InodeKey {
                export: fid.export.id,
                path: qid.path,
            }),
            locks: self.shared.locks.clone(),
            _permit: permit,
        };
        let state = fid.another(FidKind::Open(open));
        Outcome::with_state(Answer::Opened { qid, iounit }, state)
    }

    pub(super) fn open_permit(&self) -> Result<Permit, Errno> {
        let limits = &self.shared.limits;
        let (all, own) = fair(
            (limits.open_files, limits.sessions),
            self.shared.opens.used(),
            self.opens.used(),
            1,
        );
        Permit::take((&self.shared.opens, all), (self.opens, own), 1).ok_or(Errno::EMFILE)
    }
}
