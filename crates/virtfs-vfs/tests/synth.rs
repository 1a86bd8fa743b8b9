//! The file system made by code.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use virtfs_vfs::conformance::{SliceRequest, VecReply};
use virtfs_vfs::synth::{Counter, File, Synth};
use virtfs_vfs::{
    Attr, Cx, Detached, Errno, FileKind, FileSystem, Make, Name, Node, Open, OpenFlags, Place,
    Qids, Removal, SetAttr, SetTime, StatWant, User, XattrPut,
};

const READ: OpenFlags = OpenFlags::READ;
const WRITE: OpenFlags = OpenFlags::WRITE;

fn cx() -> Cx<'static> {
    Cx::new(User::NOBODY, &Detached)
}

fn name(name: &str) -> Name<'_> {
    Name::new(name.as_bytes()).unwrap()
}

fn root(fs: &Synth) -> Node {
    fs.attach(&cx()).unwrap().0
}

fn walk(fs: &Synth, names: &[&str]) -> (Result<Node, Errno>, Qids) {
    let names: Vec<_> = names.iter().map(|n| name(n)).collect();
    let mut qids = Qids::new();
    (fs.walk(&cx(), &root(fs), &names, &mut qids), qids)
}

fn at(fs: &Synth, names: &[&str]) -> Node {
    walk(fs, names).0.unwrap()
}

fn stat(fs: &Synth, node: &Node) -> Attr {
    fs.stat(&cx(), node, None, StatWant::all()).unwrap()
}

fn open(fs: &Synth, called: &str, flags: OpenFlags) -> Result<Open, Errno> {
    let opened = fs.open(&cx(), &at(fs, &[called]), flags)?;
    Ok(opened.open)
}

fn read(fs: &Synth, open: &Open, offset: u64, count: usize) -> Result<Vec<u8>, Errno> {
    let mut reply = VecReply::new(count);
    fs.read(&cx(), open, offset, &mut reply)?;
    Ok(reply.into_bytes())
}

fn write(fs: &Synth, open: &Open, offset: u64, bytes: &[u8]) -> Result<usize, Errno> {
    fs.write(&cx(), open, offset, &mut SliceRequest::new(bytes))
}

fn names(fs: &Synth, open: &Open, cookie: u64, count: usize) -> Vec<(Vec<u8>, u64)> {
    let mut out = Vec::new();
    let mut take = |entry: &virtfs_vfs::DirEntry<'_>| {
        let room = out.len() < count;
        if room {
            out.push((entry.name.to_vec(), entry.next));
        }
        room
    };
    fs.list(&cx(), open, cookie, &mut take).unwrap();
    out
}

#[test]
fn a_tree_is_walked_up_and_down() {
    let fs = Synth::new().dir("a/b").file("a/f", File::bytes("x"));
    let (end, qids) = walk(&fs, &["a", "b", "..", "f"]);
    assert_eq!(stat(&fs, &end.unwrap()).qid, qids[3]);
    assert_eq!(qids[0].path, qids[2].path);
    assert_eq!(qids[3].kind, Some(FileKind::Regular));
    let (end, qids) = walk(&fs, &["..", ".", "a", "..", ".."]);
    let (_, attached) = fs.attach(&cx()).unwrap();
    assert_eq!(stat(&fs, &end.unwrap()).qid, attached);
    assert_eq!((qids[0], qids[4]), (attached, attached));
    let (end, qids) = walk(&fs, &["a", "missing", "b"]);
    assert_eq!((end.unwrap_err(), qids.len()), (Errno::ENOENT, 1));
    let (end, qids) = walk(&fs, &["a", "f", "x"]);
    assert_eq!((end.unwrap_err(), qids.len()), (Errno::ENOTDIR, 2));
    let (end, _) = walk(&fs, &["f"; 16]);
    assert_eq!(end.unwrap_err(), Errno::ENOENT);
}

#[test]
fn attributes_are_those_of_a_synthetic_file() {
    let fs = Synth::new().dir("d").file("f", File::bytes("12345"));
    let attr = stat(&fs, &root(&fs));
    assert_eq!((attr.mode, attr.uid, attr.gid), (0o040555, 0, 0));
    let attr = stat(&fs, &at(&fs, &["f"]));
    assert_eq!((attr.mode, attr.size, attr.nlink), (0o100444, 5, 1));
    assert_eq!(attr.qid.version, 0);
    assert_eq!(attr.mtime, Default::default());
    let other = stat(&fs, &at(&fs, &["d"]));
    assert_ne!(attr.qid.path, other.qid.path);
    let state = fs.statfs(&cx(), &root(&fs)).unwrap();
    assert_eq!((state.kind, state.bsize, state.namelen), (0xabcd, 512, 255));
}

#[test]
fn a_list_goes_on_behind_every_cookie() {
    let mut fs = Synth::new();
    for at in 0..100 {
        fs = fs.file(format!("file{at}"), File::new(0o644));
    }
    let dir = fs.open(&cx(), &root(&fs), READ).unwrap().open;
    let all = names(&fs, &dir, 0, usize::MAX);
    assert_eq!(all.len(), 102);
    assert_eq!((&all[0].0[..], &all[1].0[..]), (&b"."[..], &b".."[..]));
    for (at, (_, next)) in all.iter().enumerate() {
        assert_eq!(names(&fs, &dir, *next, usize::MAX), all[at + 1..]);
    }
    let mut in_steps: Vec<(Vec<u8>, u64)> = Vec::new();
    while in_steps.len() < all.len() {
        let cookie = in_steps.last().map_or(0, |entry| entry.1);
        in_steps.extend(names(&fs, &dir, cookie, 3));
    }
    assert_eq!(in_steps, all);
    assert!(names(&fs, &dir, u64::MAX, 9).is_empty());
    let file = open(&fs, "file1", OpenFlags::empty()).unwrap();
    let listed = fs.list(&cx(), &file, 0, &mut |_| true);
    assert_eq!(listed, Err(Errno::ENOTDIR));
    assert_eq!(read(&fs, &dir, 0, 9), Err(Errno::EISDIR));
}

#[test]
fn callbacks_get_offset_and_payload() {
    let written = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&written);
    let file = File::new(0o600)
        .read(|cx, offset, reply| {
            reply.put(format!("{} {offset}", cx.user.uid).as_bytes());
            Ok(())
        })
        .write(move |_, offset, body| {
            // As a device that takes one byte at a time.
            let mut byte = [0];
            let taken = body.take(&mut byte);
            sink.lock().unwrap().push((offset, byte[0]));
            Ok(taken)
        });
    let fs = Synth::new().file("f", file);
    let file = open(&fs, "f", READ | WRITE | OpenFlags::TRUNCATE).unwrap();
    let cx = Cx::new(User { uid: 7 }, &Detached);
    let mut reply = VecReply::new(99);
    fs.read(&cx, &file, 33, &mut reply).unwrap();
    assert_eq!(reply.bytes(), b"7 33");
    assert_eq!(write(&fs, &file, 5, b"xyz"), Ok(1));
    assert_eq!(*written.lock().unwrap(), [(5, b'x')]);
    assert_eq!(stat(&fs, &at(&fs, &["f"])).size, 0);
}

#[test]
fn what_was_put_before_an_error_is_read() {
    let file = File::new(0o400).read(|_, offset, reply| {
        if offset == 0 {
            reply.put(b"some");
        }
        Err(Errno::EIO)
    });
    let fs = Synth::new().file("f", file);
    let file = open(&fs, "f", READ).unwrap();
    assert_eq!(read(&fs, &file, 0, 9).unwrap(), b"some");
    assert_eq!(read(&fs, &file, 4, 9), Err(Errno::EIO));
}

#[test]
fn bytes_and_text_are_read_at_any_offset() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let text = File::text(move || format!("call {}\n", counted.fetch_add(1, Relaxed)));
    let fs = Synth::new()
        .file("bytes", File::bytes("0123456789"))
        .file("text", text);
    let bytes = open(&fs, "bytes", READ).unwrap();
    assert_eq!(read(&fs, &bytes, 0, 3).unwrap(), b"012");
    assert_eq!(read(&fs, &bytes, 8, 9).unwrap(), b"89");
    for beyond in [10, 11, u64::MAX] {
        assert_eq!(read(&fs, &bytes, beyond, 9).unwrap(), b"");
    }
    let text = open(&fs, "text", READ).unwrap();
    assert_eq!(read(&fs, &text, 0, 99).unwrap(), b"call 0\n");
    assert_eq!(read(&fs, &text, 5, 99).unwrap(), b"1\n");
}

#[test]
fn a_counter_counts() {
    let counter = Counter::new();
    let fs = Synth::new().file("c", counter.file());
    let file = open(&fs, "c", READ | WRITE).unwrap();
    assert_eq!(write(&fs, &file, 0, &[0; 10_000]), Ok(10_000));
    assert_eq!(write(&fs, &file, 1 << 60, b"xx"), Ok(2));
    assert_eq!(read(&fs, &file, 0, 99).unwrap(), b"10002\n");
    assert_eq!((counter.reads(), counter.writes()), (1, 2));
    assert_eq!(counter.bytes_written(), 10_002);
}

#[test]
fn a_file_is_opened_only_for_what_it_can() {
    let fs = Synth::new()
        .file("r", File::bytes("x"))
        .file("w", File::new(0o222).write(|_, _, _| Ok(0)));
    let opened = |called, flags| open(&fs, called, flags).map(drop);
    assert_eq!(opened("r", WRITE), Err(Errno::EACCES));
    assert_eq!(opened("r", READ | OpenFlags::TRUNCATE), Err(Errno::EACCES));
    assert_eq!(opened("w", READ), Err(Errno::EACCES));
    assert_eq!(
        opened("r", READ | OpenFlags::DIRECTORY),
        Err(Errno::ENOTDIR)
    );
    let reader = open(&fs, "r", READ).unwrap();
    assert_eq!(write(&fs, &reader, 0, b"x"), Err(Errno::EBADF));
    let writer = open(&fs, "w", WRITE).unwrap();
    assert_eq!(read(&fs, &writer, 0, 9), Err(Errno::EBADF));
    for flags in [WRITE, READ | OpenFlags::TRUNCATE] {
        let dir = fs.open(&cx(), &root(&fs), flags);
        assert_eq!(dir.unwrap_err(), Errno::EISDIR);
    }
}

#[test]
fn the_tree_cannot_be_changed() {
    let fs = Synth::new().dir("d").file("f", Counter::new().file());
    let (cx, root, file) = (cx(), root(&fs), at(&fs, &["f"]));
    let (old, new) = (name("f"), name("new"));
    let create = |called, flags| fs.create(&cx, &root, called, flags, 0o644, 0).map(drop);
    assert_eq!(create(new, READ), Err(Errno::ENOSYS));
    assert_eq!(create(old, READ | OpenFlags::EXCLUSIVE), Err(Errno::EEXIST));
    assert_eq!(create(old, READ), Ok(()));
    assert_eq!(create(name("d"), READ), Err(Errno::EISDIR));
    let dir = Make::Directory { mode: 0o755 };
    assert_eq!(fs.make(&cx, &root, new, dir, 0), Err(Errno::EPERM));
    assert_eq!(fs.make(&cx, &file, new, dir, 0), Err(Errno::ENOTDIR));
    assert_eq!(fs.link(&cx, &file, &root, new), Err(Errno::EPERM));
    let renamed = fs.rename(&cx, Place::Entry(&root, old), &root, new);
    assert_eq!(renamed, Err(Errno::EOPNOTSUPP));
    let by_name = fs.remove(&cx, Place::Entry(&root, old), Removal::File);
    assert_eq!(by_name, Err(Errno::EPERM));
    let by_node = fs.remove(&cx, Place::Node(&file), Removal::Either);
    assert_eq!(by_node, Err(Errno::EOPNOTSUPP));
    assert!(walk(&fs, &["f"]).0.is_ok());
}

#[test]
fn some_changes_are_accepted_and_forgotten() {
    let fs = Synth::new()
        .file("f", Counter::new().file())
        .file("r", File::bytes("x"));
    let cx = cx();
    let set = |called: &str, changes| fs.set(&cx, &at(&fs, &[called]), None, &changes);
    let some = SetAttr::default();
    let mtime = Some(SetTime::Now);
    assert_eq!(set("f", SetAttr { mtime, ..some }), Ok(()));
    assert_eq!(stat(&fs, &at(&fs, &["f"])).mtime, Default::default());
    let (zero, one) = (Some(0), Some(1));
    assert_eq!(set("f", SetAttr { size: zero, ..some }), Ok(()));
    let refused = set("f", SetAttr { size: one, ..some });
    assert_eq!(refused, Err(Errno::ENOSYS));
    let refused = set("r", SetAttr { size: zero, ..some });
    assert_eq!(refused, Err(Errno::ENOSYS));
    let refused = set(
        "f",
        SetAttr {
            mode: Some(0o600),
            ..some
        },
    );
    assert_eq!(refused, Err(Errno::EPERM));
    assert_eq!(
        set(
            "f",
            SetAttr {
                uid: Some(1),
                ..some
            }
        ),
        Err(Errno::EPERM)
    );
    let file = at(&fs, &["f"]);
    let put = fs.xattr_put(&cx, &file, None, b"user.a", b"1", XattrPut::Any);
    assert_eq!(put, Ok(()));
    let got = fs.xattr(&cx, &file, None, b"user.a", 99);
    assert_eq!(got, Err(Errno::EOPNOTSUPP));
    let opened = open(&fs, "f", READ).unwrap();
    assert_eq!(fs.sync(&cx, &opened, false), Ok(()));
    assert_eq!(fs.readlink(&cx, &file), Err(Errno::EINVAL));
}

#[test]
fn handles_of_another_are_refused() {
    let (fs, other) = (
        Synth::new().file("f", File::bytes("x")),
        Synth::new().file("f", File::bytes("y")),
    );
    let (node, cx) = (at(&other, &["f"]), cx());
    let opened = open(&other, "f", READ).unwrap();
    let stat = fs.stat(&cx, &node, None, StatWant::empty());
    assert_eq!(stat, Err(Errno::EBADF));
    let walked = fs.walk(&cx, &node, &[], &mut Qids::new());
    assert_eq!(walked.unwrap_err(), Errno::EBADF);
    assert_eq!(fs.open(&cx, &node, READ).unwrap_err(), Errno::EBADF);
    assert_eq!(read(&fs, &opened, 0, 9), Err(Errno::EBADF));
    assert_eq!(fs.sync(&cx, &opened, false), Err(Errno::EBADF));
}

#[test]
#[should_panic(expected = "exists")]
fn a_path_is_taken_once() {
    let _ = Synth::new().dir("a").file("a", File::new(0));
}

#[test]
#[should_panic(expected = "is not a name")]
fn a_path_is_made_of_names() {
    let _ = Synth::new().dir("a/../b");
}

#[test]
#[should_panic(expected = "in a file")]
fn a_path_leads_through_directories() {
    let _ = Synth::new().file("a", File::new(0)).dir("a/b");
}
