//! One test for each row of the README's table: which call does an operation on what an `O_PATH`
//! descriptor stands for. None of them may depend on the name: it is gone, or another file's.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use common::{Export, READ, WRITE, cx, name, need_root, user};
use virtfs_vfs::{
    Errno, FileKind, FileSystem, LockKind, LockRange, LockSet, Make, Node, OpenFlags, Place, Qid,
    Removal, SetAttr, SetTime, StatWant, Time, XattrPut,
};

/// A node whose name means another file by now.
fn renamed_away(export: &Export) -> Node {
    export.host_write("file", "the old one");
    let node = export.walk("file");
    fs::rename(export.host("file"), export.host("old")).unwrap();
    export.host_write("file", "another");
    node
}

#[test]
fn stat_is_of_the_inode() {
    let export = Export::new();
    let node = renamed_away(&export);
    assert_eq!(export.stat(&node).size, 11);
    let host = fs::metadata(export.host("old")).unwrap();
    let attr = export.stat(&node);
    assert_eq!(attr.qid.path, host.ino());
    assert_eq!((attr.mode, attr.uid), (host.mode(), host.uid()));
    assert_eq!(attr.nlink, 1);
    assert_eq!(attr.mtime.sec, host.mtime());
    assert!(attr.btime.is_some());
}

#[test]
fn chmod_is_of_the_inode() {
    let export = Export::new();
    let node = renamed_away(&export);
    let changes = SetAttr {
        mode: Some(0o100_601),
        ..SetAttr::default()
    };
    export.set(&node, None, changes).unwrap();
    assert_eq!(
        fs::metadata(export.host("old")).unwrap().mode() & 0o7777,
        0o601
    );
    assert_eq!(
        fs::metadata(export.host("file")).unwrap().mode() & 0o007,
        0o004
    );
}

#[test]
fn chmod_of_a_symbolic_link_is_not_supported_and_does_not_reach_its_target() {
    let export = Export::new();
    export.host_write("target", "");
    let mode = fs::metadata(export.host("target")).unwrap().mode();
    symlink("target", export.host("link")).unwrap();
    let changes = SetAttr {
        mode: Some(0o777),
        ..SetAttr::default()
    };
    let link = export.walk("link");
    assert_eq!(export.set(&link, None, changes), Err(Errno::EOPNOTSUPP));
    assert_eq!(fs::metadata(export.host("target")).unwrap().mode(), mode);
}

#[test]
fn times_are_of_the_inode() {
    let export = Export::new();
    let node = renamed_away(&export);
    let time = |sec| Time { sec, nsec: 7 };
    let changes = SetAttr {
        atime: Some(SetTime::At(time(1000))),
        mtime: Some(SetTime::At(time(-2000))),
        ..SetAttr::default()
    };
    export.set(&node, None, changes).unwrap();
    let host = fs::metadata(export.host("old")).unwrap();
    assert_eq!((host.atime(), host.mtime()), (1000, -2000));
    assert_eq!(host.mtime_nsec(), 7);
    let only_one = SetAttr {
        atime: Some(SetTime::Now),
        ..SetAttr::default()
    };
    export.set(&node, None, only_one).unwrap();
    let host = fs::metadata(export.host("old")).unwrap();
    assert!(host.atime() > 1_000_000);
    assert_eq!(host.mtime(), -2000);
    let bad = SetAttr {
        atime: Some(SetTime::At(Time {
            sec: 0,
            nsec: 1_000_000_000,
        })),
        ..SetAttr::default()
    };
    assert_eq!(export.set(&node, None, bad), Err(Errno::EINVAL));
}

#[test]
fn times_of_a_symbolic_link_are_its_own() {
    let export = Export::new();
    symlink("nowhere", export.host("link")).unwrap();
    let changes = SetAttr {
        mtime: Some(SetTime::At(Time { sec: 5, nsec: 0 })),
        ..SetAttr::default()
    };
    export.set(&export.walk("link"), None, changes).unwrap();
    assert_eq!(
        fs::symlink_metadata(export.host("link")).unwrap().mtime(),
        5
    );
}

#[test]
fn owner_is_of_the_inode_and_of_a_link_itself() {
    need_root();
    let export = Export::new();
    let node = renamed_away(&export);
    let changes = SetAttr {
        uid: Some(1234),
        gid: Some(5678),
        ..SetAttr::default()
    };
    export.set(&node, None, changes).unwrap();
    let host = fs::metadata(export.host("old")).unwrap();
    assert_eq!((host.uid(), host.gid()), (1234, 5678));
    assert_eq!(fs::metadata(export.host("file")).unwrap().uid(), 0);

    symlink("file", export.host("link")).unwrap();
    export.set(&export.walk("link"), None, changes).unwrap();
    assert_eq!(
        fs::symlink_metadata(export.host("link")).unwrap().uid(),
        1234
    );
    assert_eq!(fs::metadata(export.host("file")).unwrap().uid(), 0);
}

#[test]
fn ctime_alone_bumps_the_change_time() {
    let export = Export::new();
    let node = renamed_away(&export);
    let before = export.stat(&node).ctime;
    let changes = SetAttr {
        ctime: true,
        ..SetAttr::default()
    };
    // The kernel's clock for inodes moves a few times in a hundredth of a second.
    while export.stat(&node).ctime == before {
        export.set(&node, None, changes).unwrap();
    }
    assert_eq!(export.stat(&node).mtime, {
        let host = fs::metadata(export.host("old")).unwrap();
        Time {
            sec: host.mtime(),
            nsec: host.mtime_nsec() as u32,
        }
    });
}

#[test]
fn size_is_of_the_inode() {
    let export = Export::new();
    let node = renamed_away(&export);
    let changes = |size| SetAttr {
        size: Some(size),
        ..SetAttr::default()
    };
    export.set(&node, None, changes(3)).unwrap();
    assert_eq!(export.host_read("old"), "the");
    assert_eq!(export.host_read("file"), "another");
    // By an open file that is not open for writing, too.
    let open = export.open(&node, READ);
    export.set(&node, Some(&open), changes(1)).unwrap();
    assert_eq!(export.host_read("old"), "t");
    assert_eq!(
        export.set(&export.root, None, changes(0)),
        Err(Errno::EISDIR)
    );
    assert_eq!(
        export.set(&node, None, changes(u64::MAX)),
        Err(Errno::EINVAL)
    );
}

#[test]
fn open_is_of_the_inode() {
    let export = Export::new();
    let node = renamed_away(&export);
    assert_eq!(export.content(&node), "the old one");
    let open = export.open(&node, WRITE | OpenFlags::TRUNCATE);
    export.write(&open, 0, b"new").unwrap();
    assert_eq!(export.host_read("old"), "new");
    assert_eq!(export.host_read("file"), "another");
}

#[test]
fn xattrs_are_of_the_inode() {
    let export = Export::new();
    let node = renamed_away(&export);
    export
        .xattr_put(&node, None, "user.colour", b"red")
        .unwrap();
    assert_eq!(export.xattr(&node, None, "user.colour").unwrap(), b"red");
    assert_eq!(export.xattr_names(&node, None), ["user.colour"]);
    let other = export.walk("file");
    assert_eq!(
        export.xattr(&other, None, "user.colour"),
        Err(Errno::ENODATA)
    );
    let big = vec![7; 3000];
    export.xattr_put(&node, None, "user.big", &big).unwrap();
    assert_eq!(export.xattr(&node, None, "user.big").unwrap(), big);
    let limited = export.fs.xattr(&cx(), &node, None, b"user.big", 2999);
    assert_eq!(limited, Err(Errno::E2BIG));
    let put = |how| {
        export
            .fs
            .xattr_put(&cx(), &node, None, b"user.colour", b"x", how)
    };
    assert_eq!(put(XattrPut::Create), Err(Errno::EEXIST));
    export
        .fs
        .xattr_remove(&cx(), &node, None, b"user.colour")
        .unwrap();
    assert_eq!(put(XattrPut::Replace), Err(Errno::ENODATA));
    assert_eq!(export.xattr_names(&node, None), ["user.big"]);
}

#[test]
fn xattrs_of_a_symbolic_link_are_its_own() {
    let export = Export::new();
    export.host_write("target", "");
    symlink("target", export.host("link")).unwrap();
    let target = export.walk("target");
    export.xattr_put(&target, None, "user.a", b"1").unwrap();
    let link = export.walk("link");
    assert_eq!(export.xattr(&link, None, "user.a"), Err(Errno::ENODATA));
    assert_eq!(
        export.xattr_put(&link, None, "user.a", b"2"),
        Err(Errno::EPERM)
    );
    assert_eq!(export.xattr(&target, None, "user.a").unwrap(), b"1");
}

#[test]
fn link_is_of_the_inode() {
    let export = Export::new();
    let node = renamed_away(&export);
    export
        .fs
        .link(&cx(), &node, &export.root, name("hard"))
        .unwrap();
    assert_eq!(export.host_read("hard"), "the old one");
    assert_eq!(export.stat(&node).nlink, 2);
    let again = export.fs.link(&cx(), &node, &export.root, name("hard"));
    assert_eq!(again, Err(Errno::EEXIST));
    let dir = export
        .fs
        .link(&cx(), &export.root, &export.root, name("dir"));
    assert_eq!(dir, Err(Errno::EPERM));
}

#[test]
fn link_of_a_symbolic_link_is_of_the_link() {
    let export = Export::new();
    export.host_write("target", "");
    symlink("target", export.host("link")).unwrap();
    let link = export.walk("link");
    export
        .fs
        .link(&cx(), &link, &export.root, name("hard"))
        .unwrap();
    assert!(
        fs::symlink_metadata(export.host("hard"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn readlink_is_of_the_inode() {
    let export = Export::new();
    let long = "x/".repeat(500);
    symlink(&long, export.host("link")).unwrap();
    let link = export.walk("link");
    fs::remove_file(export.host("link")).unwrap();
    assert_eq!(export.fs.readlink(&cx(), &link).unwrap(), long.as_bytes());
    assert_eq!(export.fs.readlink(&cx(), &export.root), Err(Errno::EINVAL));
}

#[test]
fn statfs_is_of_the_file_system() {
    let export = Export::new();
    let node = renamed_away(&export);
    let state = export.fs.statfs(&cx(), &node).unwrap();
    let host = rustix::fs::statfs(export.dir.path()).unwrap();
    assert_eq!(u64::from(state.kind), host.f_type as u64);
    assert_eq!((state.blocks, state.namelen), (host.f_blocks, 255));
}

#[test]
fn generation_is_that_of_the_kernel() {
    let export = Export::new();
    export.host_write("file", "");
    let attr = export.stat(&export.walk("file"));
    let kind = rustix::fs::statfs(export.dir.path()).unwrap().f_type;
    assert!(
        [0xef53, 0x5846_5342, 0x9123_683e].contains(&(kind as u64)),
        "this test needs a temporary directory on ext4, XFS or Btrfs"
    );
    let told = std::process::Command::new("lsattr")
        .arg("-v")
        .arg(export.host("file"))
        .output()
        .expect("this test needs lsattr");
    let told = String::from_utf8(told.stdout).unwrap();
    let told: u64 = told.split_whitespace().next().unwrap().parse().unwrap();
    assert_eq!(attr.generation, Some(told));
    // Kept while the node lives, not asked for again.
    let node = export.walk("file");
    assert_eq!(export.stat(&node).generation, Some(told));
    let plain = export
        .fs
        .stat(&cx(), &node, None, StatWant::empty())
        .unwrap();
    assert_eq!((plain.generation, plain.btime), (None, None));
}

#[test]
fn mkdir_mknod_and_symlink_make_what_was_asked_for() {
    need_root();
    let export = Export::new();
    let make = |file: &str, what| {
        let made = export
            .fs
            .make(&user(77), &export.root, name(file), what, 88);
        let qid: Qid = made.unwrap_or_else(|e| panic!("{file}: {e:?}"));
        assert_eq!(qid, export.qid(file), "{file}");
        let meta = fs::symlink_metadata(export.host(file)).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (77, 88), "{file}");
        (qid.kind.unwrap(), meta.mode() & 0o7777, meta.rdev())
    };
    assert_eq!(
        make("dir", Make::Directory { mode: 0o3775 }),
        (FileKind::Directory, 0o3775, 0)
    );
    assert_eq!(
        make(
            "link",
            Make::Symlink {
                target: b"/etc/passwd"
            }
        ),
        (FileKind::Symlink, 0o777, 0)
    );
    for (file, kind) in [
        ("fifo", FileKind::Fifo),
        ("socket", FileKind::Socket),
        ("regular", FileKind::Regular),
    ] {
        let (mode, device) = (0o6666, virtfs_vfs::Device::default());
        let what = Make::Node { kind, mode, device };
        assert_eq!(make(file, what), (kind, 0o6666, 0));
    }
    let what = Make::Node {
        kind: FileKind::CharDevice,
        mode: 0o600,
        device: virtfs_vfs::Device { major: 1, minor: 3 },
    };
    assert_eq!(make("null", what), (FileKind::CharDevice, 0o600, 0x103));
    let again = export.fs.make(&cx(), &export.root, name("null"), what, 0);
    assert_eq!(again, Err(Errno::EEXIST));
}

#[test]
fn create_gives_the_mode_and_the_owner_that_were_asked_for() {
    need_root();
    let export = Export::new();
    let flags = OpenFlags::WRITE | OpenFlags::EXCLUSIVE;
    let (node, _) = export
        .fs
        .create(&user(77), &export.root, name("f"), flags, 0o6777, 88)
        .unwrap();
    let attr = export.stat(&node);
    assert_eq!((attr.mode, attr.uid, attr.gid), (0o106_777, 77, 88));
    let again = export.try_create(&export.root, "f", flags, 0);
    assert_eq!(again.unwrap_err(), Errno::EEXIST);
}

#[test]
fn create_opens_what_exists() {
    let export = Export::new();
    export.host_write("f", "content");
    fs::set_permissions(export.host("f"), fs::Permissions::from_mode(0o640)).unwrap();
    let (node, opened) = export.try_create(&export.root, "f", READ, 0o777).unwrap();
    assert_eq!(export.read(&opened.open, 0, 100).unwrap(), b"content");
    assert_eq!(export.stat(&node).mode, 0o100_640);
    let flags = WRITE | OpenFlags::TRUNCATE;
    export.try_create(&export.root, "f", flags, 0).unwrap();
    assert_eq!(export.host_read("f"), "");
    fs::create_dir(export.host("d")).unwrap();
    let dir = export.try_create(&export.root, "d", READ, 0);
    assert_eq!(dir.unwrap_err(), Errno::EISDIR);
}

#[test]
fn rename_and_removal_go_by_parent_and_name() {
    let export = Export::new();
    export.host_write("a", "a");
    fs::create_dir(export.host("d")).unwrap();
    let d = export.walk("d");
    export.rename((&export.root, "a"), (&d, "b")).unwrap();
    assert_eq!(export.host_read("d/b"), "a");
    assert_eq!(export.unlink(&export.root, "d"), Err(Errno::EISDIR));
    let place = Place::Entry(&d, name("b"));
    let removed = export.fs.remove(&cx(), place, Removal::Directory);
    assert_eq!(removed, Err(Errno::ENOTDIR));
    let busy = Place::Entry(&export.root, name("d"));
    let removed = export.fs.remove(&cx(), busy, Removal::Directory);
    assert_eq!(removed, Err(Errno::ENOTEMPTY));
    export.unlink(&d, "b").unwrap();
    let place = Place::Entry(&export.root, name("d"));
    export.fs.remove(&cx(), place, Removal::Either).unwrap();
    assert!(!export.host("d").exists());
    assert_eq!(export.remove_node(&export.root), Err(Errno::EBUSY));
}

#[test]
fn locks_are_taken_on_an_open_of_their_own() {
    let export = Export::new();
    let node = renamed_away(&export);
    let open = export.open(&node, READ);
    let one = export.fs.lock_file(&cx(), &node, &open).unwrap();
    let two = export.fs.lock_file(&cx(), &node, &open).unwrap();
    assert!(!one.whole_file_only());
    let range = LockRange::new(10, 10).unwrap();
    assert_eq!(one.set(LockKind::Write, range), Ok(LockSet::Done));
    assert_eq!(
        two.set(LockKind::Read, LockRange::WHOLE),
        Ok(LockSet::Refused)
    );
    assert_eq!(
        two.set(LockKind::Write, LockRange::new(0, 10).unwrap()),
        Ok(LockSet::Done)
    );
    let holder = two
        .test(LockKind::Write, LockRange::WHOLE)
        .unwrap()
        .unwrap();
    assert_eq!(
        (holder.kind, holder.range, holder.pid),
        (LockKind::Write, range, None)
    );
    assert_eq!(one.test(LockKind::Write, range).unwrap(), None);
    drop(one);
    assert_eq!(two.set(LockKind::Read, LockRange::WHOLE), Ok(LockSet::Done));
}

#[test]
fn directories_are_locked_as_a_whole() {
    let export = Export::new();
    let open = export.open(&export.root, READ);
    let lock = || export.fs.lock_file(&cx(), &export.root, &open).unwrap();
    let (one, two) = (lock(), lock());
    assert!(one.whole_file_only());
    let whole = LockRange::WHOLE;
    assert_eq!(one.set(LockKind::Read, whole), Ok(LockSet::Done));
    assert_eq!(two.set(LockKind::Read, whole), Ok(LockSet::Done));
    assert_eq!(two.set(LockKind::Write, whole), Ok(LockSet::Refused));
    let three = lock();
    let holder = three.test(LockKind::Write, whole).unwrap().unwrap();
    assert_eq!((holder.kind, holder.range), (LockKind::Read, whole));
    // Who holds it shared would have to let go to find out, and keeps its own.
    assert_eq!(two.test(LockKind::Write, whole).unwrap(), None);
    assert_eq!(one.set(LockKind::Unlock, whole), Ok(LockSet::Done));
    assert_eq!(one.set(LockKind::Write, whole), Ok(LockSet::Refused));
    assert_eq!(two.set(LockKind::Write, whole), Ok(LockSet::Done));
    let holder = one.test(LockKind::Read, whole).unwrap().unwrap();
    assert_eq!(holder.kind, LockKind::Write);
    assert_eq!(two.test(LockKind::Read, whole).unwrap(), None);
}
