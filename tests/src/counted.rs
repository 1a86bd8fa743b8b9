//! A file system that counts how payloads come and go.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use virtfs_vfs::{
    Attr, Cx, DirEntry, Errno, FileSystem, IoFlags, LockFile, Make, Name, Node, Open, OpenFlags,
    Opened, Place, Qid, Qids, Removal, ReplyBody, RequestBody, SetAttr, StatFs, StatWant, XattrPut,
};

/// How many bytes of payloads went which way.
#[derive(Debug, Default)]
pub struct Payloads {
    copied: AtomicU64,
    moved: AtomicU64,
    calls: AtomicU64,
}

impl Payloads {
    /// Bytes that a program copied: they were put or taken, or go by a buffer because the call
    /// may hang.
    pub fn copied(&self) -> u64 {
        self.copied.load(Ordering::SeqCst)
    }

    /// Bytes that the kernel moved between a file and where the payload lies.
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::SeqCst)
    }

    /// In how many calls.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    fn copy(&self, count: usize) -> usize {
        self.copied.fetch_add(count as u64, Ordering::SeqCst);
        count
    }

    fn transfer(&self, count: usize, flags: IoFlags) -> usize {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if flags.contains(IoFlags::MAY_HANG) {
            self.copied.fetch_add(count as u64, Ordering::SeqCst);
        }
        self.moved.fetch_add(count as u64, Ordering::SeqCst);
        count
    }
}

/// A file system whose payloads are counted.
pub struct Counted<F> {
    inner: F,
    payloads: Arc<Payloads>,
}

impl<F: FileSystem> Counted<F> {
    /// Counts those of `inner`.
    pub fn new(inner: F) -> Self {
        Self {
            inner,
            payloads: Arc::default(),
        }
    }

    /// What is counted.
    pub fn payloads(&self) -> Arc<Payloads> {
        self.payloads.clone()
    }
}

impl<F> fmt::Debug for Counted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").finish_non_exhaustive()
    }
}

struct Reply<'a>(&'a mut dyn ReplyBody, &'a Payloads);

impl ReplyBody for Reply<'_> {
    fn room(&self) -> usize {
        self.0.room()
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        self.1.copy(self.0.put(bytes))
    }

    fn read_from(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        flags: IoFlags,
    ) -> Result<usize, Errno> {
        let count = self.0.read_from(file, offset, flags)?;
        Ok(self.1.transfer(count, flags))
    }
}

struct Request<'a>(&'a mut dyn RequestBody, &'a Payloads);

impl RequestBody for Request<'_> {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn take(&mut self, into: &mut [u8]) -> usize {
        self.1.copy(self.0.take(into))
    }

    fn write_to(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        flags: IoFlags,
    ) -> Result<usize, Errno> {
        let count = self.0.write_to(file, offset, flags)?;
        Ok(self.1.transfer(count, flags))
    }
}

/// Methods that do as the file system behind does.
macro_rules! passed_on {
    ($($method:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(
            fn $method(&self, cx: &Cx<'_>, $($arg: $type),*) -> Result<$answer, Errno> {
                self.inner.$method(cx, $($arg),*)
            }
        )*
    };
}

impl<F: FileSystem> FileSystem for Counted<F> {
    fn prepare_thread(&self) {
        self.inner.prepare_thread();
    }

    fn read(
        &self,
        cx: &Cx<'_>,
        open: &Open,
        offset: u64,
        reply: &mut dyn ReplyBody,
    ) -> Result<(), Errno> {
        let reply = &mut Reply(reply, &self.payloads);
        self.inner.read(cx, open, offset, reply)
    }

    fn write(
        &self,
        cx: &Cx<'_>,
        open: &Open,
        offset: u64,
        body: &mut dyn RequestBody,
    ) -> Result<usize, Errno> {
        let body = &mut Request(body, &self.payloads);
        self.inner.write(cx, open, offset, body)
    }

    passed_on! {
        attach() -> (Node, Qid);
        walk(start: &Node, names: &[Name<'_>], qids: &mut Qids) -> Node;
        stat(node: &Node, open: Option<&Open>, want: StatWant) -> Attr;
        set(node: &Node, open: Option<&Open>, changes: &SetAttr) -> ();
        open(node: &Node, flags: OpenFlags) -> Opened;
        create(dir: &Node, name: Name<'_>, flags: OpenFlags, mode: u32, gid: u32) -> (Node, Opened);
        make(dir: &Node, name: Name<'_>, what: Make<'_>, gid: u32) -> Qid;
        link(node: &Node, dir: &Node, name: Name<'_>) -> ();
        rename(from: Place<'_>, to_dir: &Node, to_name: Name<'_>) -> ();
        remove(what: Place<'_>, kind: Removal) -> ();
        list(open: &Open, cookie: u64, take: &mut dyn FnMut(&DirEntry<'_>) -> bool) -> ();
        sync(open: &Open, data_only: bool) -> ();
        lock_file(node: &Node, open: &Open) -> Box<dyn LockFile>;
        statfs(node: &Node) -> StatFs;
        readlink(node: &Node) -> Vec<u8>;
        xattr(node: &Node, open: Option<&Open>, name: &[u8], limit: usize) -> Vec<u8>;
        xattr_list(node: &Node, open: Option<&Open>, limit: usize) -> Vec<u8>;
        xattr_put(node: &Node, open: Option<&Open>, name: &[u8], value: &[u8], how: XattrPut) -> ();
        xattr_remove(node: &Node, open: Option<&Open>, name: &[u8]) -> ();
    }
}
