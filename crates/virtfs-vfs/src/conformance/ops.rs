//! Calls as short as the cases want them.

use super::{Fixture, SliceRequest, VecReply};
use crate::{
    Attr, DirEntry, Errno, Make, Name, Node, Open, OpenFlags, Opened, Place, Qid, Qids, Removal,
    SetAttr, StatWant,
};

pub(super) const READ: OpenFlags = OpenFlags::READ;
pub(super) const WRITE: OpenFlags = OpenFlags::WRITE;
pub(super) const RDWR: OpenFlags = OpenFlags::READ.union(OpenFlags::WRITE);

/// An entry of a list, kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Listed {
    pub(super) name: Vec<u8>,
    pub(super) next: u64,
    pub(super) qid: Qid,
    pub(super) kind: u8,
}

#[track_caller]
pub(super) fn name<N: AsRef<[u8]> + ?Sized>(name: &N) -> Name<'_> {
    Name::new(name.as_ref()).expect("a name")
}

/// That a call failed with one of these.
#[track_caller]
pub(super) fn fails<T>(answer: Result<T, Errno>, with: &[Errno]) {
    match answer {
        Ok(_) => panic!("succeeded instead of {with:?}"),
        Err(error) => assert!(with.contains(&error), "{error:?} instead of {with:?}"),
    }
}

impl Fixture {
    /// Walks a path of names parted by slashes.
    pub(super) fn walk(&self, from: &Node, path: &str) -> Result<Node, Errno> {
        let names: Vec<_> = path.split('/').map(name).collect();
        let mut node = from.clone();
        for names in names.chunks(Qids::MAX) {
            let mut qids = Qids::new();
            node = self.fs().walk(&self.cx(), &node, names, &mut qids)?;
            assert_eq!(
                qids.len(),
                names.len(),
                "a walk that succeeds gives all qids"
            );
        }
        Ok(node)
    }

    /// What lies at this path below the root.
    #[track_caller]
    pub(super) fn at(&self, path: &str) -> Node {
        match self.walk(self.root(), path) {
            Ok(node) => node,
            Err(error) => panic!("{path}: {error:?}"),
        }
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        match self.walk(self.root(), path) {
            Ok(_) => true,
            Err(Errno::ENOENT) => false,
            Err(error) => panic!("{path}: {error:?}"),
        }
    }

    pub(super) fn create<N: AsRef<[u8]> + ?Sized>(
        &self,
        dir: &Node,
        called: &N,
        flags: OpenFlags,
        mode: u32,
    ) -> Result<(Node, Opened), Errno> {
        let (cx, gid) = (self.cx(), self.gid());
        self.fs().create(&cx, dir, name(called), flags, mode, gid)
    }

    /// A new file with this content.
    #[track_caller]
    pub(super) fn file<N: AsRef<[u8]> + ?Sized>(
        &self,
        dir: &Node,
        called: &N,
        content: &[u8],
    ) -> Node {
        self.open_file(dir, called, content).0
    }

    /// A new file with this content, and an open file for reading and writing.
    #[track_caller]
    pub(super) fn open_file<N: AsRef<[u8]> + ?Sized>(
        &self,
        dir: &Node,
        called: &N,
        content: &[u8],
    ) -> (Node, Open) {
        let created = self.create(dir, called, RDWR | OpenFlags::EXCLUSIVE, 0o644);
        let (node, opened) = created.expect("create");
        self.write_all(&opened.open, 0, content);
        (node, opened.open)
    }

    pub(super) fn make<N: AsRef<[u8]> + ?Sized>(
        &self,
        dir: &Node,
        called: &N,
        what: Make<'_>,
    ) -> Result<Qid, Errno> {
        self.fs()
            .make(&self.cx(), dir, name(called), what, self.gid())
    }

    /// A new directory.
    #[track_caller]
    pub(super) fn dir<N: AsRef<[u8]> + ?Sized>(&self, dir: &Node, called: &N) -> Node {
        let made = self.make(dir, called, Make::Directory { mode: 0o755 });
        made.expect("make a directory");
        let mut qids = Qids::new();
        let node = self.fs().walk(&self.cx(), dir, &[name(called)], &mut qids);
        node.expect("walk to a new directory")
    }

    /// A new symbolic link.
    #[track_caller]
    pub(super) fn symlink(&self, dir: &Node, called: &str, target: &[u8]) -> Node {
        let made = self.make(dir, called, Make::Symlink { target });
        made.expect("make a symbolic link");
        self.walk(dir, called).expect("walk to a new link")
    }

    /// A directory that was there and is no more.
    #[track_caller]
    pub(super) fn removed_dir(&self) -> Node {
        let dir = self.dir(self.root(), "removed");
        let removed = self.remove(self.root(), "removed", Removal::Directory);
        removed.expect("remove a directory");
        dir
    }

    #[track_caller]
    pub(super) fn stat(&self, node: &Node) -> Attr {
        let attr = self.fs().stat(&self.cx(), node, None, StatWant::empty());
        attr.expect("stat")
    }

    pub(super) fn set(&self, node: &Node, changes: SetAttr) -> Result<(), Errno> {
        self.fs().set(&self.cx(), node, None, &changes)
    }

    pub(super) fn open(&self, node: &Node, flags: OpenFlags) -> Result<Open, Errno> {
        let opened = self.fs().open(&self.cx(), node, flags)?;
        Ok(opened.open)
    }

    pub(super) fn read(&self, open: &Open, offset: u64, count: usize) -> Result<Vec<u8>, Errno> {
        let mut reply = VecReply::new(count);
        self.fs().read(&self.cx(), open, offset, &mut reply)?;
        Ok(reply.into_bytes())
    }

    pub(super) fn write(&self, open: &Open, offset: u64, bytes: &[u8]) -> Result<usize, Errno> {
        let mut body = SliceRequest::new(bytes);
        self.fs().write(&self.cx(), open, offset, &mut body)
    }

    #[track_caller]
    pub(super) fn write_all(&self, open: &Open, offset: u64, bytes: &[u8]) {
        assert_eq!(self.write(open, offset, bytes), Ok(bytes.len()));
    }

    /// All that a file holds.
    #[track_caller]
    pub(super) fn content(&self, node: &Node) -> Vec<u8> {
        let open = self.open(node, READ).expect("open to read");
        self.read(&open, 0, 1 << 22).expect("read")
    }

    pub(super) fn rename(&self, from: (&Node, &str), to: (&Node, &str)) -> Result<(), Errno> {
        let place = Place::Entry(from.0, name(from.1));
        self.fs().rename(&self.cx(), place, to.0, name(to.1))
    }

    pub(super) fn rename_node(&self, node: &Node, to: (&Node, &str)) -> Result<(), Errno> {
        let place = Place::Node(node);
        self.fs().rename(&self.cx(), place, to.0, name(to.1))
    }

    pub(super) fn remove<N: AsRef<[u8]> + ?Sized>(
        &self,
        dir: &Node,
        called: &N,
        kind: Removal,
    ) -> Result<(), Errno> {
        let place = Place::Entry(dir, name(called));
        self.fs().remove(&self.cx(), place, kind)
    }

    pub(super) fn remove_node(&self, node: &Node, kind: Removal) -> Result<(), Errno> {
        self.fs().remove(&self.cx(), Place::Node(node), kind)
    }

    pub(super) fn link(&self, node: &Node, dir: &Node, called: &str) -> Result<(), Errno> {
        self.fs().link(&self.cx(), node, dir, name(called))
    }

    pub(super) fn readlink(&self, node: &Node) -> Result<Vec<u8>, Errno> {
        self.fs().readlink(&self.cx(), node)
    }

    /// At most `count` entries behind a cookie.
    #[track_caller]
    pub(super) fn list(&self, open: &Open, cookie: u64, count: usize) -> Vec<Listed> {
        let mut out = Vec::new();
        let mut refused = false;
        let mut take = |entry: &DirEntry<'_>| {
            assert!(!refused, "an entry was given after one was refused");
            let room = out.len() < count;
            refused = !room;
            if room {
                out.push(Listed {
                    name: entry.name.to_vec(),
                    next: entry.next,
                    qid: entry.qid,
                    kind: entry.kind,
                });
            }
            room
        };
        let listed = self.fs().list(&self.cx(), open, cookie, &mut take);
        listed.expect("list");
        out
    }

    /// All names in a directory but `.` and `..`, sorted.
    #[track_caller]
    pub(super) fn names(&self, dir: &Node) -> Vec<Vec<u8>> {
        let open = self.open(dir, READ).expect("open a directory");
        let all = self.list(&open, 0, usize::MAX).into_iter();
        let mut names: Vec<_> = all
            .map(|entry| entry.name)
            .filter(|name| name != b"." && name != b"..")
            .collect();
        names.sort();
        names
    }
}
