//! The way through all directories of a tree, each once, parents before children. However deep the
//! tree is, it takes no recursion and few descriptors: those of the nearest directories.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::Statx;
use rustix::io;
use virtfs_vfs::FileKind;

use super::read::{find, kind};
use crate::inode::InodeId;

/// How many directories' descriptors are held.
const HELD: usize = 16;

pub(super) struct Walk {
    /// The directory at hand, and those above it.
    levels: Vec<Level>,
    /// From the root to the directory at hand, and to what is at hand there.
    path: Vec<u8>,
}

struct Level {
    id: InodeId,
    /// Always that of the root and of the last level.
    fd: Option<Arc<OwnedFd>>,
    /// Names of directories that are to be visited, each followed by a slash: all in one piece,
    /// for there may be millions.
    below: Vec<u8>,
    path_length: usize,
}

/// What comes next.
pub(super) enum Next {
    /// A directory, to be looked at.
    Directory(Arc<OwnedFd>),
    /// One that cannot be entered, or not be returned to. Its path is at hand.
    Lost(io::Errno),
}

impl Walk {
    pub(super) fn new(root: OwnedFd, stat: &Statx) -> Self {
        let root = Level {
            id: InodeId::of(stat),
            fd: Some(Arc::new(root)),
            // The root itself.
            below: b"./".to_vec(),
            path_length: 0,
        };
        Self {
            levels: vec![root],
            path: Vec::new(),
        }
    }

    /// The path of what is at hand.
    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    /// Takes an entry of the directory at hand, or one of an entry's, in hand.
    pub(super) fn down(&mut self, name: &[u8]) {
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name);
    }

    /// Returns to the directory.
    pub(super) fn up(&mut self) {
        let length = self.levels.last().map_or(0, |level| level.path_length);
        self.path.truncate(length);
    }

    /// Returns to a path of this length, which was at hand.
    pub(super) fn back_to(&mut self, length: usize) {
        self.path.truncate(length);
    }

    /// Whether the directory at hand is the root.
    pub(super) fn at_root(&self) -> bool {
        self.path.is_empty()
    }

    /// Has a directory in the one at hand visited.
    pub(super) fn visit(&mut self, name: &[u8]) {
        if let Some(level) = self.levels.last_mut() {
            level.below.extend_from_slice(name);
            level.below.push(b'/');
        }
    }

    /// Goes on to the next directory.
    pub(super) fn next(&mut self) -> Option<Next> {
        loop {
            self.up();
            let level = self.levels.last_mut()?;
            let Some(name) = pop(&mut level.below) else {
                match self.leave() {
                    Ok(()) => continue,
                    Err(error) => return Some(Next::Lost(error)),
                }
            };
            let Some(dir) = level.fd.clone() else {
                return Some(Next::Lost(io::Errno::STALE));
            };
            if self.levels.len() == 1 && name == b"." {
                return Some(Next::Directory(dir));
            }
            self.down(&name);
            match find(dir.as_fd(), &name) {
                Ok(Some((fd, stat))) if kind(&stat) == FileKind::Directory => {
                    return Some(Next::Directory(self.enter(fd, &stat)));
                }
                // Gone or something else since: of no more interest.
                Ok(_) => {}
                Err(error) => return Some(Next::Lost(error)),
            }
        }
    }

    fn enter(&mut self, fd: OwnedFd, stat: &Statx) -> Arc<OwnedFd> {
        let fd = Arc::new(fd);
        self.levels.push(Level {
            id: InodeId::of(stat),
            fd: Some(fd.clone()),
            below: Vec::new(),
            path_length: self.path.len(),
        });
        let far = self.levels.len().checked_sub(1 + HELD).filter(|at| *at > 0);
        if let Some(level) = far.and_then(|at| self.levels.get_mut(at)) {
            level.fd = None;
        }
        fd
    }

    /// Leaves the last level for the one above. An error tells that the way there is lost: then
    /// the last level is the deepest that can be reached, and the path at hand one below it.
    fn leave(&mut self) -> io::Result<()> {
        let left = self.levels.pop();
        let (Some(left), Some(level)) = (left, self.levels.last_mut()) else {
            return Ok(());
        };
        if level.fd.is_some() {
            return Ok(());
        }
        // The kernel's way up may lead anywhere if the directory was moved: whatever is there,
        // nothing is done with it but to ask whether it is the directory that was left.
        let up = left.fd.as_ref().map(|fd| find(fd.as_fd(), b".."));
        if let Some(Ok(Some((fd, stat)))) = up
            && InodeId::of(&stat) == level.id
        {
            level.fd = Some(Arc::new(fd));
            return Ok(());
        }
        self.descend()
    }

    /// Finds the last level again from the nearest one above it that is held.
    fn descend(&mut self) -> io::Result<()> {
        let from = self.levels.iter().rposition(|level| level.fd.is_some());
        let from = from.unwrap_or(0);
        let mut dir = self.levels.get(from).and_then(|level| level.fd.clone());
        for at in from + 1..self.levels.len() {
            let (Some(above), Some(level)) = (self.levels.get(at - 1), self.levels.get(at)) else {
                break;
            };
            let name = self.path.get(above.path_length..level.path_length);
            let name = name.unwrap_or_default();
            let name = name.strip_prefix(b"/").unwrap_or(name);
            let found = match &dir {
                Some(dir) => find(dir.as_fd(), name),
                None => Ok(None),
            };
            match found {
                Ok(Some((fd, stat))) if InodeId::of(&stat) == level.id => dir = Some(Arc::new(fd)),
                found => {
                    self.path.truncate(level.path_length);
                    self.levels.truncate(at);
                    self.hold(dir);
                    return Err(found.err().unwrap_or(io::Errno::STALE));
                }
            }
        }
        self.hold(dir);
        Ok(())
    }

    fn hold(&mut self, dir: Option<Arc<OwnedFd>>) {
        if let Some(level) = self.levels.last_mut() {
            level.fd = dir;
        }
    }
}

/// Takes the last of the names.
fn pop(names: &mut Vec<u8>) -> Option<Vec<u8>> {
    names.pop()?;
    let start = names
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |at| at + 1);
    Some(names.split_off(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_last_first() {
        let mut names = b"a/bc/".to_vec();
        assert_eq!(pop(&mut names), Some(b"bc".to_vec()));
        assert_eq!(pop(&mut names), Some(b"a".to_vec()));
        assert_eq!(pop(&mut names), None);
    }
}
