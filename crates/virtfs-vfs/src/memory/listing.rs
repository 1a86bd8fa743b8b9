//! Lists of directories.

use super::tree::{EntryId, Ino, ROOT_ENTRY, Tree};
use crate::{DirEntry, Errno, Qid};

/// Entries copied at a time: they are handed on when the tree is free again.
const BATCH: usize = 128;

const DOT: EntryId = 1;
const DOTDOT: EntryId = ROOT_ENTRY;

pub(super) struct Listed {
    qid: Qid,
    pub(super) next: EntryId,
    name: Box<[u8]>,
}

impl Listed {
    pub(super) fn as_entry(&self) -> DirEntry<'_> {
        DirEntry {
            qid: self.qid,
            next: self.next,
            kind: self.qid.kind.map_or(0, |kind| kind.dirent_type()),
            name: &self.name,
        }
    }
}

impl Tree {
    /// Some of the entries behind a cookie, in order; none at the end. A removed directory has
    /// none at all.
    pub(super) fn list(&self, ino: Ino, cookie: EntryId) -> Result<Vec<Listed>, Errno> {
        let inode = self.inode(ino)?;
        let directory = inode.dir()?;
        if inode.nlink == 0 {
            return Ok(Vec::new());
        }
        let mut out = Vec::with_capacity(BATCH);
        if cookie < DOT {
            out.push(self.listed(ino, DOT, b".")?);
        }
        if cookie < DOTDOT {
            let parent = self.entry(directory.entry)?.parent;
            out.push(self.listed(parent, DOTDOT, b"..")?);
        }
        for id in directory.behind(cookie.max(DOTDOT)).take(BATCH - out.len()) {
            let entry = self.entry(id)?;
            out.push(self.listed(entry.target, id, &entry.name)?);
        }
        Ok(out)
    }

    fn listed(&self, ino: Ino, next: EntryId, name: &[u8]) -> Result<Listed, Errno> {
        Ok(Listed {
            qid: self.inode(ino)?.qid(ino),
            next,
            name: name.into(),
        })
    }
}
