//! Qids: unique across devices, stable, and changing with the file.

mod common;

use std::collections::HashSet;
use std::fs;

use common::{Export, cx, name, need_root};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use virtfs_vfs::{Errno, FileKind, FileSystem, OpenFlags, StatWant};

/// Runs on a thread with mounts of its own.
fn with_own_mounts(f: impl FnOnce() + Send) {
    need_root();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // Of mounts only, and of what they need: no descriptor is taken from anybody.
            #[expect(deprecated, reason = "its successor needs unsafe")]
            rustix::thread::unshare(
                rustix::thread::UnshareFlags::NEWNS | rustix::thread::UnshareFlags::FS,
            )
            .unwrap();
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            mount_change("/", private).unwrap();
            f();
        });
        thread.join().unwrap();
    });
}

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
