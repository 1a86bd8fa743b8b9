//! Entries of directories: link, rename, remove.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, linkat, renameat, unlinkat};
use virtfs_vfs::{Cx, Errno, FileKind, Name, Node, Place, Removal};

use crate::LocalFs;
use crate::call::call;
use crate::contain;
use crate::entryname::EntryName;
use crate::inode::Inode;
use crate::ops::create::{parent, spot};
use crate::ops::stat::Subject;
use crate::ownership::{File, Spot};
use crate::proc::ProcFd;
use crate::sync::lock;
use crate::tree::LocalNode;

/// `Tlink`: of the file itself, a symbolic link included. Through `/proc/self/fd`, for
/// `AT_EMPTY_PATH` needs `CAP_DAC_READ_SEARCH`.
pub(crate) fn link(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &Node,
    dir: &Node,
    name: Name<'_>,
) -> Result<(), Errno> {
    fs.writable()?;
    let (node, dir) = (fs.node(node)?, fs.node(dir)?);
    let dir_fd = parent(fs, cx, &dir, name)?;
    if node.inode.kind() == FileKind::Directory {
        return Err(Errno::EPERM);
    }
    let fd = node.fd(cx)?;
    if node.inode.has_parked() {
        // With several names it is not seen from one when all are gone.
        node.inode.losing_a_name();
    }
    let from = ProcFd::name(fd.as_fd());
    let to = spot(&dir, dir_fd.as_fd(), name.as_bytes());
    let mut host = || {
        call(cx, || {
            let (proc, follow) = (&*fs.tree.proc, AtFlags::SYMLINK_FOLLOW);
            linkat(proc, from.as_c_str(), to.fd, to.name, follow)
        })
    };
    let (node, subject) = (&node, &Subject::Node(fd.clone()));
    let file = File { node, fd: subject };
    let linked = fs.model().link(cx, &file, &to, &mut host);
    linked.map_err(|error| contain::explain(cx, &[&dir], error))
}

/// An entry that is to go, with the directory's descriptor and the node known for it.
struct Source {
    dir: Arc<LocalNode>,
    dir_fd: Arc<OwnedFd>,
    name: EntryName,
    known: Option<Arc<LocalNode>>,
}

impl Source {
    fn of(fs: &LocalFs, cx: &Cx<'_>, place: Place<'_>) -> Result<Self, Errno> {
        let (dir, name, known) = match place {
            Place::Entry(dir, name) => {
                let dir = fs.node(dir)?;
                if dir.inode.kind() != FileKind::Directory {
                    return Err(Errno::ENOTDIR);
                }
                if !name.is_entry() {
                    return Err(Errno::EINVAL);
                }
                fs.usable(name)?;
                let known = dir.child(name.as_bytes());
                (dir, name.as_bytes().into(), known)
            }
            Place::Node(node) => {
                let node = fs.node(node)?;
                let entry = contain::current_entry(cx, &node)?;
                (entry.parent, entry.name, Some(node))
            }
        };
        contain::check(cx, &dir)?;
        let dir_fd = dir.fd(cx)?;
        if dir.inode.host.remote {
            cx.about_to_block();
        }
        Ok(Self {
            dir,
            dir_fd,
            name,
            known,
        })
    }

    fn spot(&self) -> Spot<'_> {
        spot(&self.dir, self.dir_fd.as_fd(), &self.name)
    }
}

/// While a name is being removed: the inode is held, for parked files of it to be found again.
struct Losing {
    inode: Option<Arc<Inode>>,
    _held: Option<Arc<OwnedFd>>,
}

impl Losing {
    fn of(cx: &Cx<'_>, node: Option<&Arc<LocalNode>>) -> Result<Self, Errno> {
        let Some(node) = node else {
            return Ok(Self {
                inode: None,
                _held: None,
            });
        };
        let known = node.inode.losing_a_name();
        let mut losing = Self {
            inode: (!known).then(|| node.inode.clone()),
            _held: None,
        };
        if node.inode.has_parked() {
            losing._held = Some(node.fd(cx)?);
        }
        Ok(losing)
    }

    /// The name is gone.
    fn done(mut self) {
        self.inode = None;
    }
}

impl Drop for Losing {
    fn drop(&mut self) {
        if let Some(inode) = &self.inode {
            inode.kept_its_name();
        }
    }
}

/// `Trenameat`, `Trename`.
pub(crate) fn rename(
    fs: &LocalFs,
    cx: &Cx<'_>,
    from: Place<'_>,
    to_dir: &Node,
    to_name: Name<'_>,
) -> Result<(), Errno> {
    fs.writable()?;
    let to_dir = fs.node(to_dir)?;
    let to_fd = parent(fs, cx, &to_dir, to_name)?;
    let to_name = to_name.as_bytes();
    let (from, renaming) = loop {
        let mut source = Source::of(fs, cx, from)?;
        let remote = source.dir.inode.host.remote || to_dir.inode.host.remote;
        let renaming = (!remote).then(|| lock(&fs.tree.renaming));
        match (from, &source.known) {
            (Place::Entry(..), _) => source.known = source.dir.child(&source.name),
            // Another rename came first: its entry has changed.
            (Place::Node(_), Some(node)) if !node.is_child(&source.dir, &source.name) => continue,
            (Place::Node(_), _) => {}
        }
        break (source, renaming);
    };
    let replaced = to_dir.child(to_name);
    let losing = Losing::of(cx, replaced.as_ref())?;
    let (source, target) = (from.spot(), spot(&to_dir, to_fd.as_fd(), to_name));
    let mut host = || {
        call(cx, || {
            renameat(source.fd, source.name, target.fd, target.name)
        })
    };
    fs.model()
        .rename(cx, &source, &target, replaced.as_deref(), &mut host)
        .map_err(|error| contain::explain(cx, &[&from.dir, &to_dir], error))?;
    losing.done();
    let file = from
        .known
        .as_ref()
        .is_some_and(|node| node.inode.kind() != FileKind::Directory);
    if !file && !Arc::ptr_eq(&from.dir, &to_dir) {
        contain::moved();
    }
    fs.tree
        .renamed(from.known.as_ref(), replaced.as_ref(), &to_dir, to_name);
    drop(renaming);
    Ok(())
}

/// `Tunlinkat`, `Tremove`.
pub(crate) fn remove(
    fs: &LocalFs,
    cx: &Cx<'_>,
    what: Place<'_>,
    kind: Removal,
) -> Result<(), Errno> {
    fs.writable()?;
    let what = Source::of(fs, cx, what)?;
    let losing = Losing::of(cx, what.known.as_ref())?;
    let unlink = |flags| call(cx, || unlinkat(&what.dir_fd, &*what.name, flags));
    let mut host = || match kind {
        Removal::File => unlink(AtFlags::empty()),
        Removal::Directory => unlink(AtFlags::REMOVEDIR),
        Removal::Either => match unlink(AtFlags::empty()) {
            Err(Errno::EISDIR) => unlink(AtFlags::REMOVEDIR),
            result => result,
        },
    };
    let removed = fs
        .model()
        .remove(cx, &what.spot(), what.known.as_deref(), &mut host);
    removed.map_err(|error| contain::explain(cx, &[&what.dir], error))?;
    losing.done();
    if let Some(node) = &what.known {
        fs.tree.removed(node, &what.dir, &what.name);
    }
    Ok(())
}
