//! A server that wants to do harm, and `get` from it.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use virtfs_server::FdStream;
use virtfs_tests::Served;
use virtfs_vfs::{
    Attr, Cx, Device, DirEntry, Errno, FileKind, FileSystem, Name, Node, Open, OpenFlags, Opened,
    Qid, Qids, ReplyBody, StatFs, StatWant, Time,
};

use crate::site::{Done, virtfs};

/// What a walk finds: by path, and how often it was asked for.
pub(crate) type Find = dyn Fn(&str, u64) -> Option<File> + Send + Sync;

#[derive(Clone)]
pub(crate) enum File {
    Directory(Vec<&'static str>),
    /// Its listing begins anew each time, that often.
    Endless(u64),
    Link(String),
    Regular(&'static str),
    /// What a read from an offset on gives.
    Read(fn(u64, &mut dyn ReplyBody) -> Result<(), Errno>),
    Device,
    /// With an extended attribute.
    Attributed(&'static str),
    /// What it says of itself, changed.
    Says(Box<File>, fn(&mut Attr)),
}

/// A file system without scruples: names as the test wants them, files that change their type.
struct Hostile {
    find: Box<Find>,
    asked: AtomicU64,
}

struct Found {
    path: String,
    file: File,
}

impl Hostile {
    fn find(&self, path: &str) -> Option<Found> {
        let file = (self.find)(path, self.asked.fetch_add(1, Ordering::Relaxed))?;
        Some(Found {
            path: path.into(),
            file,
        })
    }
}

impl File {
    /// Itself, without what is changed.
    fn plain(&self) -> &File {
        match self {
            File::Says(file, _) => file.plain(),
            file => file,
        }
    }
}

impl Found {
    fn kind(&self) -> FileKind {
        match self.file.plain() {
            File::Directory(_) | File::Endless(_) => FileKind::Directory,
            File::Link(_) => FileKind::Symlink,
            File::Device => FileKind::CharDevice,
            _ => FileKind::Regular,
        }
    }

    fn qid(&self) -> Qid {
        let path = self.path.bytes().fold(7, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Qid {
            kind: Some(self.kind()),
            version: 1,
            path,
        }
    }
}

impl FileSystem for Hostile {
    fn attach(&self, _: &Cx<'_>) -> Result<(Node, Qid), Errno> {
        let root = self.find("").ok_or(Errno::ENOENT)?;
        let qid = root.qid();
        Ok((Node::new(Arc::new(root)), qid))
    }

    fn walk(
        &self,
        _: &Cx<'_>,
        start: &Node,
        names: &[Name<'_>],
        qids: &mut Qids,
    ) -> Result<Node, Errno> {
        let mut node = start.clone();
        for name in names {
            let name = String::from_utf8_lossy(name.as_bytes());
            let path = format!("{}/{name}", node.get::<Found>()?.path);
            let found = self.find(&path).ok_or(Errno::ENOENT)?;
            qids.push(found.qid());
            node = Node::new(Arc::new(found));
        }
        Ok(node)
    }

    fn stat(&self, _: &Cx<'_>, node: &Node, _: Option<&Open>, _: StatWant) -> Result<Attr, Errno> {
        let found = node.get::<Found>()?;
        let time = Time { sec: 1, nsec: 0 };
        let mut attr = Attr {
            qid: found.qid(),
            mode: found.kind().mode_bits() | 0o755,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            nlink: 1,
            rdev: Device { major: 0, minor: 0 },
            size: 4,
            blksize: 4096,
            blocks: 8,
            atime: time,
            mtime: time,
            ctime: time,
            btime: None,
            generation: None,
        };
        if let File::Says(_, change) = &found.file {
            change(&mut attr);
        }
        Ok(attr)
    }

    fn open(&self, _: &Cx<'_>, node: &Node, _: OpenFlags) -> Result<Opened, Errno> {
        let found = node.share::<Found>()?;
        Ok(Opened {
            qid: found.qid(),
            open: Open::new(found),
            blksize: 4096,
        })
    }

    fn read(
        &self,
        _: &Cx<'_>,
        open: &Open,
        offset: u64,
        reply: &mut dyn ReplyBody,
    ) -> Result<(), Errno> {
        match open.get::<Found>()?.file.plain() {
            File::Read(read) => return read(offset, reply),
            File::Regular(text) if offset == 0 => {
                reply.put(text.as_bytes());
            }
            _ => {}
        }
        Ok(())
    }

    fn list(
        &self,
        _: &Cx<'_>,
        open: &Open,
        cookie: u64,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<(), Errno> {
        let found = open.get::<Found>()?;
        let names = match found.file.plain() {
            File::Directory(names) => names,
            File::Endless(most) => {
                let listed = self.asked.fetch_add(1, Ordering::Relaxed);
                let entry = DirEntry {
                    qid: found.qid(),
                    next: 1,
                    kind: 0,
                    name: b"again",
                };
                // Far beyond what any client needs to see what it is at.
                if listed < *most {
                    take(&entry);
                }
                return Ok(());
            }
            _ => return Err(Errno::ENOTDIR),
        };
        for (at, name) in names.iter().enumerate().skip(cookie as usize) {
            let entry = DirEntry {
                qid: found.qid(),
                next: at as u64 + 1,
                kind: 0,
                name: name.as_bytes(),
            };
            if !take(&entry) {
                break;
            }
        }
        Ok(())
    }

    fn statfs(&self, _: &Cx<'_>, _: &Node) -> Result<StatFs, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn readlink(&self, _: &Cx<'_>, node: &Node) -> Result<Vec<u8>, Errno> {
        match node.get::<Found>()?.file.plain() {
            File::Link(text) => Ok(text.clone().into_bytes()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn xattr(
        &self,
        _: &Cx<'_>,
        node: &Node,
        _: Option<&Open>,
        name: &[u8],
        _: usize,
    ) -> Result<Vec<u8>, Errno> {
        match node.get::<Found>()?.file.plain() {
            File::Attributed(has) if has.as_bytes() == name => Ok(b"value".into()),
            _ => Err(Errno::ENODATA),
        }
    }

    fn xattr_list(
        &self,
        _: &Cx<'_>,
        node: &Node,
        _: Option<&Open>,
        _: usize,
    ) -> Result<Vec<u8>, Errno> {
        match node.get::<Found>()?.file.plain() {
            File::Attributed(name) => Ok([name.as_bytes(), b"\0"].concat()),
            _ => Ok(Vec::new()),
        }
    }
}

/// `virtfs get -r` of all that such a server has, into the directory `in`; beside it is `out`.
pub(crate) fn get(
    find: impl Fn(&Path, &str, u64) -> Option<File> + Send + Sync + 'static,
) -> (TempDir, Done) {
    run(&["get", "-r"], find)
}

/// The same by another command; what it prints is left alone.
pub(crate) fn run(
    command: &[&str],
    find: impl Fn(&Path, &str, u64) -> Option<File> + Send + Sync + 'static,
) -> (TempDir, Done) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["in", "out"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("out/file"), "kept").unwrap();
    let socket = dir.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let out = dir.path().join("out");
    let served = Served::fs(Hostile {
        find: Box::new(move |path, count| find(&out, path, count)),
        asked: AtomicU64::new(0),
    });
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        served.server.serve(FdStream::socket(stream)).unwrap();
        served
    });
    let (name, flags) = command.split_first().unwrap();
    let mut command = virtfs(name);
    command
        .args(flags)
        .arg(format!("unix:{}", socket.display()));
    match *name {
        "get" => command.arg("/").arg(dir.path().join("in")),
        _ => command.arg("top"),
    };
    let output = command.output();
    drop(server.join().unwrap());
    assert_eq!(fs::read_dir(dir.path().join("out")).unwrap().count(), 1);
    let kept = fs::read_to_string(dir.path().join("out/file")).unwrap();
    assert_eq!(kept, "kept");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    (dir, Done::of(output.unwrap()))
}
