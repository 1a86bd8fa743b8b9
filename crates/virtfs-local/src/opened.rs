//! Open files. A regular file that was not used lately may have its descriptor closed (*parked*):
//! it is opened again, by its inode, on its next use.
//!
//! That takes a file that can be found and opened again: one with a single name that nobody of us
//! removes, and whose mode let it be opened once more when it was parked. Who is about to remove
//! the name of a parked file holds its inode first ([`crate::inode::Inode::losing_a_name`]).

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use rustix::fs::OFlags;
use rustix::io;
use virtfs_vfs::{Credentials, Cx, Errno, FileKind, OpenFlags};

use crate::access;
use crate::budget::Holder;
use crate::call::{errno, raw};
use crate::direct::Direct;
use crate::inode::{LOOK, look};
use crate::ops::list::Listing;
use crate::sync::lock;
use crate::tree::{LocalNode, Tree};

/// An open file or directory.
#[derive(Debug)]
pub(crate) struct LocalOpen {
    pub(crate) node: Arc<LocalNode>,
    /// How far a directory has been read; nobody asks it of a file.
    pub(crate) listing: Mutex<Listing>,
    /// The flags to open it by once more.
    how: OFlags,
    /// With whose rights; the server's if `None`.
    user: Option<Arc<Credentials>>,
    /// `None` while it is parked.
    descriptor: Mutex<Option<Arc<OwnedFd>>>,
    /// For a regular file that was opened with `O_DIRECT`.
    direct: Option<Box<Direct>>,
    used: AtomicBool,
    this: Weak<LocalOpen>,
}

impl LocalOpen {
    /// `fd` was opened with these flags, for a client that asked for `flags`.
    pub(crate) fn new(
        cx: &Cx<'_>,
        node: Arc<LocalNode>,
        fd: OwnedFd,
        (how, flags): (OFlags, OpenFlags),
    ) -> Arc<Self> {
        let regular = node.inode.kind() == FileKind::Regular;
        let direct = (regular && flags.contains(OpenFlags::DIRECT))
            .then(|| Direct::of(fd.as_fd()))
            .flatten();
        let once = OFlags::CREATE | OFlags::EXCL | OFlags::TRUNC | OFlags::NOFOLLOW;
        let open = Arc::new_cyclic(|this| Self {
            node,
            listing: Mutex::default(),
            how: how.difference(once),
            user: cx.credentials().cloned(),
            descriptor: Mutex::new(Some(Arc::new(fd))),
            direct,
            used: AtomicBool::new(true),
            this: this.clone(),
        });
        open.tree().opens.add(&open);
        open
    }

    /// The open descriptor, opened anew if it was parked.
    pub(crate) fn fd(&self, cx: &Cx<'_>) -> Result<Arc<OwnedFd>, Errno> {
        self.used.store(true, Ordering::Relaxed);
        if let Some(fd) = &*lock(&self.descriptor) {
            return Ok(fd.clone());
        }
        cx.about_to_block();
        let tree = self.tree();
        if !tree.opens.make_room() {
            return Err(Errno::EMFILE);
        }
        let path = self.node.fd(cx)?;
        let reopen = || tree.proc.reopen(path.as_fd(), self.how);
        // It was open; a mode that forbids it now changes nothing of that.
        let reopened = access::or_as_server(|| raw(cx, || tree.with_room(reopen)).map_err(errno));
        let fd = Arc::new(reopened?);
        let mut descriptor = lock(&self.descriptor);
        if let Some(other) = &*descriptor {
            return Ok(other.clone()); // Another request was quicker.
        }
        *descriptor = Some(fd.clone());
        drop(descriptor);
        self.node.inode.unpark();
        if let Some(this) = self.this.upgrade() {
            tree.opens.add(&this);
        }
        Ok(fd)
    }

    /// The way past the page cache for an aligned transfer, with the descriptor to use; `fd` is
    /// the other one.
    pub(crate) fn direct(
        &self,
        cx: &Cx<'_>,
        fd: &OwnedFd,
        (offset, length): (u64, usize),
    ) -> Option<(&Direct, Arc<OwnedFd>)> {
        let direct = self.direct.as_deref()?;
        if !direct.takes(offset, length) {
            return None;
        }
        cx.about_to_block();
        let tree = self.tree();
        let how = self.how | OFlags::DIRECT;
        let open = || {
            if !tree.opens.make_room() {
                return Err(io::Errno::MFILE);
            }
            let reopen = || raw(cx, || tree.proc.reopen(fd.as_fd(), how)).map_err(errno);
            let opened = access::or_as_server(reopen);
            opened.map_err(|error| io::Errno::from_raw_os_error(error.raw() as i32))
        };
        let (second, is_new) = direct.fd(open);
        if is_new {
            tree.opens.count();
        }
        Some((direct, second?))
    }

    /// Whether each write goes to the end of the file.
    pub(crate) fn appends(&self) -> bool {
        self.how.contains(OFlags::APPEND)
    }

    fn close_direct(&self) {
        if self.direct.as_deref().is_some_and(Direct::close) {
            self.tree().opens.remove();
        }
    }

    fn tree(&self) -> &Tree {
        self.node.tree()
    }
}

impl Holder for LocalOpen {
    fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    fn let_go(&self, _at_any_cost: bool) -> bool {
        let inode = &self.node.inode;
        let Ok(mut descriptor) = self.descriptor.try_lock() else {
            return false;
        };
        let Some(fd) = &*descriptor else {
            return false;
        };
        let busy = |direct: &Direct| direct.is_busy();
        if inode.kind() != FileKind::Regular
            || Arc::strong_count(fd) > 1
            || self.direct.as_deref().is_some_and(busy)
            || !inode.park()
        {
            return false;
        }
        // As it will be then: by its user, or the server.
        let reopens = || self.tree().proc.reopen(fd.as_fd(), self.how).is_ok();
        let can_be_had_again = look(fd.as_fd(), LOOK).is_ok_and(|stat| stat.stx_nlink == 1)
            && (access::acting_as(self.user.as_ref(), reopens) == Some(true)
                || self.user.is_some() && access::as_server(reopens));
        if !can_be_had_again {
            inode.unpark();
            return false;
        }
        *descriptor = None;
        self.close_direct();
        true
    }
}

impl Drop for LocalOpen {
    fn drop(&mut self) {
        self.close_direct();
        let held = lock(&self.descriptor).is_some();
        if held {
            self.tree().opens.remove();
        } else {
            self.node.inode.unpark();
        }
    }
}
