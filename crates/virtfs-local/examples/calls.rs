//! Makes one call of each kind between marks, so that `strace` shows what each costs:
//!
//! ```sh
//! cargo build --example calls && strace -o trace target/debug/examples/calls && cat trace
//! ```
//!
//! The first argument is the security model, passthrough without one.
//!
//! A mark is a look at a path that does not exist.

use std::os::fd::BorrowedFd;

use rustix::io::{IoSliceMut, ReadWriteFlags, preadv2, pwrite};
use virtfs_local::{Containment, LocalFs, Options};
use virtfs_vfs::{
    Cx, Detached, Errno, FileSystem, IoFlags, Make, Name, Node, OpenFlags, Place, Qids, Removal,
    ReplyBody, RequestBody, SetAttr, StatWant, User, XattrPut,
};

struct Reply(Vec<u8>, usize);

impl ReplyBody for Reply {
    fn room(&self) -> usize {
        self.0.len() - self.1
    }

    fn put(&mut self, _: &[u8]) -> usize {
        0
    }

    fn read_from(&mut self, f: BorrowedFd<'_>, at: u64, how: IoFlags) -> Result<usize, Errno> {
        let mut flags = ReadWriteFlags::empty();
        flags.set(ReadWriteFlags::NOWAIT, how.contains(IoFlags::NOWAIT));
        let rest = self.0.get_mut(self.1..).unwrap_or_default();
        let got = preadv2(f, &mut [IoSliceMut::new(rest)], at, flags)
            .map_err(|e| Errno::from_raw(e.raw_os_error()))?;
        self.1 += got;
        Ok(got)
    }
}

struct Request<'a>(&'a [u8]);

impl RequestBody for Request<'_> {
    fn remaining(&self) -> usize {
        self.0.len()
    }

    fn take(&mut self, _: &mut [u8]) -> usize {
        0
    }

    fn write_to(&mut self, f: BorrowedFd<'_>, at: u64, _: IoFlags) -> Result<usize, Errno> {
        let n = pwrite(f, self.0, at).map_err(|e| Errno::from_raw(e.raw_os_error()))?;
        self.0 = self.0.get(n..).unwrap_or_default();
        Ok(n)
    }
}

fn name(name: &str) -> Name<'_> {
    Name::new(name.as_bytes()).expect("a name")
}

fn mark(text: &str) {
    let _ = std::fs::metadata(format!("/MARK {text}"));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    std::fs::create_dir_all(dir.path().join("a/b/c"))?;
    std::fs::write(dir.path().join("a/b/c/file"), vec![7; 65536])?;
    let model = std::env::args().nth(1);
    let options = Options {
        model: model.as_deref().unwrap_or("passthrough").parse()?,
        containment: Containment::Landlock,
        ..Options::default()
    };
    let fs = LocalFs::open(dir.path(), options)?;
    fs.prepare_thread();
    let cx = Cx::new(User { uid: 1000 }, &Detached);
    let (root, _) = fs.attach(&cx)?;
    let walk = |from: &Node, path: &str| {
        let names: Vec<_> = path.split('/').map(name).collect();
        fs.walk(&cx, from, &names, &mut Qids::new())
    };

    mark("walk of 4 names, new");
    let file = walk(&root, "a/b/c/file")?;
    mark("walk of 4 names, known");
    let again = walk(&root, "a/b/c/file")?;
    mark("clunk of one of two fids");
    drop(again);
    mark("getattr");
    fs.stat(&cx, &file, None, StatWant::BTIME)?;
    std::thread::sleep(std::time::Duration::from_millis(1100));
    fs.stat(&cx, &file, None, StatWant::BTIME)?;
    mark("getattr of what has not changed for a second");
    fs.stat(&cx, &file, None, StatWant::BTIME)?;
    mark("getattr with generation, the first");
    fs.stat(&cx, &file, None, StatWant::all())?;
    mark("getattr with generation");
    fs.stat(&cx, &file, None, StatWant::all())?;
    mark("lopen");
    let open = fs
        .open(&cx, &file, OpenFlags::READ | OpenFlags::WRITE)?
        .open;
    mark("read, cached");
    fs.read(&cx, &open, 0, &mut Reply(vec![0; 4096], 0))?;
    mark("read over the end");
    fs.read(&cx, &open, 65000, &mut Reply(vec![0; 4096], 0))?;
    mark("write");
    fs.write(&cx, &open, 0, &mut Request(b"content"))?;
    mark("setattr of size, open");
    let size = SetAttr {
        size: Some(100),
        ..SetAttr::default()
    };
    fs.set(&cx, &file, Some(&open), &size)?;
    mark("setattr of size, not open");
    fs.set(&cx, &file, None, &size)?;
    mark("setattr of mode");
    let mode = SetAttr {
        mode: Some(0o640),
        ..SetAttr::default()
    };
    fs.set(&cx, &file, None, &mode)?;
    mark("setattr of owner");
    let owner = SetAttr {
        uid: Some(1000),
        gid: Some(1000),
        ..SetAttr::default()
    };
    fs.set(&cx, &file, None, &owner)?;
    mark("xattr, missing");
    let _ = fs.xattr(&cx, &file, None, b"user.a", 100);
    mark("xattr put");
    fs.xattr_put(&cx, &file, None, b"user.a", b"b", XattrPut::Any)?;
    mark("xattr");
    fs.xattr(&cx, &file, None, b"user.a", 100)?;
    mark("clunk of an open file whose node stays");
    drop(open);
    let dir_node = walk(&root, "a/b/c")?;
    mark("lcreate");
    let made = fs.create(&cx, &dir_node, name("new"), OpenFlags::WRITE, 0o644, 1000)?;
    mark("clunk of it, open");
    drop(made);
    mark("lcreate with setgid");
    let made = fs.create(&cx, &dir_node, name("set"), OpenFlags::WRITE, 0o2755, 1000)?;
    drop(made);
    mark("mkdir");
    let what = Make::Directory { mode: 0o755 };
    fs.make(&cx, &dir_node, name("dir"), what, 1000)?;
    mark("symlink");
    let what = Make::Symlink { target: b"target" };
    fs.make(&cx, &dir_node, name("link"), what, 1000)?;
    mark("link");
    fs.link(&cx, &file, &dir_node, name("hard"))?;
    mark("walk of a new name");
    let new = walk(&dir_node, "new")?;
    mark("clunk, the last of its node");
    drop(new);
    mark("walk of a missing name");
    let _ = walk(&dir_node, "missing");
    mark("renameat");
    let from = Place::Entry(&dir_node, name("new"));
    fs.rename(&cx, from, &dir_node, name("NEW"))?;
    drop(fs.create(&cx, &dir_node, name("over"), OpenFlags::WRITE, 0o644, 1000)?);
    mark("renameat over a file");
    let from = Place::Entry(&dir_node, name("over"));
    fs.rename(&cx, from, &dir_node, name("NEW"))?;
    mark("unlinkat");
    let what = Place::Entry(&dir_node, name("NEW"));
    fs.remove(&cx, what, Removal::File)?;
    mark("remove of a node");
    fs.remove(&cx, Place::Node(&file), Removal::Either)?;
    mark("statfs");
    fs.statfs(&cx, &dir_node)?;
    let open = fs.open(&cx, &dir_node, OpenFlags::READ)?.open;
    mark("readdir to the end");
    fs.list(&cx, &open, 0, &mut |_| true)?;
    mark("end");
    Ok(())
}
