//! `get` from a server that wants to do harm.

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
type Find = dyn Fn(&str, u64) -> Option<File> + Send + Sync;

#[derive(Clone)]
enum File {
    Directory(Vec<&'static str>),
    Link(String),
    Regular(&'static str),
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

impl Found {
    fn kind(&self) -> FileKind {
        match self.file {
            File::Directory(_) => FileKind::Directory,
            File::Link(_) => FileKind::Symlink,
            File::Regular(_) => FileKind::Regular,
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
        Ok(Attr {
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
        })
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
        if let (File::Regular(text), 0) = (&open.get::<Found>()?.file, offset) {
            reply.put(text.as_bytes());
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
        let File::Directory(names) = &found.file else {
            return Err(Errno::ENOTDIR);
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
        match &node.get::<Found>()?.file {
            File::Link(text) => Ok(text.clone().into_bytes()),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// `virtfs get -r` of all that such a server has, into the directory `in`; beside it is `out`.
fn get(find: impl Fn(&Path, &str, u64) -> Option<File> + Send + Sync + 'static) -> (TempDir, Done) {
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
    let mut command = virtfs("get");
    command.arg("-r").arg(format!("unix:{}", socket.display()));
    let output = command.arg("/").arg(dir.path().join("in")).output();
    drop(server.join().unwrap());
    assert_eq!(fs::read_dir(dir.path().join("out")).unwrap().count(), 1);
    let kept = fs::read_to_string(dir.path().join("out/file")).unwrap();
    assert_eq!(kept, "kept");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    (dir, Done::of(output.unwrap()))
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["", "../out/new", "a/b", "/etc/new", "..", "."] {
        let (dir, done) = get(move |_, path, _| match path {
            "" => Some(File::Directory(vec![name])),
            _ => Some(File::Regular("text")),
        });
        // What directories list of themselves is passed over; the rest breaks the protocol.
        let passed_over = matches!(name, "." | "..");
        assert_eq!(
            done.code,
            Some(if passed_over { 0 } else { 1 }),
            "{}",
            done.err
        );
        assert_eq!(fs::read_dir(dir.path().join("in")).unwrap().count(), 0);
    }
}

#[test]
fn a_link_made_before_is_not_followed_by_a_directory_of_its_name() {
    let (_dir, done) = get(|out, path, count| match path {
        "" => Some(File::Directory(vec!["evil", "evil", "evil"])),
        "/evil" if count % 2 == 1 => Some(File::Link(out.to_str()?.into())),
        "/evil" => Some(File::Directory(vec!["file", "planted"])),
        _ => Some(File::Regular("evil")),
    });
    done.failed();
}

#[test]
fn a_link_made_before_is_not_followed_by_a_file_of_its_name() {
    for first in 0..2 {
        let (dir, _) = get(move |out, path, count| match path {
            "" => Some(File::Directory(vec!["evil", "evil"])),
            "/evil" if count % 2 == first => Some(File::Link(out.join("file").to_str()?.into())),
            _ => Some(File::Regular("evil")),
        });
        assert_eq!(fs::read_dir(dir.path().join("in")).unwrap().count(), 1);
    }
}

#[test]
fn a_tree_without_a_bottom_is_given_up() {
    let (_dir, done) = get(|_, _, _| Some(File::Directory(vec!["loop"])));
    let err = done.failed();
    assert!(err.ends_with("loop: it is too deep\n"), "{err}");
}

#[test]
fn a_file_that_turns_into_a_directory_fails_alone() {
    let (dir, done) = get(|_, path, count| match path {
        "" => Some(File::Directory(vec!["x", "good"])),
        "/good" => Some(File::Regular("text")),
        _ if count < 3 => Some(File::Directory(vec!["x"])),
        _ => None,
    });
    done.failed();
    assert!(dir.path().join("in/good").exists());
}
