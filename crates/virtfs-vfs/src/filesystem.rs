//! The trait itself.

use bitflags::bitflags;

use crate::{
    Attr, Cx, Device, DirEntry, Errno, FileKind, LockFile, Name, Node, Open, Qid, Qids, ReplyBody,
    RequestBody, SetAttr, StatFs, StatWant,
};

bitflags! {
    /// How to open a file, whatever the dialect.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct OpenFlags: u32 {
        /// For reading.
        const READ = 0x1;
        /// For writing.
        const WRITE = 0x2;
        /// Every write goes to the end of the file.
        const APPEND = 0x4;
        /// Cut to length 0.
        const TRUNCATE = 0x8;
        /// Fail if it exists (only for a create).
        const EXCLUSIVE = 0x10;
        /// It must be a directory.
        const DIRECTORY = 0x20;
        /// Leave the access time alone, where that is permitted.
        const NOATIME = 0x40;
        /// Writes reach the storage, attributes included (`O_SYNC`).
        const SYNC = 0x80;
        /// Writes reach the storage (`O_DSYNC`).
        const DSYNC = 0x100;
        /// Past the host's page cache, where the file system has that and a transfer is aligned
        /// (`O_DIRECT`). What is not aligned goes the usual way.
        const DIRECT = 0x200;
    }
}

/// A file just opened.
#[derive(Debug)]
pub struct Opened {
    /// The open file.
    pub open: Open,
    /// What identifies it, after a truncation.
    pub qid: Qid,
    /// The block size of its file system in bytes, from which the server makes the iounit; 0 if
    /// not known.
    pub blksize: u32,
}

/// What to make in a directory, beside a regular file that is opened at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Make<'a> {
    /// A directory (`Tmkdir`).
    Directory {
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link (`Tsymlink`).
    Symlink {
        /// The text of the link; any bytes but NUL.
        target: &'a [u8],
    },
    /// A device node, FIFO, socket or empty regular file (`Tmknod`).
    Node {
        /// Which of them; never a directory or a symbolic link.
        kind: FileKind,
        /// Permission bits.
        mode: u32,
        /// The device's number; meaningless for the rest.
        device: Device,
    },
}

/// What a rename or a removal is about.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// The entry of this name in this directory (`Trenameat`, `Tunlinkat`).
    Entry(&'a Node, Name<'a>),
    /// The entry by which this node was reached, wherever it has moved since (`Trename`,
    /// `Tremove`). `ENOENT` or `ESTALE` if it is gone, or stands for another file now.
    Node(&'a Node),
}

/// What a removal may remove.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removal {
    /// Anything but a directory (`unlink`): `EISDIR` for one.
    File,
    /// An empty directory (`rmdir`): `ENOTDIR` for anything else.
    Directory,
    /// Whatever it is (`Tremove`).
    Either,
}

/// What an extended attribute that is set may meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XattrPut {
    /// Make or replace.
    Any,
    /// Make: `EEXIST` if it is there.
    Create,
    /// Replace: `ENODATA` if it is not there.
    Replace,
}

/// A file system that can be served.
///
/// Every method may be called from many threads at once. Names have been checked ([`Name`]);
/// where an entry is made, moved or removed they are neither `.` nor `..`. A method that fails
/// leaves what existed before as it was. A group of `u32::MAX` is none: what is created keeps the
/// group that the host gives it. What an implementation does not have answers
/// `EOPNOTSUPP`, which is every default here.
///
/// `open` beside a `node` is that node's open file where the fid has one: an implementation acts
/// on it where that is better (a file that was unlinked, a mode that forbids opening it again).
pub trait FileSystem: Send + Sync + 'static {
    /// To be called once on every thread that is going to call the other methods: sets up what
    /// belongs to a thread (umask, capabilities).
    fn prepare_thread(&self) {}

    /// The root: the node that an attach gives. `..` from there leads nowhere else.
    fn attach(&self, cx: &Cx<'_>) -> Result<(Node, Qid), Errno>;

    /// Walks from `start` through all names, `.` and `..` among them, pushing the qid of each
    /// step that succeeded. No symbolic link is followed. With no names, `start` itself.
    ///
    /// Errors: those of the first step that failed (`ENOENT`, `ENOTDIR`, `ELOOP` never: a walk
    /// reaches a link itself; beyond it `ENOTDIR`).
    fn walk(
        &self,
        cx: &Cx<'_>,
        start: &Node,
        names: &[Name<'_>],
        qids: &mut Qids,
    ) -> Result<Node, Errno>;

    /// The attributes of a node (`Tgetattr`).
    fn stat(
        &self,
        cx: &Cx<'_>,
        node: &Node,
        open: Option<&Open>,
        want: StatWant,
    ) -> Result<Attr, Errno>;

    /// Changes attributes (`Tsetattr`). A change of size drops setuid and setgid bits.
    fn set(
        &self,
        _cx: &Cx<'_>,
        _node: &Node,
        _open: Option<&Open>,
        _changes: &SetAttr,
    ) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Opens a regular file or a directory (`Tlopen`). A directory is opened for reading: with
    /// [`OpenFlags::WRITE`] or [`OpenFlags::TRUNCATE`] it answers `EISDIR`. Anything else:
    /// `ELOOP` for a symbolic link, `ENXIO` for the rest. Never [`OpenFlags::EXCLUSIVE`].
    fn open(&self, cx: &Cx<'_>, node: &Node, flags: OpenFlags) -> Result<Opened, Errno>;

    /// Makes a regular file and opens it, or opens the one that exists unless
    /// [`OpenFlags::EXCLUSIVE`] is given (`Tlcreate`). The new file's owner is the caller's user
    /// and `gid`. With [`OpenFlags::DIRECTORY`]: `EINVAL`. An existing symbolic link is not followed (`ELOOP`); existing special files
    /// answer `ENXIO`.
    fn create(
        &self,
        _cx: &Cx<'_>,
        _dir: &Node,
        _name: Name<'_>,
        _flags: OpenFlags,
        _mode: u32,
        _gid: u32,
    ) -> Result<(Node, Opened), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Makes anything else (`Tmkdir`, `Tsymlink`, `Tmknod`); `EEXIST` if the name is taken.
    fn make(
        &self,
        _cx: &Cx<'_>,
        _dir: &Node,
        _name: Name<'_>,
        _what: Make<'_>,
        _gid: u32,
    ) -> Result<Qid, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Gives a node one more name (`Tlink`); the node itself, not what a link points to.
    fn link(&self, _cx: &Cx<'_>, _node: &Node, _dir: &Node, _name: Name<'_>) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Moves an entry (`Trenameat`, `Trename`), replacing what `to_name` was. Nodes that were
    /// reached through the entry, or through directories below it, keep their place.
    fn rename(
        &self,
        _cx: &Cx<'_>,
        _from: Place<'_>,
        _to_dir: &Node,
        _to_name: Name<'_>,
    ) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Removes an entry (`Tunlinkat`, `Tremove`).
    fn remove(&self, _cx: &Cx<'_>, _what: Place<'_>, _kind: Removal) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Reads from an open file until the reply has no room left or the file ends. After some
    /// bytes came, an interruption or an error ends the read with those.
    fn read(
        &self,
        cx: &Cx<'_>,
        open: &Open,
        offset: u64,
        reply: &mut dyn ReplyBody,
    ) -> Result<(), Errno>;

    /// Writes to an open file; returns how many bytes went (0 only for an empty body). After
    /// some bytes went, an interruption or an error ends the write with that count.
    fn write(
        &self,
        _cx: &Cx<'_>,
        _open: &Open,
        _offset: u64,
        _body: &mut dyn RequestBody,
    ) -> Result<usize, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Gives the entries of an open directory behind `cookie` (0: from the start) to `take`, in
    /// order, until it answers `false`; it is not called again then, and that entry is not lost:
    /// the next list begins with it. `..` of the root carries the root's own qid.
    fn list(
        &self,
        cx: &Cx<'_>,
        open: &Open,
        cookie: u64,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<(), Errno>;

    /// Brings what was written to the storage (`Tfsync`); attributes too unless `data_only`.
    fn sync(&self, _cx: &Cx<'_>, _open: &Open, _data_only: bool) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Opens a node's file for one more owner of locks (`Tlock`, `Tgetlock`), in the widest mode
    /// that is permitted. `open` is the fid's own open file.
    fn lock_file(
        &self,
        _cx: &Cx<'_>,
        _node: &Node,
        _open: &Open,
    ) -> Result<Box<dyn LockFile>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// The state of the file system that a node is on (`Tstatfs`).
    fn statfs(&self, cx: &Cx<'_>, node: &Node) -> Result<StatFs, Errno>;

    /// The text of a symbolic link (`Treadlink`); `EINVAL` for anything else.
    fn readlink(&self, _cx: &Cx<'_>, _node: &Node) -> Result<Vec<u8>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// The value of an extended attribute, at most `limit` bytes (`E2BIG` beyond). `ENODATA` if
    /// it is not there, `EOPNOTSUPP` for namespaces that are not served.
    fn xattr(
        &self,
        _cx: &Cx<'_>,
        _node: &Node,
        _open: Option<&Open>,
        _name: &[u8],
        _limit: usize,
    ) -> Result<Vec<u8>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// The names of the extended attributes that are served, each ended by a NUL; at most `limit`
    /// bytes (`E2BIG` beyond).
    fn xattr_list(
        &self,
        _cx: &Cx<'_>,
        _node: &Node,
        _open: Option<&Open>,
        _limit: usize,
    ) -> Result<Vec<u8>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Sets an extended attribute.
    fn xattr_put(
        &self,
        _cx: &Cx<'_>,
        _node: &Node,
        _open: Option<&Open>,
        _name: &[u8],
        _value: &[u8],
        _how: XattrPut,
    ) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Removes an extended attribute.
    fn xattr_remove(
        &self,
        _cx: &Cx<'_>,
        _node: &Node,
        _open: Option<&Open>,
        _name: &[u8],
    ) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
}
