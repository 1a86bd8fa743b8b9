//! The mounted tree: what each request of the kernel becomes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use virtfs_client::{Attributes, Client, Fid};

use crate::fail::{Fail, Result};
use crate::fuse::{Attr, EntryOut, Handler, Op, Reply, Request};
use crate::interrupts::Interrupts;
use crate::locks::{ClientId, Waiters};
use crate::ops::attr::kernel_attr;
use crate::tree::{Handles, Node, Nodes, OpenDir, OpenFile, Said, Users};

/// For failures that say nothing of the request's node: what is made may be stale for other reasons.
const NO_NODE: u64 = 0;

/// How the tree is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) attr_timeout: Duration,
    pub(crate) entry_timeout: Duration,
    pub(crate) negative_timeout: Duration,
    pub(crate) direct_io: bool,
    pub(crate) kernel_cache: bool,
    /// The kernel leaves the umask and default ACLs to us and the server.
    pub(crate) acl: bool,
}

/// A mounted tree.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) client: Client,
    pub(crate) manner: Manner,
    pub(crate) nodes: Nodes,
    pub(crate) handles: Handles,
    pub(crate) users: Users,
    said: Said,
    pub(crate) client_id: ClientId,
    pub(crate) waiters: Waiters,
    pub(crate) interrupts: Interrupts,
    loss_told: AtomicBool,
}

impl Tree {
    /// A tree below a root.
    pub(crate) fn new(
        client: Client,
        root: Fid,
        attributes: &Attributes,
        users: Users,
        manner: Manner,
    ) -> Self {
        let stay = client.ordered();
        Self {
            client,
            manner,
            nodes: Nodes::new(root, attributes, stay),
            handles: Handles::default(),
            users,
            said: Said::new(),
            client_id: ClientId::new(),
            waiters: Waiters::default(),
            interrupts: Interrupts::new(),
            loss_told: AtomicBool::new(false),
        }
    }

    /// The node with a number.
    pub(crate) fn node(&self, id: u64) -> Result<Arc<Node>> {
        Ok(self.nodes.find(id).ok_or(Errno::STALE)?)
    }

    pub(crate) fn file(&self, fh: u64) -> Result<Arc<OpenFile>> {
        Ok(self.handles.file(fh).ok_or(Errno::BADF)?)
    }

    pub(crate) fn dir(&self, fh: u64) -> Result<Arc<OpenDir>> {
        Ok(self.handles.dir(fh).ok_or(Errno::BADF)?)
    }

    /// The answer that shows a node under a name.
    pub(crate) fn entry(&self, node: &Node, attributes: &Attributes) -> EntryOut {
        EntryOut {
            node: node.id,
            generation: 0,
            entry_valid: self.manner.entry_timeout,
            attr_valid: self.manner.attr_timeout,
            attr: kernel_attr(attributes),
        }
    }

    /// Answers that a request failed. If its node is one that the server no longer knows, that is
    /// remembered: the same number then stands for another file.
    fn fail(&self, node: u64, reply: Reply, Fail(errno): Fail) {
        if errno == Errno::IO
            && let Some(error) = self.client.lost()
            && !self.loss_told.swap(true, Ordering::Relaxed)
        {
            tracing::error!("the server is gone, every request fails from now on: {error}");
        }
        if errno == Errno::STALE
            && let Some(node) = self.nodes.find(node)
        {
            self.nodes.disown(&node);
        }
        reply.error(errno.raw_os_error());
    }

    /// Remembers, for a moment, what a request's thread is about to be told.
    pub(crate) fn tell(&self, request: &Request<'_>, node: &Node, attributes: &Attributes) {
        // Thread 0 is the kernel itself.
        if request.pid != 0 {
            self.said
                .tell(request.pid, node.id, attributes, Instant::now());
        }
    }

    fn dispatch(&self, request: &Request<'_>, reply: Reply) {
        let node = request.node;
        let said = self.said.take(request.pid, node, Instant::now());
        match &request.op {
            Op::Lookup { name } => self.entered(node, reply, self.lookup(request, name)),
            Op::Getattr { fh } => match said.filter(|_| fh.is_none()) {
                Some(attributes) => self.shown(node, reply, Ok(kernel_attr(&attributes))),
                None => self.shown(node, reply, self.getattr(node, *fh)),
            },
            Op::Setattr(set) => self.shown(node, reply, self.setattr(node, set)),
            Op::Statx { fh, mask, .. } => match self.statx(node, *fh, *mask) {
                Ok((attr, btime)) => reply.statx(&attr, btime, self.manner.attr_timeout),
                Err(fail) => self.fail(node, reply, fail),
            },
            Op::Readlink => self.sent(node, reply, self.readlink(node)),
            Op::Symlink { name, target } => {
                self.entered(NO_NODE, reply, self.symlink(request, name, target));
            }
            Op::Mknod {
                name,
                mode,
                rdev,
                umask,
            } => self.entered(
                NO_NODE,
                reply,
                self.mknod(request, name, *mode, *rdev, *umask),
            ),
            Op::Mkdir { name, mode, umask } => {
                self.entered(NO_NODE, reply, self.mkdir(request, name, *mode, *umask));
            }
            Op::Link { old_node, name } => {
                self.entered(node, reply, self.link(node, *old_node, name))
            }
            Op::Unlink { name } => self.done(node, reply, self.unlink(node, name)),
            Op::Rmdir { name } => self.done(node, reply, self.rmdir(node, name)),
            Op::Rename {
                name,
                new_parent,
                new_name,
                flags,
            } => self.done(
                node,
                reply,
                self.rename((node, name), (*new_parent, new_name), *flags),
            ),
            Op::Open { flags, .. } => match self.open(node, *flags) {
                Ok((fh, flags)) => reply.opened(fh, flags),
                Err(fail) => self.fail(node, reply, fail),
            },
            Op::Create {
                name,
                flags,
                mode,
                umask,
                ..
            } => match self.create(request, name, *flags, *mode, *umask) {
                Ok((entry, fh, flags)) => reply.created(&entry, fh, flags),
                Err(fail) => self.fail(NO_NODE, reply, fail),
            },
            Op::Read {
                fh, offset, size, ..
            } => match self
                .file(*fh)
                .map(|open| open.file.read_chunk(*size, *offset))
            {
                Ok(Ok(chunk)) => reply.data(&chunk.parts()),
                Ok(Err(error)) => self.fail(node, reply, error.into()),
                Err(fail) => self.fail(node, reply, fail),
            },
            Op::Write {
                fh,
                offset,
                data,
                write_flags,
                ..
            } => match self.write(*fh, *offset, data, *write_flags) {
                Ok(written) => reply.written(written),
                Err(fail) => self.fail(node, reply, fail),
            },
            Op::Statfs => match self.statfs(node) {
                Ok(statfs) => reply.statfs(&statfs),
                Err(fail) => self.fail(node, reply, fail),
            },
            Op::Release {
                fh,
                lock_owner,
                flock_release,
                ..
            } => {
                self.release(*fh, flock_release.then_some(*lock_owner));
                reply.ok();
            }
            Op::Flush { fh, lock_owner } => {
                self.done(node, reply, self.flush(request.unique, *fh, *lock_owner));
            }
            Op::Fsync { fh, datasync } => self.done(node, reply, self.fsync(*fh, *datasync)),
            Op::Setxattr {
                name, value, flags, ..
            } => self.done(node, reply, self.setxattr(node, name, value, *flags)),
            Op::Getxattr { name, size } => self.getxattr(reply, node, name, *size),
            Op::Listxattr { size } => self.listxattr(reply, node, *size),
            Op::Removexattr { name } => self.done(node, reply, self.removexattr(node, name)),
            Op::Opendir { .. } => match self.opendir(node) {
                Ok((fh, flags)) => reply.opened(fh, flags),
                Err(fail) => self.fail(node, reply, fail),
            },
            Op::Readdir { fh, offset, size } => {
                self.sent(node, reply, self.readdir(*fh, *offset, *size));
            }
            Op::Readdirplus { fh, offset, size } => {
                self.sent(node, reply, self.readdirplus(*fh, *offset, *size));
            }
            Op::Releasedir { fh, .. } => {
                self.handles.remove(*fh);
                reply.ok();
            }
            Op::Fsyncdir { fh, datasync } => self.done(node, reply, self.fsyncdir(*fh, *datasync)),
            Op::Getlk(lock) => match self.getlk(lock) {
                Ok((kind, start, end, pid)) => reply.lock(kind, start, end, pid),
                Err(fail) => self.fail(node, reply, fail),
            },
            Op::Setlk(lock) => self.done(node, reply, self.setlk(lock)),
            // Not in the protocol. ENOSYS: the kernel does without, and asks no more.
            Op::Access { .. }
            | Op::Fallocate { .. }
            | Op::Tmpfile { .. }
            | Op::Lseek { .. }
            | Op::CopyFileRange { .. }
            | Op::Syncfs
            | Op::Unsupported { .. } => reply.error(Errno::NOSYS.raw_os_error()),
            // Taken by `handle`.
            Op::Forget(_) | Op::Setlkw(_) => reply.error(Errno::IO.raw_os_error()),
        }
    }

    fn done(&self, node: u64, reply: Reply, result: Result<()>) {
        match result {
            Ok(()) => reply.ok(),
            Err(fail) => self.fail(node, reply, fail),
        }
    }

    fn entered(&self, node: u64, reply: Reply, result: Result<EntryOut>) {
        match result {
            Ok(entry) => reply.entry(&entry),
            Err(fail) => self.fail(node, reply, fail),
        }
    }

    fn shown(&self, node: u64, reply: Reply, result: Result<Attr>) {
        match result {
            Ok(attr) => reply.attr(&attr, self.manner.attr_timeout),
            Err(fail) => self.fail(node, reply, fail),
        }
    }

    fn sent(&self, node: u64, reply: Reply, result: Result<Vec<u8>>) {
        match result {
            Ok(bytes) => reply.data(&[&bytes]),
            Err(fail) => self.fail(node, reply, fail),
        }
    }

    /// Answers with the value of an attribute, or its size if that is what `size` 0 asks for.
    pub(crate) fn sized(&self, node: u64, reply: Reply, size: u32, result: Result<Value>) {
        match result {
            Ok(Value::Size(len)) => reply.size(u32::try_from(len).unwrap_or(u32::MAX)),
            Ok(Value::Bytes(bytes)) if bytes.len() <= size as usize => reply.data(&[&bytes]),
            Ok(Value::Bytes(_)) => self.fail(node, reply, Errno::RANGE.into()),
            Err(fail) => self.fail(node, reply, fail),
        }
    }
}

/// An extended attribute's value, or how long it is.
pub(crate) enum Value {
    Size(u64),
    Bytes(Vec<u8>),
}

impl Handler for Tree {
    fn handle(&self, request: Request<'_>, reply: Reply) {
        if let Op::Forget(forgets) = request.op {
            return self.nodes.forget(forgets);
        }
        let begun = self.interrupts.begin(request.unique);
        let cancel = begun.cancel.clone();
        if let Op::Setlkw(lock) = &request.op {
            let waits = cancel.scope(|| self.setlkw(lock, reply));
            // A signal came before there was anybody to take out of the queue.
            if begun.end() && waits {
                self.waiters.interrupt(request.unique);
            }
            return;
        }
        cancel.scope(|| self.dispatch(&request, reply));
    }

    fn handle_at_once(&self, request: Request<'_>, reply: Reply) {
        let (fh, owner, lock) = match &request.op {
            Op::Flush { fh, lock_owner } => (*fh, *lock_owner, None),
            Op::Setlk(lock) | Op::Setlkw(lock) => (lock.fh, lock.owner, Some(lock)),
            _ => return reply.error(Errno::AGAIN.raw_os_error()),
        };
        match self.file(fh) {
            Ok(open) => self.release_later(&open, owner, lock, reply),
            Err(fail) => self.fail(request.node, reply, fail),
        }
    }

    fn interrupt(&self, unique: u64) -> bool {
        self.interrupts.interrupt(unique) || self.waiters.interrupt(unique)
    }

    fn ended(&self) {
        self.waiters.end();
        self.interrupts.end();
    }
}

impl Tree {
    /// Fails a blocking lock; see [`done`](Self::done).
    pub(crate) fn settle(&self, reply: Reply, result: Result<()>) {
        self.done(NO_NODE, reply, result);
    }
}
