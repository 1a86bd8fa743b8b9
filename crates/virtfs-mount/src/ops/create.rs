//! Making files: by a fid of whoever makes them, since the server gives them to the fid's user.

use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use virtfs_client::{Attributes, Fid, Qid};

use crate::fail::{Fail, Result};
use crate::fuse::{EntryOut, OpenFlags, Request};
use crate::handler::Tree;
use crate::ops::attr::sound_as;
use crate::ops::open::{is_append, open_flags};
use crate::tree::{Handle, Node, OpenFile};

const S_ISGID: u32 = 0o2000;
const S_IFREG: u32 = 0o100_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFLNK: u32 = 0o120_000;

/// How long it is taken for granted that a directory has, or has not, a default ACL.
const ACL_AGE: Duration = Duration::from_secs(1);

impl Tree {
    pub(crate) fn create(
        &self,
        request: &Request<'_>,
        name: &[u8],
        flags: u32,
        mode: u32,
        umask: u32,
    ) -> Result<(EntryOut, u64, OpenFlags)> {
        let maker = self.maker(request)?;
        let mode = self.masked(&maker.dir, mode, umask)? & 0o7777;
        let how = open_flags(flags);
        let dir = &maker.dir_fid;
        let (file, node, attributes) = if self.client.ordered() && self.users.is_own(maker.uid) {
            let made = dir.create_and_look(name, how, mode, maker.gid);
            let (file, fid, attributes) = maker.checked(made)?;
            sound_as(&attributes, S_IFREG)?;
            let node = self.nodes.enter(maker.dir.id, name, fid, &attributes);
            (file, node, attributes)
        } else {
            // The node's fid is to be the mount's own.
            let file = maker.checked(dir.create(name, how, mode, maker.gid))?;
            let (node, attributes) = self.made(&maker.dir, name, file.qid(), S_IFREG)?;
            (file, node, attributes)
        };
        let entry = self.entry(&node, &attributes);
        self.tell(request, &node, &attributes);
        let flags = self.cache_flags(&node, file.qid());
        let open = OpenFile::new(node, file, is_append(how));
        let fh = self.handles.insert(Handle::File(Arc::new(open)));
        Ok((entry, fh, flags))
    }

    pub(crate) fn mkdir(
        &self,
        request: &Request<'_>,
        name: &[u8],
        mode: u32,
        umask: u32,
    ) -> Result<EntryOut> {
        let maker = self.maker(request)?;
        // A directory in a set-group-ID directory is one itself.
        let inherited = maker.dir.seen().mode & S_ISGID;
        let mode = self.masked(&maker.dir, mode, umask)? & 0o7777 | inherited;
        let made = maker.dir_fid.mkdir(name, mode, maker.gid);
        let qid = maker.checked(made)?;
        self.shown_as_made(&maker.dir, name, qid, S_IFDIR)
    }

    pub(crate) fn mknod(
        &self,
        request: &Request<'_>,
        name: &[u8],
        mode: u32,
        rdev: u32,
        umask: u32,
    ) -> Result<EntryOut> {
        let maker = self.maker(request)?;
        let mode = self.masked(&maker.dir, mode, umask)?;
        let (major, minor) = (rdev >> 8 & 0xfff, rdev & 0xff | rdev >> 12 & 0xf_ff00);
        let made = maker.dir_fid.mknod(name, mode, major, minor, maker.gid);
        let qid = maker.checked(made)?;
        self.shown_as_made(&maker.dir, name, qid, mode)
    }

    pub(crate) fn symlink(
        &self,
        request: &Request<'_>,
        name: &[u8],
        target: &[u8],
    ) -> Result<EntryOut> {
        let maker = self.maker(request)?;
        let made = maker.dir_fid.symlink(name, target, maker.gid);
        let qid = maker.checked(made)?;
        self.shown_as_made(&maker.dir, name, qid, S_IFLNK)
    }

    /// Who makes something in the request's node.
    fn maker(&self, request: &Request<'_>) -> Result<Maker> {
        let dir = self.node(request.node)?;
        let dir_fid = self.users.directory(&self.nodes, &dir, request.uid)?;
        // The kernel has just asked for the directory's mode: it checked permissions.
        let seen = dir.seen();
        let gid = if seen.mode & S_ISGID != 0 {
            seen.gid
        } else {
            request.gid
        };
        Ok(Maker {
            dir,
            dir_fid,
            uid: request.uid,
            gid,
        })
    }

    /// The mode without what the umask takes away: nothing, if the directory has a default ACL.
    fn masked(&self, dir: &Node, mode: u32, umask: u32) -> Result<u32> {
        let left = mode & !(umask & 0o777);
        // Without ACLs the kernel has applied it already.
        if !self.manner.acl || left == mode || self.has_default_acl(dir)? {
            Ok(mode)
        } else {
            Ok(left)
        }
    }

    fn has_default_acl(&self, dir: &Node) -> Result<bool> {
        let age = self.manner.attr_timeout.max(ACL_AGE);
        if let Some(has) = dir.default_acl(age) {
            return Ok(has);
        }
        let size = dir.fid().xattr_size(b"system.posix_acl_default");
        let has = match size.map_err(Fail::from) {
            Ok(size) => size > 0,
            Err(Fail(Errno::NODATA | Errno::OPNOTSUPP)) => false,
            Err(fail) => return Err(fail),
        };
        dir.set_default_acl(Some(has));
        Ok(has)
    }

    fn shown_as_made(&self, dir: &Node, name: &[u8], qid: Qid, mode: u32) -> Result<EntryOut> {
        let (node, attributes) = self.made(dir, name, qid, mode)?;
        Ok(self.entry(&node, &attributes))
    }

    /// The node of what was just made, of the type in `mode`.
    fn made(
        &self,
        dir: &Node,
        name: &[u8],
        qid: Qid,
        mode: u32,
    ) -> Result<(Arc<Node>, Attributes)> {
        let (fid, attributes) = dir.fid().lookup(name).map_err(|error| match error.into() {
            Fail(Errno::NOENT) => Fail(Errno::STALE),
            other => other,
        })?;
        // Somebody put another file there.
        if (fid.qid().path, fid.qid().kind) != (qid.path, qid.kind) {
            return Err(Errno::STALE.into());
        }
        sound_as(&attributes, mode)?;
        let node = self.nodes.enter(dir.id, name, fid, &attributes);
        Ok((node, attributes))
    }
}

/// Somebody who makes a file.
struct Maker {
    /// The directory.
    dir: Arc<Node>,
    /// Theirs of it.
    dir_fid: Arc<Fid>,
    uid: u32,
    /// The group of what is made.
    gid: u32,
}

impl Maker {
    /// A directory that moved is looked for again the next time.
    fn checked<T>(&self, made: virtfs_client::Result<T>) -> Result<T> {
        made.map_err(|error| {
            let fail = Fail::from(error);
            if fail.is_gone() {
                self.dir.drop_maker(self.uid);
            }
            fail
        })
    }
}
