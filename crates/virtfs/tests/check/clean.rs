//! What virtfs itself writes is right.

use virtfs_local::{LocalFs, Options, SecurityModel};
use virtfs_vfs::{
    Cx, Detached, Device, FileKind, FileSystem, Make, Name, Node, OpenFlags, Place, Qids, Removal,
    SetAttr, User, XattrPut,
};

use crate::site::Site;

fn cx() -> Cx<'static> {
    Cx::new(User { uid: 1000 }, &Detached)
}

fn name(name: &str) -> Name<'_> {
    Name::new(name.as_bytes()).unwrap()
}

fn walk(fs: &LocalFs, dir: &Node, to: &str) -> Node {
    fs.walk(&cx(), dir, &[name(to)], &mut Qids::new()).unwrap()
}

/// A little of everything that clients do to metadata.
fn work(fs: &LocalFs) {
    let (cx, (root, _)) = (cx(), fs.attach(&cx()).unwrap());
    fs.prepare_thread();
    let create = |dir: &Node, file: &str| {
        let made = fs.create(&cx, dir, name(file), OpenFlags::WRITE, 0o640, 55);
        made.unwrap().0
    };
    let make = |dir: &Node, file: &str, what: Make<'_>| {
        fs.make(&cx, dir, name(file), what, 55).unwrap();
        walk(fs, dir, file)
    };
    let d = make(&root, "d", Make::Directory { mode: 0o2755 });
    let e = make(&d, "e", Make::Directory { mode: 0o700 });
    let file = create(&d, "file");
    let changes = SetAttr {
        uid: Some(7),
        gid: Some(u32::MAX - 1),
        mode: Some(0o4755),
        ..SetAttr::default()
    };
    for node in [&root, &d, &file] {
        fs.set(&cx, node, None, &changes).unwrap();
    }
    fs.link(&cx, &file, &root, name("hard")).unwrap();
    fs.link(&cx, &file, &e, name("link")).unwrap();
    make(&e, "text", Make::Symlink { target: b"../file" });
    for (file, kind) in [
        ("char", FileKind::CharDevice),
        ("block", FileKind::BlockDevice),
        ("fifo", FileKind::Fifo),
        ("socket", FileKind::Socket),
        ("plain", FileKind::Regular),
    ] {
        let (major, minor) = match kind {
            FileKind::CharDevice | FileKind::BlockDevice => (10, 229),
            _ => (0, 0),
        };
        let device = Device { major, minor };
        let mode = 0o600;
        make(&e, file, Make::Node { kind, mode, device });
    }
    create(&root, "odd \n\u{1b}");
    for (from, to) in [("char", "moved"), ("fifo", "plain")] {
        let from = Place::Entry(&e, name(from));
        fs.rename(&cx, from, &root, name(to)).unwrap();
    }
    let from = Place::Entry(&e, name("link"));
    fs.rename(&cx, from, &root, name("plain")).unwrap();
    let gone = create(&e, "gone");
    fs.set(&cx, &gone, None, &changes).unwrap();
    let what = Place::Entry(&e, name("gone"));
    fs.remove(&cx, what, Removal::File).unwrap();
    let acl = [
        &[2_u8, 0, 0, 0][..],
        &[1, 0, 6, 0],
        &[255; 4],
        &[4, 0, 4, 0],
        &[255; 4],
        &[32, 0, 0, 0],
        &[255; 4],
    ];
    let key = b"system.posix_acl_access";
    fs.xattr_put(&cx, &file, None, key, &acl.concat(), XattrPut::Any)
        .unwrap();
}

#[test]
fn a_tree_that_virtfs_wrote_has_no_finding() {
    for model in [SecurityModel::MappedXattr, SecurityModel::MappedFile] {
        let site = Site::new();
        // On a thread of its own, for it changes what belongs to a thread.
        let options = Options {
            model,
            ..Options::default()
        };
        let fs = LocalFs::open(site.dir.path(), options).unwrap();
        std::thread::scope(|scope| scope.spawn(|| work(&fs)).join().unwrap());
        for flags in [&[][..], &["--security-model", model.name()]] {
            let said = site.check(flags);
            assert_eq!(said.status, Some(0), "{}", said.out);
            assert_eq!(said.findings(&site), [""; 0]);
            let end = format!("0 errors, 0 warnings, 0 notes; {}\n", model.name());
            assert!(said.out.ends_with(&end), "{}", said.out);
        }
    }
}
