//! Doing something to all that is below a directory of the server, by several threads, in bounded
//! memory. Nothing is followed: a walk reaches a symbolic link itself.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use virtfs_client::{Error, Fid, QidType};

use super::copy::MAX_DEPTH;
use super::listing::Listing;
use super::pool::{Pool, Task};
use super::report::Report;

/// How many files one task is about.
const PORTION: usize = 32;
/// How often a directory is listed if its removal finds that entries were missed.
const PASSES: u32 = 3;

/// What is done.
pub(super) trait Visit: Send + Sync + 'static {
    /// To entries of a directory that are none themselves. Failures are told to `report` and
    /// [`Directory::failed`].
    fn files(&self, dir: &Directory, names: &[Vec<u8>], report: &Report);

    /// To a directory, before it is listed.
    fn enter(&self, _dir: &Fid) -> io::Result<()> {
        Ok(())
    }

    /// To a directory, after what is below it. `ENOTEMPTY` has it listed again.
    fn leave(&self, dir: &Directory) -> io::Result<()>;
}

/// A directory that is being swept.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) fid: Fid,
    parent: Parent,
    /// What was typed, or the entry's name.
    label: Vec<u8>,
    depth: usize,
    /// Something below it could not be done.
    incomplete: AtomicBool,
}

#[derive(Debug)]
enum Parent {
    /// A directory that is not swept itself, and the entry in it; none for the root.
    Outside(Option<(Fid, Vec<u8>)>),
    Swept(Arc<Directory>),
}

impl Directory {
    /// The directory that it is an entry of, and the entry's name.
    pub(super) fn entry(&self) -> Option<(&Fid, &[u8])> {
        match &self.parent {
            Parent::Outside(None) => None,
            Parent::Outside(Some((dir, name))) => Some((dir, name)),
            Parent::Swept(parent) => Some((&parent.fid, &self.label)),
        }
    }

    /// The path of an entry, for messages.
    pub(super) fn path_of(&self, name: &[u8]) -> Vec<u8> {
        let mut path = self.path();
        if !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }

    fn path(&self) -> Vec<u8> {
        match &self.parent {
            Parent::Outside(_) => self.label.clone(),
            Parent::Swept(parent) => parent.path_of(&self.label),
        }
    }

    /// A directory in it.
    fn below(&self, name: &[u8]) -> io::Result<Fid> {
        match self.depth + 1 < MAX_DEPTH {
            true => Ok(self.fid.walk(&[name])?),
            false => Err(io::Error::other("it is too deep")),
        }
    }

    /// Something in it could not be done.
    pub(super) fn failed(&self) {
        let mut dir = self;
        while !dir.incomplete.swap(true, Ordering::Relaxed)
            && let Parent::Swept(parent) = &dir.parent
        {
            dir = parent;
        }
    }

    /// Whether everything in it was done.
    pub(super) fn complete(&self) -> bool {
        !self.incomplete.load(Ordering::Relaxed)
    }
}

/// Sweeps a directory: `entry` says where it is, unless it is the root.
pub(super) fn sweep(
    fid: Fid,
    entry: Option<(Fid, Vec<u8>)>,
    typed: &[u8],
    visit: impl Visit,
    report: &Arc<Report>,
) -> io::Result<()> {
    let dir = Directory {
        fid,
        parent: Parent::Outside(entry),
        label: typed.into(),
        depth: 0,
        incomplete: AtomicBool::new(false),
    };
    let first = Step::List(Arc::new(dir), 1);
    let sweeping = Sweeping {
        visit: Box::new(visit),
        report: report.clone(),
    };
    Pool::run(&sweeping, [first])
}

struct Sweeping {
    visit: Box<dyn Visit>,
    report: Arc<Report>,
}

enum Step {
    Files(Arc<Directory>, Vec<Vec<u8>>),
    /// An entry that is a directory.
    Enter(Arc<Directory>, Vec<u8>),
    /// With the number of the pass.
    List(Arc<Directory>, u32),
}

impl Task for Step {
    type Shared = Sweeping;

    fn run(self, pool: &Pool<'_, Self>, scratch: &mut Vec<u8>) {
        let Sweeping { visit, report } = pool.shared;
        match self {
            Self::Files(dir, names) => {
                visit.files(&dir, &names, report);
                leave(dir, 1, pool, scratch);
            }
            Self::Enter(parent, name) => match parent.below(&name) {
                Ok(fid) => {
                    let dir = Directory {
                        fid,
                        depth: parent.depth + 1,
                        // It has to be the user that was counted: who drops one instead of
                        // leaving could be the last.
                        parent: Parent::Swept(parent),
                        label: name,
                        incomplete: AtomicBool::new(false),
                    };
                    Self::List(Arc::new(dir), 1).run(pool, scratch);
                }
                Err(error) => {
                    report.failed(&parent.path_of(&name), &error);
                    parent.failed();
                    leave(parent, 1, pool, scratch);
                }
            },
            Self::List(dir, pass) => {
                if let Err(error) = list(&dir, pool, scratch) {
                    report.failed(&dir.path(), &error);
                    dir.failed();
                }
                leave(dir, pass, pool, scratch);
            }
        }
        stop_if_lost(pool);
    }
}

fn list(dir: &Arc<Directory>, pool: &Pool<'_, Step>, scratch: &mut Vec<u8>) -> io::Result<()> {
    pool.shared.visit.enter(&dir.fid)?;
    let mut listing = Listing::of(&dir.fid)?;
    loop {
        let batch = listing.next_batch()?;
        if batch.is_empty() {
            return Ok(());
        }
        let mut files = Vec::new();
        for entry in batch {
            if matches!(&*entry.name, b"." | b"..") {
                continue;
            }
            if pool.stopped() {
                return Ok(());
            }
            if entry.qid.kind.contains(QidType::DIR) {
                pool.give(Step::Enter(dir.clone(), entry.name), scratch);
                continue;
            }
            files.push(entry.name);
            if files.len() == PORTION {
                let files = std::mem::take(&mut files);
                pool.give(Step::Files(dir.clone(), files), scratch);
            }
        }
        if !files.is_empty() {
            pool.give(Step::Files(dir.clone(), files), scratch);
        }
    }
}

/// One user of the directory less. The last one finishes it, and so on upwards.
fn leave(dir: Arc<Directory>, pass: u32, pool: &Pool<'_, Step>, scratch: &mut Vec<u8>) {
    let Sweeping { visit, report } = pool.shared;
    let mut next = Some((dir, pass));
    while let Some((dir, pass)) = next.take() {
        let Some(dir) = Arc::into_inner(dir) else {
            return;
        };
        if pool.stopped() {
            continue;
        }
        match visit.leave(&dir) {
            Ok(()) => {}
            Err(error) if again(&error, &dir) && pass < PASSES => {
                pool.give(Step::List(Arc::new(dir), pass + 1), scratch);
                return;
            }
            Err(error) => {
                report.failed(&dir.path(), &error);
                dir.failed();
            }
        }
        if let Parent::Swept(parent) = dir.parent {
            next = Some((parent, 1));
        }
    }
}

fn again(error: &io::Error, dir: &Directory) -> bool {
    dir.complete() && error.raw_os_error() == Some(Errno::NOTEMPTY.raw_os_error())
}

fn stop_if_lost(pool: &Pool<'_, Step>) {
    // Looked for only after failures: each file would fail for the same reason.
    if pool.shared.report.lost() {
        pool.stop();
    }
}

/// Whether an error is that nothing of this name is there.
pub(super) fn is_missing(error: &Error) -> bool {
    error.errno() == Errno::NOENT.raw_os_error()
}
