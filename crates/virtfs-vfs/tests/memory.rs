//! What the file system in memory promises beyond the suite.

use virtfs_vfs::conformance::{Fixture, Has, cases, run};
use virtfs_vfs::conformance::{Outcome, SliceRequest, VecReply};
use virtfs_vfs::memory::MemoryFs;
use virtfs_vfs::{
    Cx, Detached, Errno, FileSystem, Make, Name, Node, Open, OpenFlags, Place, Qids, Removal,
    SetAttr, StatFs, StatWant, User, XattrPut,
};

const RDWR: OpenFlags = OpenFlags::READ.union(OpenFlags::WRITE);

fn cx() -> Cx<'static> {
    Cx::new(User::NOBODY, &Detached)
}

fn name(name: &[u8]) -> Name<'_> {
    Name::new(name).unwrap()
}

fn root(fs: &MemoryFs) -> Node {
    fs.attach(&cx()).unwrap().0
}

fn state(fs: &MemoryFs) -> StatFs {
    fs.statfs(&cx(), &root(fs)).unwrap()
}

fn file(fs: &MemoryFs, called: &[u8]) -> Result<(Node, Open), Errno> {
    let created = fs.create(&cx(), &root(fs), name(called), RDWR, 0o644, 0)?;
    Ok((created.0, created.1.open))
}

fn write(fs: &MemoryFs, open: &Open, offset: u64, bytes: &[u8]) -> Result<usize, Errno> {
    fs.write(&cx(), open, offset, &mut SliceRequest::new(bytes))
}

fn dir(fs: &MemoryFs, parent: &Node, called: &[u8]) -> Node {
    let what = Make::Directory { mode: 0o755 };
    fs.make(&cx(), parent, name(called), what, 0).unwrap();
    fs.walk(&cx(), parent, &[name(called)], &mut Qids::new())
        .unwrap()
}

#[test]
fn the_limit_bounds_content() {
    let fs = MemoryFs::with_limit(64 << 10);
    let (node, open) = file(&fs, b"f").unwrap();
    let written = write(&fs, &open, 0, &[1; 100_000]).unwrap();
    assert!((40_000..64 << 10).contains(&written), "{written}");
    assert_eq!(write(&fs, &open, written as u64, b"x"), Err(Errno::ENOSPC));
    assert_eq!(state(&fs).bfree, 0);
    // What is there can still be changed, and given back.
    assert_eq!(write(&fs, &open, 0, b"x"), Ok(1));
    let cut = SetAttr {
        size: Some(0),
        ..SetAttr::default()
    };
    fs.set(&cx(), &node, None, &cut).unwrap();
    assert_eq!(write(&fs, &open, 0, &[1; 20_000]), Ok(20_000));
}

#[test]
fn the_limit_bounds_names_links_and_attributes() {
    let fs = MemoryFs::with_limit(64 << 10);
    let (node, _) = file(&fs, b"f").unwrap();
    let mut count = 0;
    let full = loop {
        let called = format!("{count:0>200}");
        match fs.link(&cx(), &node, &root(&fs), name(called.as_bytes())) {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
        assert!(count < 1000);
    };
    assert_eq!(full, Errno::ENOSPC);
    let what = Make::Symlink {
        target: &[b'x'; 2000],
    };
    let made = fs.make(&cx(), &root(&fs), name(b"l"), what, 0);
    assert_eq!(made, Err(Errno::ENOSPC));
    assert!(file(&fs, b"g").is_err());
    let put = |value: &[u8]| fs.xattr_put(&cx(), &node, None, b"user.a", value, XattrPut::Any);
    assert_eq!(put(&[1; 2000]), Err(Errno::ENOSPC));
    let entry = Place::Entry(&root(&fs), name(b"f"));
    let longer = fs.rename(&cx(), entry, &root(&fs), name(&[b'y'; 255]));
    assert!(matches!(longer, Ok(()) | Err(Errno::ENOSPC)));
}

#[test]
fn all_that_was_used_comes_back() {
    let fs = MemoryFs::with_limit(1 << 20);
    let before = state(&fs);
    {
        let (node, open) = file(&fs, b"f").unwrap();
        write(&fs, &open, 1 << 30, &[1; 50_000]).unwrap();
        fs.xattr_put(&cx(), &node, None, b"user.a", &[1; 99], XattrPut::Any)
            .unwrap();
        fs.link(&cx(), &node, &root(&fs), name(b"g")).unwrap();
        let (a, b) = (dir(&fs, &root(&fs), b"a"), dir(&fs, &root(&fs), b"b"));
        let inner = dir(&fs, &a, b"inner");
        fs.rename(&cx(), Place::Node(&inner), &b, name(b"a longer name"))
            .unwrap();
        fs.rename(&cx(), Place::Node(&a), &b, name(b"a longer name"))
            .unwrap();
        for node in [&a, &b, &node] {
            fs.remove(&cx(), Place::Node(node), Removal::Either)
                .unwrap();
        }
        let last = Place::Entry(&root(&fs), name(b"g"));
        fs.remove(&cx(), last, Removal::File).unwrap();
        assert!(state(&fs).bfree < before.bfree, "it is still open");
    }
    assert_eq!(state(&fs), before);
}

#[test]
fn a_deep_tree_is_built_held_and_dropped() {
    const DEPTH: usize = 20_000;
    let fs = MemoryFs::with_limit(1 << 30);
    let before = state(&fs);
    let mut nodes = vec![root(&fs)];
    for _ in 0..DEPTH {
        let below = dir(&fs, nodes.last().unwrap(), b"d");
        nodes.push(below);
    }
    let into_itself = fs.rename(&cx(), Place::Node(&nodes[1]), &nodes[DEPTH], name(b"x"));
    assert_eq!(into_itself, Err(Errno::EINVAL));
    // From the bottom up; the deepest one holds all that it was in.
    let bottom = nodes.pop().unwrap();
    fs.remove(&cx(), Place::Node(&bottom), Removal::Directory)
        .unwrap();
    while nodes.len() > 1 {
        let node = nodes.pop().unwrap();
        fs.remove(&cx(), Place::Node(&node), Removal::Directory)
            .unwrap();
    }
    let up = [name(b".."); 16];
    fs.walk(&cx(), &bottom, &up, &mut Qids::new()).unwrap();
    drop(bottom);
    assert_eq!(state(&fs), before);
    // And a whole tree at once.
    let mut node = root(&fs);
    for _ in 0..DEPTH {
        node = dir(&fs, &node, b"d");
    }
    drop(node);
    drop(fs);
}

#[test]
fn handles_of_another_are_refused() {
    let (fs, other) = (MemoryFs::new(), MemoryFs::new());
    let (node, open) = file(&other, b"f").unwrap();
    let stat = fs.stat(&cx(), &node, None, StatWant::empty());
    assert_eq!(stat, Err(Errno::EBADF));
    assert_eq!(
        fs.link(&cx(), &node, &root(&fs), name(b"x")),
        Err(Errno::EBADF)
    );
    assert_eq!(write(&fs, &open, 0, b"x"), Err(Errno::EBADF));
    let mut reply = VecReply::new(1);
    assert_eq!(fs.read(&cx(), &open, 0, &mut reply), Err(Errno::EBADF));
}

#[test]
fn a_clone_is_the_same_file_system() {
    let fs = MemoryFs::new();
    let (node, _) = file(&fs, b"f").unwrap();
    assert!(
        fs.clone()
            .stat(&cx(), &node, None, StatWant::empty())
            .is_ok()
    );
}

#[test]
fn dots_are_refused_where_entries_change() {
    let fs = MemoryFs::new();
    let (root, d) = (root(&fs), dir(&fs, &root(&fs), b"d"));
    for dots in [name(b"."), name(b"..")] {
        assert!(fs.create(&cx(), &d, dots, RDWR, 0o644, 0).is_err());
        let what = Make::Directory { mode: 0o755 };
        assert!(fs.make(&cx(), &d, dots, what, 0).is_err());
        let entry = Place::Entry(&d, dots);
        assert!(fs.remove(&cx(), entry, Removal::Either).is_err());
        assert!(fs.rename(&cx(), entry, &root, name(b"x")).is_err());
        assert!(fs.rename(&cx(), Place::Node(&d), &root, dots).is_err());
    }
}

#[test]
fn a_harness_can_run_the_suite_itself() {
    let why = "to see that it is left out";
    let all = run(|| Fixture::new(MemoryFs::new(), Has::empty()).except("dot_stays", why));
    assert_eq!(all.len(), cases().count());
    for (case, outcome) in all {
        let expected = match case {
            "dot_stays" => Outcome::LeftOut(why),
            _ => Outcome::Passed,
        };
        assert_eq!(outcome, expected, "{case}");
    }
}

#[test]
#[should_panic(expected = "no case is called")]
fn an_exception_names_a_case() {
    virtfs_vfs::conformance::check(
        || Fixture::new(MemoryFs::new(), Has::all()).except("no_such_case", ""),
        "dot_stays",
    );
}
