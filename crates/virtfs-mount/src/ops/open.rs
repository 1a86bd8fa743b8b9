//! Opening and closing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::OFlags;
use virtfs_client::{LopenFlags, Qid};

use crate::fail::Result;
use crate::fuse::OpenFlags;
use crate::handler::Tree;
use crate::tree::{Batch, Handle, Node, OpenDir, OpenFile};

impl Tree {
    pub(crate) fn open(&self, id: u64, flags: u32) -> Result<(u64, OpenFlags)> {
        let node = self.node(id)?;
        let how = open_flags(flags);
        let file = node.fid().open(how)?;
        let cache = self.cache_flags(&node, file.qid());
        let open = OpenFile::new(node, file, is_append(how));
        Ok((self.handles.insert(Handle::File(Arc::new(open))), cache))
    }

    pub(crate) fn opendir(&self, id: u64) -> Result<(u64, OpenFlags)> {
        let node = self.node(id)?;
        let directory = node.fid().read_dir()?;
        let open = OpenDir {
            node,
            directory,
            batch: Batch::default().into(),
        };
        let fh = self.handles.insert(Handle::Dir(Arc::new(open)));
        Ok((fh, OpenFlags::NONE))
    }

    /// What the kernel may do about the pages of a file that was opened.
    pub(crate) fn cache_flags(&self, node: &Node, qid: Qid) -> OpenFlags {
        let same = node.opened(qid);
        if self.manner.direct_io {
            OpenFlags::DIRECT_IO
        } else if same || self.manner.kernel_cache {
            OpenFlags::KEEP_CACHE
        } else {
            OpenFlags::NONE
        }
    }

    /// The last descriptor of an open file is gone. `flock`: the owner of a lock to be released.
    pub(crate) fn release(&self, fh: u64, flock: Option<u64>) {
        let Some(Handle::File(open)) = self.handles.remove(fh) else {
            return;
        };
        if !open.locked.load(Ordering::Relaxed) {
            return;
        }
        if let Some(owner) = flock {
            self.release_locks(&open, owner, true);
        }
        // What is left are locks of the open file itself, which end with its fid.
        open.node.drop_lock_owners_of(fh);
        if let Some(open) = Arc::into_inner(open) {
            // Those who wait must not ask before the server has let go.
            let _ = open.file.clunk();
        }
        self.waiters.released();
    }
}

/// The flags of open(2) that mean something to a server.
pub(crate) fn open_flags(flags: u32) -> LopenFlags {
    let flags = OFlags::from_bits_retain(flags);
    let access = match flags & OFlags::RWMODE {
        OFlags::WRONLY => LopenFlags::WRONLY,
        OFlags::RDWR => LopenFlags::RDWR,
        _ => LopenFlags::RDONLY,
    };
    let pairs = [
        (OFlags::APPEND, LopenFlags::APPEND),
        (OFlags::TRUNC, LopenFlags::TRUNC),
        (OFlags::EXCL, LopenFlags::EXCL),
        (OFlags::NOATIME, LopenFlags::NOATIME),
        (OFlags::DSYNC, LopenFlags::DSYNC),
        (OFlags::SYNC, LopenFlags::SYNC),
    ];
    let given = pairs.iter().filter(|(flag, _)| flags.contains(*flag));
    given.fold(access, |all, (_, flag)| all | *flag)
}

/// Whether the server puts what is written at the end.
pub(crate) fn is_append(how: LopenFlags) -> bool {
    how.contains(LopenFlags::APPEND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_sees_only_flags_that_mean_something_to_it() {
        let all = OFlags::RDWR | OFlags::APPEND | OFlags::DIRECT | OFlags::NONBLOCK;
        let all = all | OFlags::SYNC | OFlags::CREATE | OFlags::NOFOLLOW;
        assert_eq!(
            open_flags(all.bits()),
            LopenFlags::RDWR | LopenFlags::APPEND | LopenFlags::DSYNC | LopenFlags::SYNC
        );
        assert_eq!(open_flags(0o3), LopenFlags::RDONLY);
    }
}
