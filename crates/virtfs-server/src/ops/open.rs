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
        self.opened(fid, node.clone(), opened, (access, permit))
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
        self.opened(fid, node, opened, (access, permit))
    }

    fn opened(
        &self,
        fid: &Fid,
        node: Node,
        opened: Opened,
        (access, permit): (Access, Permit),
    ) -> Result<Outcome, Errno> {
        let Opened { open, qid, blksize } = opened;
        let directory = qid.kind == Some(FileKind::Directory);
        let as_directory = match directory {
            true => Some(self.directory_permit()?),
            false => None,
        };
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
            _permits: (permit, as_directory),
        };
        let state = fid.another(FidKind::Open(open));
        Ok(Outcome::with_state(Answer::Opened { qid, iounit }, state))
    }

    fn directory_permit(&self) -> Result<Permit, Errno> {
        let limits = &self.shared.limits;
        let (all, own) = fair(
            (limits.open_directories, limits.sessions),
            self.shared.directories.used(),
            self.directories.used(),
            1,
        );
        Permit::take((&self.shared.directories, all), (self.directories, own), 1)
            .ok_or(Errno::EMFILE)
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
