//! Qids: unique across devices, stable, and changing with the file.

mod common;

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use common::{Export, cx, name, with_own_mounts};
use rustix::mount::{MountFlags, mount};
use virtfs_local::{Multidevs, Options};
use virtfs_vfs::{Errno, FileKind, FileSystem, OpenFlags, StatWant};

#[test]
fn paths_are_unique_across_devices() {
    with_own_mounts(|| {
        let export = Export::new();
        for dir in ["one", "two"] {
            fs::create_dir(export.host(dir)).unwrap();
            mount(
                "tmpfs",
                export.host(dir),
                "tmpfs",
                MountFlags::empty(),
                None,
            )
            .unwrap();
            for i in 0..20 {
                export.host_write(&format!("{dir}/f{i}"), "");
            }
        }
        let mut seen = HashSet::new();
        for dir in ["one", "two"] {
            let node = export.walk(dir);
            for (file, listed) in export.list(&node) {
                let qid = match file.as_str() {
                    "." => export.qid(dir),
                    ".." => continue,
                    _ => export.qid(&format!("{dir}/{file}")),
                };
                assert_eq!(listed.path, qid.path);
                assert!(seen.insert(qid.path), "{dir}/{file}");
            }
            let up = export.list(&node).into_iter().find(|(n, _)| n == "..");
            assert_eq!(up.unwrap().1.path, export.stat(&export.root).qid.path);
        }
        // tmpfs: everything works there, and reads need no try without sleeping.
        let file = export.walk("one/f1");
        let open = export.open(&file, common::RDWR);
        export.write(&open, 0, b"content").unwrap();
        assert_eq!(export.content(&file), "content");
        let state = export.fs.statfs(&cx(), &file).unwrap();
        assert_eq!(state.kind, 0x0102_1994);
        // A name cannot span devices.
        let linked = export.fs.link(&cx(), &file, &export.root, name("l"));
        assert_eq!(linked, Err(Errno::EXDEV));
    });
}

fn two_devices(multidevs: Multidevs, warned: Option<fn()>) -> Export {
    let export = Export::with(Options {
        multidevs,
        on_other_device: warned,
        ..Options::default()
    });
    for dir in ["one", "two"] {
        fs::create_dir(export.host(dir)).unwrap();
        let path = export.host(dir);
        mount("tmpfs", path, "tmpfs", MountFlags::empty(), None).unwrap();
        export.host_write(&format!("{dir}/f"), "");
    }
    export
}

#[test]
fn a_mount_point_is_listed_as_what_was_reached_there() {
    with_own_mounts(|| {
        let export = two_devices(Multidevs::Remap, None);
        let listed = |dir| {
            let all = export.list(&export.root);
            all.into_iter().find(|(n, _)| n == dir).unwrap().1.path
        };
        let root = export.stat(&export.root).qid.path;
        // Before it is reached it has a number that nothing else has.
        let covered = [listed("one"), listed("two")];
        let (one, two) = (export.walk("one"), export.walk("two"));
        let reached = [export.stat(&one).qid.path, export.stat(&two).qid.path];
        assert_eq!([listed("one"), listed("two")], reached);
        let all: HashSet<_> = covered.into_iter().chain(reached).chain([root]).collect();
        assert_eq!(all.len(), 5);
    });
}

#[test]
fn other_devices_can_be_forbidden() {
    with_own_mounts(|| {
        let export = two_devices(Multidevs::Forbid, None);
        for path in ["one", "one/f", "two"] {
            assert_eq!(export.try_walk(path).unwrap_err(), Errno::ENODEV);
        }
        let names = export.list(&export.root).into_iter().map(|e| e.0);
        assert_eq!(names.collect::<Vec<_>>(), [".", "..", "one", "two"]);
        export.create("f");
        assert_eq!(
            export.rename((&export.root, "f"), (&export.root, "g")),
            Ok(())
        );
    });
}

#[test]
fn of_other_devices_can_be_warned_once() {
    static WARNED: AtomicUsize = AtomicUsize::new(0);
    let warn = || {
        WARNED.fetch_add(1, Relaxed);
    };
    with_own_mounts(|| {
        let export = two_devices(Multidevs::Warn, Some(warn));
        export.create("f");
        assert_eq!(WARNED.load(Relaxed), 0);
        for path in ["one", "two", "one/f", "two/f"] {
            let ino = fs::metadata(export.host(path)).unwrap().ino();
            assert_eq!(export.qid(path).path, ino);
        }
        assert_eq!(WARNED.load(Relaxed), 1);
    });
}

/// A directory that holds a mount point is found again by its entries though handles of another
/// mount cannot be opened.
#[test]
fn nodes_of_a_mount_inside_are_brought_back() {
    with_own_mounts(|| {
        let export = Export::with(virtfs_local::Options {
            max_nodes_open: 16,
            ..Default::default()
        });
        fs::create_dir(export.host("m")).unwrap();
        mount(
            "tmpfs",
            export.host("m"),
            "tmpfs",
            MountFlags::empty(),
            None,
        )
        .unwrap();
        let mut nodes = Vec::new();
        for i in 0..200 {
            let path = format!("m/f{i}");
            export.host_write(&path, &i.to_string());
            nodes.push(export.walk(&path));
        }
        for (i, node) in nodes.iter().enumerate() {
            assert_eq!(export.content(node), i.to_string());
        }
        assert!(export.fs.nodes_open() <= 32);
    });
}

#[test]
fn the_version_changes_with_the_file_and_is_never_0() {
    let export = Export::new();
    let (node, open) = export.create("f");
    let mut last = export.stat(&node).qid.version;
    for size in 1..50 {
        assert_ne!(last, 0);
        export.write(&open, size, b"x").unwrap();
        let now = export.stat(&node).qid.version;
        assert_ne!(now, last);
        last = now;
    }
}

#[test]
fn every_way_to_a_file_gives_the_same_qid() {
    let export = Export::new();
    let (node, opened) = export
        .try_create(&export.root, "f", OpenFlags::WRITE, 0o644)
        .unwrap();
    let qid = opened.qid;
    assert_eq!(qid.kind, Some(FileKind::Regular));
    assert_eq!(export.qid("f"), qid);
    let stat = |open| export.fs.stat(&cx(), &node, open, StatWant::empty());
    assert_eq!(stat(None).unwrap().qid, qid);
    assert_eq!(stat(Some(&opened.open)).unwrap().qid, qid);
    let again = export.fs.open(&cx(), &node, OpenFlags::READ).unwrap();
    assert_eq!(again.qid, qid);
    let listed = export.list(&export.root);
    let listed = listed.iter().find(|(n, _)| n == "f").unwrap().1;
    assert_eq!((listed.path, listed.kind), (qid.path, qid.kind));
    assert_eq!(listed.version, 0);
}
