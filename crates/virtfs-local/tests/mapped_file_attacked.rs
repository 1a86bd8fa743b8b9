//! `mapped-file`: what clients ask for, and what lies in the folders of metadata, breaks nothing and
//! leads nowhere.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use common::mapped_file::*;
use common::{Export, RDWR, READ, cx, name};
use virtfs_vfs::{Device, Errno, FileKind, FileSystem, Make, Place, Qids, Removal, SetAttr};

fn store(export: &Export, path: &str, text: impl AsRef<[u8]>) {
    let path = metadata_path(export, path);
    let _ = fs::create_dir(path.parent().unwrap());
    fs::write(path, text).unwrap();
}

#[test]
fn the_servers_names_are_refused_in_every_message_and_every_directory() {
    let export = export();
    let root = &export.root;
    let file = create(&export, root, "f", 7);
    export.mkdir(root, "d").unwrap();
    let d = export.walk("d");
    create(&export, &d, "f", 8);
    let einval = Errno::EINVAL;
    for bad in [
        ".virtfs_metadata",
        ".virtfs_metadata_root",
        ".VIRTFS_METADATA",
        ".virtfs_metadata.",
    ] {
        for dir in [root, &d] {
            assert_eq!(export.try_walk_from(dir, bad).unwrap_err(), einval);
            let below = format!("{bad}/f");
            assert_eq!(export.try_walk_from(dir, &below).unwrap_err(), einval);
            let created = export.try_create(dir, bad, RDWR, 0o644);
            assert_eq!(created.unwrap_err(), einval);
            let device = Device::default();
            for what in [
                Make::Directory { mode: 0o755 },
                Make::Symlink { target: b"x" },
                Make::Node {
                    kind: FileKind::Regular,
                    mode: 0o644,
                    device,
                },
                Make::Node {
                    kind: FileKind::Fifo,
                    mode: 0o644,
                    device,
                },
            ] {
                let made = export.fs.make(&cx(), dir, name(bad), what, u32::MAX);
                assert_eq!(made, Err(einval));
            }
            let linked = export.fs.link(&cx(), &file, dir, name(bad));
            assert_eq!(linked, Err(einval));
            assert_eq!(export.rename((dir, bad), (dir, "x")), Err(einval));
            assert_eq!(export.rename((dir, "f"), (dir, bad)), Err(einval));
            assert_eq!(export.rename_node(&file, (dir, bad)), Err(einval));
            for kind in [Removal::File, Removal::Directory, Removal::Either] {
                let place = Place::Entry(dir, name(bad));
                assert_eq!(export.fs.remove(&cx(), place, kind), Err(einval));
            }
        }
    }
    export.set(root, None, chmod(0o755)).unwrap();
    let names = |dir| {
        export
            .list(dir)
            .into_iter()
            .map(|e| e.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(root), [".", "..", "d", "f"]);
    assert_eq!(names(&d), [".", "..", "f"]);
    assert_eq!(metadata(&export, "f").unwrap(), USER_7);
}

#[test]
fn a_create_that_fails_leaves_nothing() {
    let export = export();
    let root = &export.root;
    // A folder that cannot be one.
    export.host_write(".virtfs_metadata", "in the way");
    assert_eq!(
        export.try_create(root, "f", RDWR, 0o644).unwrap_err(),
        Errno::EIO
    );
    assert_eq!(export.mkdir(root, "d"), Err(Errno::EIO));
    let what = Make::Symlink { target: b"x" };
    let made = export.fs.make(&cx(), root, name("l"), what, u32::MAX);
    assert_eq!(made, Err(Errno::EIO));
    assert_eq!(export.list(root).len(), 2);
    // What the host makes can be seen, moved and removed nevertheless.
    export.host_write("host", "");
    let node = export.walk("host");
    assert_eq!(export.set(&node, None, chmod(0o600)), Err(Errno::EIO));
    assert_eq!(export.stat(&node).size, 0);
    export.rename((root, "host"), (root, "moved")).unwrap();
    export.unlink(root, "moved").unwrap();
    assert_eq!(export.host_read(".virtfs_metadata"), "in the way");
}

#[test]
fn metadata_that_is_left_of_files_that_are_gone_is_nobodys() {
    let export = export();
    let root = &export.root;
    export.mkdir(root, "d").unwrap();
    let d = export.walk("d");
    for file in ["a", "b", "c", "e"] {
        store(
            &export,
            &format!("d/{file}"),
            "virtfs.uid=666\nvirtfs.rdev=5\n",
        );
    }
    create(&export, &d, "a", 7);
    assert_eq!(metadata(&export, "d/a").unwrap(), USER_7);
    export
        .fs
        .link(&cx(), &export.walk("d/a"), &d, name("b"))
        .unwrap();
    assert_eq!(metadata(&export, "d/b").unwrap(), USER_7);
    export.rename((&d, "a"), (&d, "c")).unwrap();
    assert_eq!(metadata(&export, "d/c").unwrap(), USER_7);
    export.unlink(&d, "b").unwrap();
    export.unlink(&d, "c").unwrap();
    // What is left keeps no directory from being removed or replaced.
    let before = export.stat(&d);
    rmdir(&export, root, "d").unwrap();
    assert!(!export.host("d").exists());
    assert_eq!(metadata(&export, "d"), None);
    assert_eq!(export.stat(&d).mode, before.mode);
    export.mkdir(root, "d").unwrap();
    export.mkdir(root, "new").unwrap();
    store(&export, "d/x", "virtfs.uid=666\n");
    export.rename((root, "new"), (root, "d")).unwrap();
    assert!(!export.host("d/.virtfs_metadata").exists());
}

#[test]
fn metadata_of_any_content_is_read_without_harm() {
    let export = export();
    export.host_write("f", "");
    let node = export.walk("f");
    let host = fs::metadata(export.host("f")).unwrap();
    let long = [b"virtfs.uid=", &[b'1'; 1 << 20][..]].concat();
    let late = [&[b'\n'; 4096][..], b"virtfs.uid=5\n"].concat();
    let random: Vec<u8> = (0_u32..100_000)
        .map(|n| (n.wrapping_mul(n) >> 3) as u8)
        .collect();
    for text in [
        &b""[..],
        b"virtfs.uid",
        b"virtfs.uid=",
        b"virtfs.uid=99999999999",
        b"virtfs.mode=-1",
        b"\0virtfs.uid=5",
        &long,
        &late,
        &random,
    ] {
        store(&export, "f", text);
        let attr = export.stat(&node);
        assert_eq!((attr.uid, attr.gid), (host.uid(), host.gid()));
        assert_eq!(FileKind::from_mode(attr.mode), Some(FileKind::Regular));
        export.set(&node, None, chmod(0o600)).unwrap();
        let written = metadata(&export, "f").unwrap();
        assert_eq!(written, "virtfs.mode=33152\n");
    }
}

#[test]
fn metadata_that_is_no_file_is_neither_followed_nor_opened() {
    let export = Export::below(options());
    export.fs.prepare_thread();
    fs::write(export.host("secret"), "virtfs.uid=666\n").unwrap();
    export.host_write("export/f", "");
    let host = fs::metadata(export.host("export/f")).unwrap();
    let node = export.walk("f");
    let folder = export.host("export/.virtfs_metadata");
    let one = folder.join("f");
    fs::create_dir(&folder).unwrap();
    let fifo = || {
        let (kind, mode) = (rustix::fs::FileType::Fifo, 0o600.into());
        rustix::fs::mknodat(rustix::fs::CWD, &one, kind, mode, 0).unwrap();
    };
    let put: [&dyn Fn(); 4] = [
        &|| symlink("../../secret", &one).unwrap(),
        &|| symlink("f", &one).unwrap(),
        &fifo,
        &|| fs::create_dir(&one).unwrap(),
    ];
    for put in put {
        put();
        let attr = export.stat(&node);
        assert_eq!((attr.uid, attr.mode), (host.uid(), host.mode()));
        assert_eq!(export.set(&node, None, chmod(0o600)), Err(Errno::EIO));
        assert_eq!(export.stat(&export.walk("f")).uid, host.uid());
        let _ = fs::remove_file(&one).or_else(|_| fs::remove_dir(&one));
    }
    // Nor is the folder, if it is a link.
    fs::remove_dir(&folder).unwrap();
    fs::create_dir(export.host("outside")).unwrap();
    fs::write(export.host("outside/f"), "virtfs.uid=666\n").unwrap();
    symlink("../outside", &folder).unwrap();
    assert_eq!(export.stat(&node).uid, host.uid());
    assert_eq!(export.set(&node, None, chmod(0o600)), Err(Errno::EIO));
    let created = export.try_create(&export.root, "new", RDWR, 0o644);
    assert_eq!(created.unwrap_err(), Errno::EIO);
    export.unlink(&export.root, "f").unwrap();
    assert_eq!(fs::read_dir(export.host("outside")).unwrap().count(), 1);
    assert_eq!(
        fs::read_to_string(export.host("secret")).unwrap(),
        "virtfs.uid=666\n"
    );
}

#[test]
fn metadata_that_changes_while_it_is_read_shows_whole_values() {
    let export = export();
    let node = create(&export, &export.root, "f", 7);
    let other = virtfs_local::LocalFs::open(export.dir.path(), options()).unwrap();
    let (root, _) = other.attach(&cx()).unwrap();
    let theirs = other
        .walk(&cx(), &root, &[name("f")], &mut Qids::new())
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..2000 {
                let id = Some(if round % 2 == 0 { 1_000_000 } else { 7 });
                let (uid, gid) = (id, id);
                let changes = SetAttr {
                    uid,
                    gid,
                    ..SetAttr::default()
                };
                export.set(&node, None, changes).unwrap();
            }
        });
        for _ in 0..2000 {
            let attr = export.stat(&node);
            assert_eq!(attr.uid, attr.gid);
            let mode = Some(0o600 | attr.uid & 1);
            let changes = SetAttr {
                mode,
                ..SetAttr::default()
            };
            // Two servers at once lose none of each other's changes.
            other.set(&cx(), &theirs, None, &changes).unwrap();
            assert_eq!(Some(export.stat(&node).mode & 0o777), mode);
        }
    });
}

#[test]
fn metadata_that_changes_its_kind_while_it_is_read_leads_nowhere() {
    let export = Export::below(options());
    export.fs.prepare_thread();
    fs::write(export.host("secret"), "virtfs.uid=666\n").unwrap();
    export.host_write("export/f", "");
    let server = fs::metadata(export.host("export/f")).unwrap().uid();
    let node = export.walk("f");
    let folder = export.host("export/.virtfs_metadata");
    fs::create_dir(&folder).unwrap();
    let (one, next) = (folder.join("f"), export.host("next"));
    let done = std::sync::atomic::AtomicBool::new(false);
    let ordering = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let fifo = || {
                let (kind, mode) = (rustix::fs::FileType::Fifo, 0o600.into());
                rustix::fs::mknodat(rustix::fs::CWD, &next, kind, mode, 0).unwrap();
            };
            let put: [&dyn Fn(); 4] = [
                &|| fs::write(&next, "virtfs.uid=5\n").unwrap(),
                &|| symlink("../../secret", &next).unwrap(),
                &fifo,
                &|| fs::write(&next, vec![b'v'; 1 << 20]).unwrap(),
            ];
            for put in put.iter().cycle() {
                put();
                fs::rename(&next, &one).unwrap();
                if done.load(ordering) {
                    break;
                }
            }
        });
        for round in 0..1000 {
            let uid = export.stat(&node).uid;
            assert!(uid == server || uid == 5, "{uid}");
            match export.set(&node, None, chmod(0o600 | round & 1)) {
                Ok(()) | Err(Errno::EIO) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        done.store(true, ordering);
    });
    assert_eq!(
        fs::read_to_string(export.host("secret")).unwrap(),
        "virtfs.uid=666\n"
    );
}

#[test]
fn a_file_that_the_host_moved_shows_nobody_elses_values() {
    let export = export();
    let node = create(&export, &export.root, "f", 7);
    create(&export, &export.root, "g", 8);
    fs::rename(export.host("f"), export.host("elsewhere")).unwrap();
    fs::rename(export.host("g"), export.host("f")).unwrap();
    let server = fs::metadata(export.host("f")).unwrap().uid();
    assert_eq!(export.stat(&node).uid, server);
    assert_eq!(export.set(&node, None, chown(5)), Err(Errno::ESTALE));
    assert_eq!(metadata(&export, "f").unwrap(), USER_7);
    // Back in its place it has its values again.
    fs::rename(export.host("elsewhere"), export.host("f")).unwrap();
    assert_eq!(export.stat(&node).uid, 7);
}

#[test]
fn a_file_that_the_host_moved_takes_nothing_over_from_its_successor() {
    let export = export();
    let root = &export.root;
    let node = create(&export, root, "f", 7);
    create(&export, root, "g", 8);
    let server = fs::metadata(export.host("f")).unwrap().uid();
    for act in [&|| export.unlink(root, "f"), &|| {
        export.rename((root, "g"), (root, "f"))
    }] as [&dyn Fn() -> Result<(), Errno>; 2]
    {
        fs::rename(export.host("f"), export.host("elsewhere")).unwrap();
        export.host_write("f", "");
        store(&export, "f", "virtfs.uid=666\n");
        act().unwrap();
        assert_eq!(export.stat(&node).uid, server);
        fs::rename(export.host("elsewhere"), export.host("f")).unwrap();
    }
}

#[test]
fn native_links_have_metadata_too() {
    let export = Export::below(options());
    export.fs.prepare_thread();
    fs::write(export.host("secret"), "outside").unwrap();
    symlink("../secret", export.host("export/link")).unwrap();
    let link = export.walk("link");
    assert_eq!(export.fs.readlink(&cx(), &link).unwrap(), b"../secret");
    export.set(&link, None, chown(7)).unwrap();
    let attr = export.stat(&link);
    assert_eq!((attr.uid, attr.mode), (7, 0o120_777));
    assert_eq!(
        export.fs.open(&cx(), &link, READ).unwrap_err(),
        Errno::ELOOP
    );
    assert_ne!(fs::metadata(export.host("secret")).unwrap().uid(), 7);
}
