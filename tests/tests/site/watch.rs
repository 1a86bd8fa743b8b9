//! What the kernel tells of files that are not to be touched.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// Hears of every open, read and change of the files it was given. Opening by `O_PATH`, and
/// asking for attributes, make no sound.
pub struct Watch {
    inotify: OwnedFd,
    paths: HashMap<i32, PathBuf>,
}

impl Watch {
    /// Listens at these files.
    pub fn of(paths: impl IntoIterator<Item = PathBuf>, sounds: WatchFlags) -> Self {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        let mut names = HashMap::new();
        for path in paths {
            let flags = sounds | WatchFlags::DONT_FOLLOW;
            let watch = inotify::add_watch(&inotify, &path, flags).unwrap();
            names.insert(watch, path);
        }
        Self {
            inotify,
            paths: names,
        }
    }

    /// For opening and what comes of it.
    pub fn opens(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self::of(
            paths,
            WatchFlags::OPEN | WatchFlags::ACCESS | WatchFlags::MODIFY,
        )
    }

    /// For everything, in a whole tree.
    pub fn tree(dir: &Path) -> Self {
        let mut all = vec![dir.to_owned()];
        let mut at = 0;
        while let Some(path) = all.get(at).cloned() {
            if path.symlink_metadata().unwrap().is_dir() {
                all.extend(std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
            }
            at += 1;
        }
        Self::of(all, WatchFlags::ALL_EVENTS)
    }

    /// What was heard since this was last asked.
    pub fn heard(&self) -> Vec<(PathBuf, ReadFlags)> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        let mut heard = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => heard.push((self.paths[&event.wd()].clone(), event.events())),
                Err(Errno::AGAIN) => return heard,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Fails if anything was heard.
    pub fn assert_silent(&self) {
        assert_eq!(self.heard(), []);
    }
}
