//! A file system over a fresh directory, and short ways to say what a test does.
#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

pub mod mapped_file;
pub mod mapped_xattr;

use std::fs;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use rustix::io::{ReadWriteFlags, preadv2, pwritev2};
use tempfile::TempDir;
use virtfs_local::{LocalFs, Options};
use virtfs_vfs::{
    Attr, Cx, Detached, Errno, FileSystem, IoFlags, Make, Name, Node, Open, OpenFlags, Opened,
    Place, Qid, Qids, Removal, ReplyBody, RequestBody, SetAttr, StatWant, User, XattrPut,
};

pub const READ: OpenFlags = OpenFlags::READ;
pub const WRITE: OpenFlags = OpenFlags::WRITE;
pub const RDWR: OpenFlags = OpenFlags::READ.union(OpenFlags::WRITE);

/// The directory, and what serves it.
pub struct Export {
    pub dir: TempDir,
    pub fs: LocalFs,
    pub root: Node,
}

pub fn cx() -> Cx<'static> {
    Cx::new(User::NOBODY, &Detached)
}

pub fn user(uid: u32) -> Cx<'static> {
    Cx::new(User { uid }, &Detached)
}

pub fn name(bytes: &(impl AsRef<[u8]> + ?Sized)) -> Name<'_> {
    Name::new(bytes.as_ref()).unwrap()
}

/// Ends the test, loudly, where it could only pass by not testing.
pub fn need_root() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test needs root: without it nothing would be tested"
    );
}

/// Runs as an ordinary user, on a thread of its own.
pub fn as_user<T: Send>(uid: u32, f: impl FnOnce() -> T + Send) -> T {
    use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
    need_root();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            rustix::thread::set_thread_groups(&[]).unwrap();
            let gid = rustix::fs::Gid::from_raw(uid);
            set_thread_res_gid(gid, gid, gid).unwrap();
            let uid = rustix::fs::Uid::from_raw(uid);
            set_thread_res_uid(uid, uid, uid).unwrap();
            f()
        });
        thread.join().unwrap()
    })
}

/// Runs on a thread with mounts of its own.
pub fn with_own_mounts(f: impl FnOnce() + Send) {
    use rustix::mount::{MountPropagationFlags, mount_change};
    need_root();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // Of mounts only, and of what they need: no descriptor is taken from anybody.
            #[expect(deprecated, reason = "its successor needs unsafe")]
            rustix::thread::unshare(
                rustix::thread::UnshareFlags::NEWNS | rustix::thread::UnshareFlags::FS,
            )
            .unwrap();
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            mount_change("/", private).unwrap();
            f();
        });
        thread.join().unwrap();
    });
}

impl Export {
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        Self::over(tempfile::tempdir().unwrap(), "", options)
    }

    /// Serves a directory below a fresh one, so that there is an outside.
    pub fn below(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("export")).unwrap();
        Self::over(dir, "export", options)
    }

    pub fn over(dir: TempDir, below: &str, options: Options) -> Self {
        let fs = LocalFs::open(dir.path().join(below), options).unwrap();
        let (root, _) = fs.attach(&cx()).unwrap();
        Self { dir, fs, root }
    }

    /// A path of the host.
    pub fn host(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn host_write(&self, path: &str, content: &str) {
        fs::write(self.host(path), content).unwrap();
    }

    pub fn host_read(&self, path: &str) -> String {
        fs::read_to_string(self.host(path)).unwrap()
    }

    pub fn try_walk_from(&self, from: &Node, path: &str) -> Result<(Node, Qid), Errno> {
        let names: Vec<_> = path
            .split('/')
            .filter(|n| !n.is_empty())
            .map(name)
            .collect();
        let mut node = from.clone();
        let mut last = None;
        for names in names.chunks(Qids::MAX) {
            let mut qids = Qids::new();
            node = self.fs.walk(&cx(), &node, names, &mut qids)?;
            last = qids.last().copied();
        }
        let qid = last.unwrap_or_else(|| self.stat(&node).qid);
        Ok((node, qid))
    }

    pub fn try_walk(&self, path: &str) -> Result<Node, Errno> {
        self.try_walk_from(&self.root, path).map(|(node, _)| node)
    }

    pub fn walk(&self, path: &str) -> Node {
        self.try_walk(path)
            .unwrap_or_else(|e| panic!("walk to {path}: {e:?}"))
    }

    pub fn qid(&self, path: &str) -> Qid {
        self.try_walk_from(&self.root, path).unwrap().1
    }

    pub fn stat(&self, node: &Node) -> Attr {
        self.try_stat(node).unwrap()
    }

    pub fn try_stat(&self, node: &Node) -> Result<Attr, Errno> {
        self.fs.stat(&cx(), node, None, StatWant::all())
    }

    pub fn open(&self, node: &Node, flags: OpenFlags) -> Open {
        self.fs.open(&cx(), node, flags).unwrap().open
    }

    pub fn try_create(
        &self,
        dir: &Node,
        file: &str,
        flags: OpenFlags,
        mode: u32,
    ) -> Result<(Node, Opened), Errno> {
        self.fs
            .create(&cx(), dir, name(file), flags, mode, u32::MAX)
    }

    pub fn create(&self, file: &str) -> (Node, Open) {
        let (node, opened) = self
            .try_create(&self.root, file, RDWR, 0o644)
            .unwrap_or_else(|e| panic!("create {file}: {e:?}"));
        (node, opened.open)
    }

    pub fn mkdir(&self, dir: &Node, file: &str) -> Result<Qid, Errno> {
        let what = Make::Directory { mode: 0o755 };
        self.fs.make(&cx(), dir, name(file), what, u32::MAX)
    }

    pub fn set(&self, node: &Node, open: Option<&Open>, changes: SetAttr) -> Result<(), Errno> {
        self.fs.set(&cx(), node, open, &changes)
    }

    pub fn rename(&self, from: (&Node, &str), to: (&Node, &str)) -> Result<(), Errno> {
        let from = Place::Entry(from.0, name(from.1));
        self.fs.rename(&cx(), from, to.0, name(to.1))
    }

    pub fn rename_node(&self, node: &Node, to: (&Node, &str)) -> Result<(), Errno> {
        self.fs.rename(&cx(), Place::Node(node), to.0, name(to.1))
    }

    pub fn unlink(&self, dir: &Node, file: &str) -> Result<(), Errno> {
        self.fs
            .remove(&cx(), Place::Entry(dir, name(file)), Removal::File)
    }

    pub fn remove_node(&self, node: &Node) -> Result<(), Errno> {
        self.fs.remove(&cx(), Place::Node(node), Removal::Either)
    }

    pub fn read(&self, open: &Open, offset: u64, count: usize) -> Result<Vec<u8>, Errno> {
        let mut reply = Reply::new(count);
        self.fs.read(&cx(), open, offset, &mut reply)?;
        Ok(reply.bytes)
    }

    /// The content of a file, through an open of its own.
    pub fn content(&self, node: &Node) -> String {
        let open = self.open(node, READ);
        String::from_utf8(self.read(&open, 0, 1 << 12).unwrap()).unwrap()
    }

    pub fn write(&self, open: &Open, offset: u64, bytes: &[u8]) -> Result<usize, Errno> {
        self.fs.write(&cx(), open, offset, &mut Request(bytes))
    }

    pub fn xattr(&self, node: &Node, open: Option<&Open>, key: &str) -> Result<Vec<u8>, Errno> {
        self.fs.xattr(&cx(), node, open, key.as_bytes(), 1 << 16)
    }

    pub fn xattr_put(
        &self,
        node: &Node,
        open: Option<&Open>,
        key: &str,
        value: &[u8],
    ) -> Result<(), Errno> {
        self.fs
            .xattr_put(&cx(), node, open, key.as_bytes(), value, XattrPut::Any)
    }

    pub fn xattr_names(&self, node: &Node, open: Option<&Open>) -> Vec<String> {
        let list = self.fs.xattr_list(&cx(), node, open, 1 << 16).unwrap();
        list.split(|b| *b == 0)
            .filter(|n| !n.is_empty())
            .map(|n| String::from_utf8(n.to_vec()).unwrap())
            .collect()
    }

    /// The names in a directory, with qids, sorted.
    pub fn list(&self, dir: &Node) -> Vec<(String, Qid)> {
        let open = self.open(dir, READ);
        let mut all = Vec::new();
        self.fs
            .list(&cx(), &open, 0, &mut |entry| {
                all.push((String::from_utf8_lossy(entry.name).into_owned(), entry.qid));
                true
            })
            .unwrap();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

/// A reply in memory, filled by the calls that a server makes.
pub struct Reply {
    pub bytes: Vec<u8>,
    room: usize,
}

impl Reply {
    pub fn new(room: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(room),
            room,
        }
    }
}

impl ReplyBody for Reply {
    fn room(&self) -> usize {
        self.room
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        let put = bytes.len().min(self.room);
        self.bytes.extend_from_slice(&bytes[..put]);
        self.room -= put;
        put
    }

    fn read_from(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        flags: IoFlags,
    ) -> Result<usize, Errno> {
        let from = self.bytes.len();
        self.bytes.resize(from + self.room, 0);
        let mut how = ReadWriteFlags::empty();
        how.set(ReadWriteFlags::NOWAIT, flags.contains(IoFlags::NOWAIT));
        let into = std::io::IoSliceMut::new(&mut self.bytes[from..]);
        let result = preadv2(file, &mut [into], offset, how);
        let got = *result.as_ref().unwrap_or(&0);
        self.bytes.truncate(from + got);
        self.room -= got;
        result.map_err(|e| Errno::from_raw(e.raw_os_error()))
    }
}

/// A request's payload in memory.
pub struct Request<'a>(pub &'a [u8]);

impl RequestBody for Request<'_> {
    fn remaining(&self) -> usize {
        self.0.len()
    }

    fn take(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.0.len());
        into[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        count
    }

    fn write_to(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        _flags: IoFlags,
    ) -> Result<usize, Errno> {
        let from = std::io::IoSlice::new(self.0);
        let count = pwritev2(file, &[from], offset, ReadWriteFlags::empty())
            .map_err(|e| Errno::from_raw(e.raw_os_error()))?;
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// The inode number of a path of the host.
pub fn ino(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(path).unwrap().ino()
}
