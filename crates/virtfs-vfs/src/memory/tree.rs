//! The two tables, inodes and entries, and how long what is in them lives.

use std::collections::HashMap;

use super::budget::{Budget, INODE, entry_cost};
use super::clock;
use super::content::Bytes;
use super::directory::Directory;
use super::inode::{Inode, What};
use super::locks::LockTable;
use crate::{Errno, Time};

pub(super) type Ino = u64;
/// Also the cookie of the entry in a list: 1 and 2 are those of `.` and `..`.
pub(super) type EntryId = u64;

pub(super) const ROOT: Ino = 1;
pub(super) const ROOT_ENTRY: EntryId = 2;

/// What a directory knows of a file: where it is called what.
#[derive(Debug)]
pub(super) struct Entry {
    /// The directory it is in, or was in when it was removed. The root's is the root.
    pub(super) parent: Ino,
    pub(super) name: Box<[u8]>,
    pub(super) target: Ino,
    /// Whether it is still there. One that is not counts as a user of its parent.
    pub(super) live: bool,
    /// Nodes that were reached through it, and the directory that it stands for.
    users: u64,
}

#[derive(Debug)]
pub(super) struct Tree {
    inodes: HashMap<Ino, Inode>,
    entries: HashMap<EntryId, Entry>,
    pub(super) budget: Budget,
    last_ino: Ino,
    last_entry: EntryId,
    last_owner: u64,
    changes: u32,
}

/// What a new inode starts with.
pub(super) struct New {
    pub(super) what: What,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Tree {
    pub(super) fn new(limit: u64) -> Self {
        let mut tree = Self {
            inodes: HashMap::new(),
            entries: HashMap::new(),
            budget: Budget::new(limit),
            last_ino: ROOT,
            last_entry: ROOT_ENTRY,
            last_owner: 0,
            changes: 0,
        };
        let root = New {
            what: What::Directory(Directory::new(ROOT_ENTRY)),
            mode: 0o755,
            uid: 0,
            gid: 0,
        };
        tree.budget.charge_anyway(INODE + entry_cost(b""));
        tree.insert(ROOT, root, clock::now());
        let entry = Entry {
            parent: ROOT,
            name: Box::default(),
            target: ROOT,
            live: true,
            users: 1,
        };
        tree.entries.insert(ROOT_ENTRY, entry);
        tree
    }

    /// The inode; whoever asks holds it, so `ESTALE` is never seen.
    pub(super) fn inode(&self, ino: Ino) -> Result<&Inode, Errno> {
        self.inodes.get(&ino).ok_or(Errno::ESTALE)
    }

    pub(super) fn inode_mut(&mut self, ino: Ino) -> Result<&mut Inode, Errno> {
        self.inodes.get_mut(&ino).ok_or(Errno::ESTALE)
    }

    /// The inode, beside what pays for its growth.
    pub(super) fn inode_and_budget(
        &mut self,
        ino: Ino,
    ) -> Result<(&mut Inode, &mut Budget), Errno> {
        let inode = self.inodes.get_mut(&ino).ok_or(Errno::ESTALE)?;
        Ok((inode, &mut self.budget))
    }

    pub(super) fn entry(&self, id: EntryId) -> Result<&Entry, Errno> {
        self.entries.get(&id).ok_or(Errno::ESTALE)
    }

    pub(super) fn entry_mut(&mut self, id: EntryId) -> Result<&mut Entry, Errno> {
        self.entries.get_mut(&id).ok_or(Errno::ESTALE)
    }

    /// Notes that attributes, and content too if so said, changed now.
    pub(super) fn touch(&mut self, ino: Ino, content: bool, now: Time) {
        self.changes = self.changes.wrapping_add(1).max(1);
        let version = self.changes;
        if let Some(inode) = self.inodes.get_mut(&ino) {
            inode.version = version;
            inode.ctime = now;
            if content {
                inode.mtime = now;
            }
        }
    }

    /// Puts a new inode with a new entry in a directory that lives and has no such name.
    pub(super) fn add(
        &mut self,
        parent: Ino,
        name: &[u8],
        new: impl FnOnce(EntryId) -> New,
    ) -> Result<(Ino, EntryId), Errno> {
        let new = new(self.last_entry + 1);
        let text = match &new.what {
            What::Symlink(target) => target.len() as u64,
            _ => 0,
        };
        self.budget.charge(INODE + text)?;
        let ino = self.last_ino + 1;
        let is_dir = matches!(new.what, What::Directory(_));
        let entry = match self.add_entry(parent, name, ino) {
            Ok(entry) => entry,
            Err(error) => {
                self.budget.refund(INODE + text);
                return Err(error);
            }
        };
        let now = clock::now();
        self.last_ino = ino;
        self.insert(ino, new, now);
        if is_dir {
            self.entry_mut(entry)?.users += 1;
            self.inode_mut(parent)?.nlink += 1;
        }
        self.touch(parent, true, now);
        Ok((ino, entry))
    }

    /// Puts an entry for an inode in a directory that lives and has no such name.
    pub(super) fn add_entry(
        &mut self,
        parent: Ino,
        name: &[u8],
        target: Ino,
    ) -> Result<EntryId, Errno> {
        let id = self.last_entry + 1;
        let (inode, budget) = self.inode_and_budget(parent)?;
        let directory = inode.dir_mut()?;
        budget.charge(entry_cost(name))?;
        directory.insert(name, id);
        self.last_entry = id;
        let entry = Entry {
            parent,
            name: name.into(),
            target,
            live: true,
            users: 0,
        };
        self.entries.insert(id, entry);
        Ok(id)
    }

    /// Takes an entry out of its directory and a link from its inode; a directory has been seen
    /// to be empty.
    pub(super) fn drop_entry(&mut self, id: EntryId, now: Time) -> Result<(), Errno> {
        let entry = self.entry_mut(id)?;
        entry.live = false;
        let (parent, target, name) = (entry.parent, entry.target, entry.name.clone());
        let dir = self.inode_mut(parent)?;
        dir.dir_mut()?.remove(&name);
        // What the entry, no longer live, is to it from here on.
        dir.users += 1;
        self.touch(parent, true, now);
        self.touch(target, false, now);
        let inode = self.inode_mut(target)?;
        if inode.is_dir() {
            inode.nlink = 0;
            self.inode_mut(parent)?.nlink -= 1;
        } else {
            inode.nlink -= 1;
        }
        self.free_entry(id);
        self.free_inode(target);
        Ok(())
    }

    pub(super) fn hold(&mut self, ino: Ino, entry: Option<EntryId>) {
        if let Some(inode) = self.inodes.get_mut(&ino) {
            inode.users += 1;
        }
        if let Some(entry) = entry.and_then(|id| self.entries.get_mut(&id)) {
            entry.users += 1;
        }
    }

    pub(super) fn release(&mut self, ino: Ino, entry: Option<EntryId>) {
        if let Some(inode) = self.inodes.get_mut(&ino) {
            inode.users = inode.users.saturating_sub(1);
        }
        self.free_inode(ino);
        if let Some(id) = entry {
            self.release_entry(id);
        }
    }

    /// A new owner of locks.
    pub(super) fn new_owner(&mut self) -> u64 {
        self.last_owner += 1;
        self.last_owner
    }

    /// How many inodes there are.
    pub(super) fn len(&self) -> u64 {
        self.inodes.len() as u64
    }

    fn insert(&mut self, ino: Ino, new: New, now: Time) {
        let nlink = match new.what {
            What::Directory(_) => 2,
            _ => 1,
        };
        let inode = Inode {
            what: new.what,
            mode: new.mode & 0o7777,
            uid: new.uid,
            gid: new.gid,
            nlink,
            users: 0,
            version: 0,
            generation: ino,
            atime: now,
            mtime: now,
            ctime: now,
            btime: now,
            xattrs: Default::default(),
            locks: LockTable::default(),
        };
        self.inodes.insert(ino, inode);
        self.touch(ino, true, now);
    }

    fn release_entry(&mut self, id: EntryId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.users = entry.users.saturating_sub(1);
        }
        self.free_entry(id);
    }

    /// Ends an entry that is neither there nor used, which its parent may have lived for.
    fn free_entry(&mut self, id: EntryId) {
        if let Some(parent) = self.take_dead_entry(id) {
            self.release(parent, None);
        }
    }

    /// Ends an inode that has neither links nor users. That of a directory may end its entry and
    /// so the directory above, and on to the top: a loop, for the depth is the client's choice.
    fn free_inode(&mut self, ino: Ino) {
        let mut next = Some(ino);
        while let Some(ino) = next.take() {
            match self.inodes.get(&ino) {
                Some(inode) if inode.nlink == 0 && inode.users == 0 => {}
                _ => return,
            }
            let Some(inode) = self.inodes.remove(&ino) else {
                return;
            };
            self.budget.refund(inode.cost());
            if let What::Directory(directory) = inode.what {
                if let Some(entry) = self.entries.get_mut(&directory.entry) {
                    entry.users = entry.users.saturating_sub(1);
                }
                next = self.take_dead_entry(directory.entry);
                if let Some(parent) = next.and_then(|ino| self.inodes.get_mut(&ino)) {
                    parent.users = parent.users.saturating_sub(1);
                }
            }
        }
    }

    /// Forgets an entry that is neither there nor used; returns the parent that it was a user of.
    fn take_dead_entry(&mut self, id: EntryId) -> Option<Ino> {
        let entry = self.entries.get(&id)?;
        if entry.live || entry.users > 0 {
            return None;
        }
        let entry = self.entries.remove(&id)?;
        self.budget.refund(entry_cost(&entry.name));
        Some(entry.parent)
    }
}

impl New {
    pub(super) fn file(mode: u32, uid: u32, gid: u32) -> Self {
        let what = What::Regular(Bytes::default());
        Self {
            what,
            mode,
            uid,
            gid,
        }
    }
}
