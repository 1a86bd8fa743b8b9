//! A file system that does something before each call.

use std::fmt;

use virtfs_vfs::{
    Attr, Cx, DirEntry, Errno, FileSystem, LockFile, Make, Name, Node, Open, OpenFlags, Opened,
    Place, Qid, Qids, Removal, ReplyBody, RequestBody, SetAttr, StatFs, StatWant, XattrPut,
};

type Hook = dyn Fn(&'static str, &Cx<'_>) -> Result<(), Errno> + Send + Sync;

/// A file system whose calls first ask a hook, which is given the method's name: it may wait,
/// fail or panic.
pub struct Hooked<F> {
    inner: F,
    hook: Box<Hook>,
}

impl<F: FileSystem> Hooked<F> {
    /// `hook` in front of `inner`.
    pub fn new(
        inner: F,
        hook: impl Fn(&'static str, &Cx<'_>) -> Result<(), Errno> + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner,
            hook: Box::new(hook),
        }
    }
}

impl<F> fmt::Debug for Hooked<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooked").finish_non_exhaustive()
    }
}

/// Methods that ask the hook and then do as the file system behind it does.
macro_rules! hooked {
    ($($method:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(
            fn $method(&self, cx: &Cx<'_>, $($arg: $type),*) -> Result<$answer, Errno> {
                (self.hook)(stringify!($method), cx)?;
                self.inner.$method(cx, $($arg),*)
            }
        )*
    };
}

impl<F: FileSystem> FileSystem for Hooked<F> {
    fn prepare_thread(&self) {
        self.inner.prepare_thread();
    }

    hooked! {
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
        read(open: &Open, offset: u64, reply: &mut dyn ReplyBody) -> ();
        write(open: &Open, offset: u64, body: &mut dyn RequestBody) -> usize;
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
