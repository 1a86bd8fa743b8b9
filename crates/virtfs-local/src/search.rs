//! Looking a file up that the host has moved, so that its handle leads to it again.
//!
//! A handle is opened by inode. Landlock lets such a descriptor be used if the kernel knows the way
//! from the file up to the export, which it does while the entry is among those it remembers. It
//! forgets them under pressure, and after a move a connectable handle names the wrong directory.
//! So all directories are read once, and the entries of all files that clients have are looked up:
//! one search serves all who come after it, until the kernel forgets again.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io;
use virtfs_vfs::{Cx, Errno};

use crate::inode::look_at;
use crate::tree::Tree;

/// After a search the next one may not begin for so many times as long as it took: files that the
/// host has moved out of the export would have each request read all of it.
const REST: u32 = 4;

/// The searches of an export: one at a time.
#[derive(Debug, Default)]
pub(crate) struct Searches(Mutex<Option<Instant>>);

/// The right to search.
pub(crate) struct Turn<'a>(MutexGuard<'a, Option<Instant>>);

impl Searches {
    /// Waits until nobody searches.
    pub(crate) fn turn(&self) -> Turn<'_> {
        Turn(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Turn<'_> {
    /// Looks up the known files below `root`, an open directory. `false` if it is too soon.
    pub(crate) fn search(
        mut self,
        cx: &Cx<'_>,
        tree: &Tree,
        root: BorrowedFd<'_>,
    ) -> Result<bool, Errno> {
        let began = Instant::now();
        if self.0.is_some_and(|next| began < next) {
            return Ok(false);
        }
        let known = tree.numbers();
        let searched = below(cx, tree, root, &known);
        let took = began.elapsed();
        // Who was interrupted has found out nothing: the next in turn searches.
        if searched.is_ok() {
            *self.0 =
                Instant::now().checked_add(took.saturating_mul(REST).max(Duration::from_millis(1)));
        }
        searched.map(|()| true)
    }
}

/// What lies deeper than a path can tell is left out.
fn below(
    cx: &Cx<'_>,
    tree: &Tree,
    root: BorrowedFd<'_>,
    known: &FxHashSet<u64>,
) -> Result<(), Errno> {
    let mut paths = vec![b".".to_vec()];
    while let Some(path) = paths.pop() {
        if cx.interrupted() {
            return Err(Errno::EINTR);
        }
        // The host may have removed it, or mounted something over it.
        let Ok(dir) = open(tree, root, &path) else {
            continue;
        };
        let Ok(entries) = Dir::read_from(&dir) else {
            continue;
        };
        for entry in entries.map_while(Result::ok) {
            let name = entry.file_name();
            match (entry.file_type(), name.to_bytes()) {
                (_, b"." | b"..") => {}
                (FileType::Directory, name) => paths.push([&path[..], b"/", name].concat()),
                _ if known.contains(&entry.ino()) => {
                    // That the kernel has looked is all that is wanted.
                    let _ = look_at(dir.as_fd(), name);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn open(tree: &Tree, root: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    tree.with_room(|| openat2(root, path, flags, Mode::empty(), resolve))
}
