//! What is done to names: look up, link, move, remove.

use super::budget::entry_cost;
use super::clock;
use super::inode::What;
use super::tree::{EntryId, Ino, ROOT, ROOT_ENTRY, Tree};
use crate::{Errno, Name, Place, Removal, Time};

impl Tree {
    /// One step of a walk.
    pub(super) fn step(
        &self,
        ino: Ino,
        entry: EntryId,
        name: Name<'_>,
    ) -> Result<(Ino, EntryId), Errno> {
        let directory = self.inode(ino)?.dir()?;
        if name.is_dot() {
            return Ok((ino, entry));
        }
        if name.is_dotdot() {
            let parent = self.entry(entry)?.parent;
            return Ok((parent, self.inode(parent)?.dir()?.entry));
        }
        let id = directory.get(name.as_bytes()).ok_or(Errno::ENOENT)?;
        Ok((self.entry(id)?.target, id))
    }

    /// The entry of this name.
    pub(super) fn find(&self, dir: Ino, name: Name<'_>) -> Result<EntryId, Errno> {
        let directory = self.inode(dir)?.dir()?;
        check(name)?;
        directory.get(name.as_bytes()).ok_or(Errno::ENOENT)
    }

    /// That something of this name can be made in `dir`: `ENOENT` in a removed directory,
    /// `EEXIST` if the name is taken.
    pub(super) fn check_vacant(&self, dir: Ino, name: Name<'_>) -> Result<(), Errno> {
        let inode = self.inode(dir)?;
        match self.find(dir, name) {
            Ok(_) => Err(Errno::EEXIST),
            Err(Errno::ENOENT) if inode.nlink == 0 => Err(Errno::ENOENT),
            Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn link(&mut self, ino: Ino, dir: Ino, name: Name<'_>) -> Result<(), Errno> {
        self.check_vacant(dir, name)?;
        let inode = self.inode(ino)?;
        if inode.is_dir() {
            return Err(Errno::EPERM);
        }
        if inode.nlink == 0 {
            return Err(Errno::ENOENT);
        }
        self.add_entry(dir, name.as_bytes(), ino)?;
        self.inode_mut(ino)?.nlink += 1;
        let now = clock::now();
        self.touch(ino, false, now);
        self.touch(dir, true, now);
        Ok(())
    }

    pub(super) fn remove(&mut self, id: EntryId, kind: Removal) -> Result<(), Errno> {
        let entry = self.live(id)?;
        let what = &self.inode(entry.target)?.what;
        match (kind, what) {
            (Removal::File, What::Directory(_)) => return Err(Errno::EISDIR),
            (Removal::Directory | Removal::Either, What::Directory(directory)) => {
                if id == ROOT_ENTRY {
                    return Err(Errno::EBUSY);
                }
                if !directory.is_empty() {
                    return Err(Errno::ENOTEMPTY);
                }
            }
            (Removal::Directory, _) => return Err(Errno::ENOTDIR),
            (Removal::File | Removal::Either, _) => {}
        }
        self.drop_entry(id, clock::now())
    }

    /// Moves an entry, replacing what has the name. Two names of one file stay as they are.
    pub(super) fn rename(
        &mut self,
        id: EntryId,
        to_dir: Ino,
        to_name: Name<'_>,
    ) -> Result<(), Errno> {
        let from = self.live(id)?;
        let (moved, from_dir, old_cost) = (from.target, from.parent, entry_cost(&from.name));
        if id == ROOT_ENTRY {
            return Err(Errno::EBUSY);
        }
        let replaced = match self.check_vacant(to_dir, to_name) {
            Ok(()) => None,
            Err(Errno::EEXIST) => Some(self.find(to_dir, to_name)?),
            Err(error) => return Err(error),
        };
        let moves_dir = self.inode(moved)?.is_dir();
        if moves_dir && self.is_at_or_below(to_dir, moved)? {
            return Err(Errno::EINVAL);
        }
        if let Some(replaced) = replaced {
            let target = self.entry(replaced)?.target;
            if target == moved {
                return Ok(());
            }
            self.check_replaceable(moves_dir, from_dir, target)?;
        }
        let new_cost = entry_cost(to_name.as_bytes());
        self.budget.charge(new_cost.saturating_sub(old_cost))?;
        self.budget.refund(old_cost.saturating_sub(new_cost));
        let now = clock::now();
        if let Some(replaced) = replaced {
            self.drop_entry(replaced, now)?;
        }
        self.move_entry(id, to_dir, to_name, now)
    }

    /// The entry that a place names, there or not.
    pub(super) fn entry_at(
        &self,
        place: Place<'_>,
        reached: impl Fn(&crate::Node) -> Result<(Ino, EntryId), Errno>,
    ) -> Result<EntryId, Errno> {
        match place {
            Place::Entry(dir, name) => self.find(reached(dir)?.0, name),
            Place::Node(node) => Ok(reached(node)?.1),
        }
    }

    fn live(&self, id: EntryId) -> Result<&super::tree::Entry, Errno> {
        let entry = self.entry(id)?;
        if entry.live {
            Ok(entry)
        } else {
            Err(Errno::ENOENT)
        }
    }

    fn check_replaceable(&self, moves_dir: bool, from_dir: Ino, target: Ino) -> Result<(), Errno> {
        match &self.inode(target)?.what {
            // Linux looks for this first.
            What::Directory(_) if self.is_at_or_below(from_dir, target)? => Err(Errno::ENOTEMPTY),
            What::Directory(_) if !moves_dir => Err(Errno::EISDIR),
            What::Directory(directory) if !directory.is_empty() => Err(Errno::ENOTEMPTY),
            What::Directory(_) => Ok(()),
            _ if moves_dir => Err(Errno::ENOTDIR),
            _ => Ok(()),
        }
    }

    fn move_entry(
        &mut self,
        id: EntryId,
        to_dir: Ino,
        to_name: Name<'_>,
        now: Time,
    ) -> Result<(), Errno> {
        let entry = self.entry_mut(id)?;
        let (moved, from_dir) = (entry.target, entry.parent);
        let old_name = std::mem::replace(&mut entry.name, to_name.as_bytes().into());
        entry.parent = to_dir;
        self.inode_mut(from_dir)?.dir_mut()?.remove(&old_name);
        let directory = self.inode_mut(to_dir)?.dir_mut()?;
        directory.insert(to_name.as_bytes(), id);
        if self.inode(moved)?.is_dir() {
            self.inode_mut(from_dir)?.nlink -= 1;
            self.inode_mut(to_dir)?.nlink += 1;
        }
        self.touch(from_dir, true, now);
        self.touch(to_dir, true, now);
        self.touch(moved, false, now);
        Ok(())
    }

    /// Whether a directory is `top` or below it.
    fn is_at_or_below(&self, dir: Ino, top: Ino) -> Result<bool, Errno> {
        let mut at = dir;
        while at != top {
            if at == ROOT {
                return Ok(false);
            }
            at = self.entry(self.inode(at)?.dir()?.entry)?.parent;
        }
        Ok(true)
    }
}

/// The server has seen to it that `.` and `..` do not come here.
fn check(name: Name<'_>) -> Result<(), Errno> {
    if name.is_entry() {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}
