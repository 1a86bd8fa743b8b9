//! Looking a file up that the host has moved, so that its handle leads to it again.
//!
//! A handle is opened by inode. Landlock lets such a descriptor be used if the kernel knows the way
//! from the file up to the export, which it does while the entry is among those it remembers. It
//! forgets them under pressure, and after a move a connectable handle names the wrong directory.
//! So all directories are read once. What somebody waits for gets its descriptor as the search
//! comes upon it; the entries of all other files that clients have are looked up, so that one search
//! serves all who come after it, until the kernel forgets again.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io;
use virtfs_vfs::{Cx, Errno};

use crate::below::Below;
use crate::inode::{Inode, LOOK, look, look_at};
use crate::restore::open_path;
use crate::sync::lock;
use crate::tree::Tree;

/// After a search the next one may not begin for so many times as long as it took: files that the
/// host has moved out of the export would have each request read all of it.
const REST: u32 = 4;

/// How often who waits for another's search looks whether it is still wanted.
const LOOK_UP: Duration = Duration::from_millis(20);

/// The searches of an export: one at a time.
#[derive(Debug, Default)]
pub(crate) struct Searches {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: bool,
    /// Before that none begins.
    not_before: Option<Instant>,
    /// How many have ended.
    ended: u64,
    /// What requests wait for.
    wanted: Vec<Arc<Inode>>,
}

impl Searches {
    /// The descriptor of a file that has to be looked up below `root`, an open directory. `again`
    /// tries once more what the search was to help: it is asked after each that ends. `None` if
    /// that did not help, or if it is too soon for another search; `EINTR` if the request is not
    /// wanted any more.
    pub(crate) fn find(
        &self,
        cx: &Cx<'_>,
        root: BorrowedFd<'_>,
        inode: &Arc<Inode>,
        again: impl Fn() -> Result<Option<Arc<OwnedFd>>, Errno>,
    ) -> Result<Option<Arc<OwnedFd>>, Errno> {
        let _wanted = Wanted::new(self, inode);
        let mut state = lock(&self.state);
        loop {
            let seen = state.ended;
            while state.running && state.ended == seen {
                if let Some(fd) = inode.held() {
                    return Ok(Some(fd));
                }
                if cx.interrupted() {
                    return Err(Errno::EINTR);
                }
                let waited = self.changed.wait_timeout(state, LOOK_UP);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            drop(state);
            // Somebody else's search may have been for this one as well.
            if let Some(fd) = again()? {
                return Ok(Some(fd));
            }
            state = lock(&self.state);
            if state.running {
                continue;
            }
            if state.not_before.is_some_and(|time| Instant::now() < time) {
                return Ok(None);
            }
            state.running = true;
            drop(state);
            let began = Instant::now();
            let searched = {
                let _running = Running(self);
                self.search(cx, root, inode.tree())
            };
            // Who was interrupted has found out nothing: the next in turn searches.
            if searched.is_ok() {
                let rest = (REST * began.elapsed()).max(Duration::from_millis(1));
                lock(&self.state).not_before = Instant::now().checked_add(rest);
            }
            searched?;
            return match inode.held() {
                Some(fd) => Ok(Some(fd)),
                None => again(),
            };
        }
    }

    fn search(&self, cx: &Cx<'_>, root: BorrowedFd<'_>, tree: &Tree) -> Result<(), Errno> {
        let known = tree.numbers();
        let mut below = Below::default();
        while let Some((path, from)) = below.next() {
            if cx.interrupted() {
                return Err(Errno::EINTR);
            }
            // The host may have removed it, or mounted something over it.
            let opened = open(tree, root, path).and_then(Dir::new);
            if let Ok(mut dir) = opened
                && (from == 0 || dir.seek(from).is_ok())
            {
                self.read(cx, tree, &mut dir, &known, &mut below);
            }
        }
        Ok(())
    }

    /// Reads a directory on, as far as there is room for what is in it.
    fn read(
        &self,
        cx: &Cx<'_>,
        tree: &Tree,
        dir: &mut Dir,
        known: &FxHashSet<u64>,
        below: &mut Below,
    ) {
        while let Some(Ok(entry)) = dir.read() {
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if known.contains(&entry.ino())
                && let Ok(fd) = dir.fd()
            {
                self.come_upon(cx, tree, fd, name, entry.ino());
            }
            // Some file systems do not tell; what is none is not opened.
            let kinds = [FileType::Directory, FileType::Unknown];
            if kinds.contains(&entry.file_type()) && !below.add(name, entry.offset()) {
                return;
            }
        }
    }

    fn come_upon(&self, cx: &Cx<'_>, tree: &Tree, dir: BorrowedFd<'_>, name: &[u8], number: u64) {
        let is = |inode: &&Arc<Inode>| inode.ino == number;
        let wanted = lock(&self.state).wanted.iter().find(is).cloned();
        // That the kernel has looked is all that is wanted of the others.
        let Some(wanted) = wanted else {
            let _ = look_at(dir, name);
            return;
        };
        if let Ok(fd) = open_path(cx, tree, dir, name)
            && let Ok(stat) = look(fd.as_fd(), LOOK)
            && wanted.adopt(fd, &stat).is_ok()
        {
            self.changed.notify_all();
        }
    }
}

/// Somebody waits for a file.
struct Wanted<'a> {
    searches: &'a Searches,
    inode: &'a Arc<Inode>,
}

impl<'a> Wanted<'a> {
    fn new(searches: &'a Searches, inode: &'a Arc<Inode>) -> Self {
        lock(&searches.state).wanted.push(inode.clone());
        Self { searches, inode }
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.searches.state);
        let ours = |inode: &Arc<Inode>| Arc::ptr_eq(inode, self.inode);
        if let Some(at) = state.wanted.iter().position(ours) {
            state.wanted.swap_remove(at);
        }
    }
}

/// A search runs.
struct Running<'a>(&'a Searches);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.running = false;
        state.ended += 1;
        drop(state);
        self.0.changed.notify_all();
    }
}

fn open(tree: &Tree, root: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    tree.with_room(|| openat2(root, path, flags, Mode::empty(), resolve))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::CWD;
    use virtfs_vfs::{Call, Detached, FileSystem, Name, Qids, User};

    use super::*;
    use crate::budget::Holder;
    use crate::{LocalFs, Options};

    /// A directory `d` with a file `f` that has no descriptor.
    struct Site {
        dir: tempfile::TempDir,
        root: OwnedFd,
        fs: LocalFs,
        inode: Arc<Inode>,
        _node: virtfs_vfs::Node,
    }

    impl Site {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir_all(dir.path().join("d")).unwrap();
            fs::create_dir_all(dir.path().join("e/deep")).unwrap();
            fs::write(dir.path().join("d/f"), "").unwrap();
            let fs = LocalFs::open(dir.path(), Options::default()).unwrap();
            let (root, _) = fs.attach(&detached()).unwrap();
            let names = [b"d", b"f"].map(|name| Name::new(name).unwrap());
            let node = fs
                .walk(&detached(), &root, &names, &mut Qids::new())
                .unwrap();
            let inode = fs.node(&node).unwrap().inode.clone();
            assert!(inode.let_go(true));
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let root = rustix::fs::openat(CWD, dir.path(), flags, Mode::empty()).unwrap();
            Self {
                dir,
                root,
                fs,
                inode,
                _node: node,
            }
        }

        fn find(&self, cx: &Cx<'_>) -> Result<Option<Arc<OwnedFd>>, Errno> {
            self.searches()
                .find(cx, self.root.as_fd(), &self.inode, || Ok(None))
        }

        fn searches(&self) -> &Searches {
            &self.fs.tree.searches
        }

        fn ended(&self) -> u64 {
            lock(&self.searches().state).ended
        }
    }

    fn detached() -> Cx<'static> {
        Cx::new(User::NOBODY, &Detached)
    }

    struct Flushed;

    impl Call for Flushed {
        fn interrupted(&self) -> bool {
            true
        }

        fn about_to_block(&self) {}
    }

    #[test]
    fn what_is_searched_for_is_held_as_soon_as_it_is_come_upon() {
        let site = Site::new();
        let path = site.dir.path();
        fs::rename(path.join("d/f"), path.join("e/deep/other")).unwrap();
        let fd = site.find(&detached()).unwrap().unwrap();
        let stat = look(fd.as_fd(), LOOK).unwrap();
        assert!(site.inode.is_at(&stat));
        assert!(lock(&site.searches().state).wanted.is_empty());
    }

    #[test]
    fn what_is_nowhere_is_not_searched_for_again_at_once() {
        let site = Site::new();
        fs::remove_file(site.dir.path().join("d/f")).unwrap();
        lock(&site.searches().state).not_before = None;
        assert!(site.find(&detached()).unwrap().is_none());
        assert_eq!(site.ended(), 1);
        let far = Instant::now() + Duration::from_secs(3600);
        lock(&site.searches().state).not_before = Some(far);
        assert!(site.find(&detached()).unwrap().is_none());
        assert_eq!(site.ended(), 1);
    }

    #[test]
    fn a_search_and_a_wait_for_one_end_with_their_request() {
        let site = Site::new();
        let flushed = Cx::new(User::NOBODY, &Flushed);
        assert_eq!(site.find(&flushed).unwrap_err(), Errno::EINTR);
        let rests = lock(&site.searches().state).not_before.is_some();
        assert!(!rests, "the next in turn searches");
        lock(&site.searches().state).running = true;
        assert_eq!(site.find(&flushed).unwrap_err(), Errno::EINTR);
        lock(&site.searches().state).running = false;
        assert!(site.find(&detached()).unwrap().is_some());
    }

    #[test]
    fn who_waits_gets_what_anothers_search_comes_upon() {
        let site = Site::new();
        lock(&site.searches().state).running = true;
        let found = std::thread::scope(|scope| {
            let waiter = scope.spawn(|| site.find(&detached()));
            while lock(&site.searches().state).wanted.is_empty() {
                std::thread::yield_now();
            }
            let dir = open(&site.fs.tree, site.root.as_fd(), b"d").unwrap();
            let (cx, tree) = (detached(), &site.fs.tree);
            let number = site.inode.ino;
            site.searches()
                .come_upon(&cx, tree, dir.as_fd(), b"f", number);
            waiter.join().unwrap()
        });
        assert!(found.unwrap().is_some());
        assert_eq!(site.ended(), 0);
    }
}
