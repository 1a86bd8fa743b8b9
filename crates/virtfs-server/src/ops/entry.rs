//! Making, linking, moving and removing entries.

use virtfs_vfs::{Errno, Make, Name, Place, Removal};

use super::{Outcome, Request};
use crate::fid::Kind;
use crate::raise::Answer;

impl Request<'_> {
    pub(super) fn make(&self, name: Name<'_>, what: Make<'_>, gid: u32) -> Result<Outcome, Errno> {
        let dir = self.fid()?;
        Ok(Answer::Qid(dir.fs().make(&self.cx(dir), dir.node()?, name, what, gid)?).into())
    }

    pub(super) fn link(&self, name: Name<'_>) -> Result<Outcome, Errno> {
        let (dir, file) = (self.fid()?, self.second()?);
        dir.fs()
            .link(&self.cx(dir), file.node()?, dir.node()?, name)?;
        Ok(Answer::Done.into())
    }

    pub(super) fn rename(&self, name: Name<'_>) -> Result<Outcome, Errno> {
        let (file, dir) = (self.fid()?, self.second()?);
        let from = Place::Node(file.unopened()?);
        file.fs().rename(&self.cx(file), from, dir.node()?, name)?;
        Ok(Answer::Done.into())
    }

    pub(super) fn rename_at(
        &self,
        from: Name<'_>,
        to: Name<'_>,
        same_dir: bool,
    ) -> Result<Outcome, Errno> {
        let dir = self.fid()?;
        let to_dir = if same_dir { dir } else { self.second()? };
        let from = Place::Entry(dir.node()?, from);
        dir.fs().rename(&self.cx(dir), from, to_dir.node()?, to)?;
        Ok(Answer::Done.into())
    }

    pub(super) fn unlink(&self, name: Name<'_>, kind: Removal) -> Result<Outcome, Errno> {
        let dir = self.fid()?;
        dir.fs()
            .remove(&self.cx(dir), Place::Entry(dir.node()?, name), kind)?;
        Ok(Answer::Done.into())
    }

    /// The session has freed the number, whatever comes of this.
    pub(super) fn remove(&self) -> Result<Outcome, Errno> {
        let fid = self.fid()?;
        if let Kind::Open(open) = fid.kind() {
            self.release_locks(open)?;
        }
        fid.fs()
            .remove(&self.cx(fid), Place::Node(fid.node()?), Removal::Either)?;
        Ok(Answer::Done.into())
    }
}
