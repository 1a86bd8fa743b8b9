//! What a client has open, or holds, outlives its name.

mod common;

use std::fs;

use common::{Export, RDWR, cx, name};
use virtfs_vfs::{
    Errno, FileSystem, LockKind, LockRange, LockSet, SetAttr, SetTime, StatWant, Time,
};

/// Everything works on a removed file, through the open file where there is one and through the
/// node where there is none, while another file has taken the name.
#[test]
fn every_operation_works_on_the_old_file() {
    let export = Export::new();
    for with_open in [true, false] {
        let (node, open) = export.create("file");
        export.write(&open, 0, b"old").unwrap();
        let old = export.stat(&node);
        export.unlink(&export.root, "file").unwrap();
        export.host_write("file", "another");
        let by = with_open.then_some(&open);

        assert_eq!(export.write(&open, 3, b"er").unwrap(), 2);
        assert_eq!(export.read(&open, 0, 100).unwrap(), b"older");
        let changes = SetAttr {
            mode: Some(0o604),
            size: Some(4),
            mtime: Some(SetTime::At(Time { sec: 9, nsec: 0 })),
            ..SetAttr::default()
        };
        export
            .set(
                &node,
                by,
                SetAttr {
                    size: Some(4),
                    ..SetAttr::default()
                },
            )
            .unwrap();
        export
            .set(
                &node,
                by,
                SetAttr {
                    size: None,
                    ..changes
                },
            )
            .unwrap();
        export.xattr_put(&node, by, "user.k", b"v").unwrap();
        assert_eq!(export.xattr(&node, by, "user.k").unwrap(), b"v");
        assert_eq!(export.xattr_names(&node, by), ["user.k"]);
        export.fs.xattr_remove(&cx(), &node, by, b"user.k").unwrap();

        let attr = export.fs.stat(&cx(), &node, by, StatWant::all()).unwrap();
        assert_eq!((attr.nlink, attr.size, attr.mode), (0, 4, 0o100_604));
        assert_eq!((attr.mtime.sec, attr.qid.path), (9, old.qid.path));
        assert_eq!(attr.generation, old.generation);
        assert_eq!(export.content(&node), "olde");
        export.fs.sync(&cx(), &open, false).unwrap();
        let lock = export.fs.lock_file(&cx(), &node, &open).unwrap();
        let taken = lock.set(LockKind::Write, LockRange::WHOLE);
        assert_eq!(taken, Ok(LockSet::Done));
        if rustix::process::geteuid().is_root() {
            let owner = SetAttr {
                uid: Some(5),
                ..SetAttr::default()
            };
            export.set(&node, by, owner).unwrap();
            assert_eq!(export.stat(&node).uid, 5);
        }
        assert_eq!(export.remove_node(&node), Err(Errno::ENOENT));
        let linked = export.fs.link(&cx(), &node, &export.root, name("again"));
        assert_eq!(linked, Err(Errno::ENOENT));

        assert_eq!(export.host_read("file"), "another");
        fs::remove_file(export.host("file")).unwrap();
    }
}

#[test]
fn a_file_that_was_renamed_over_lives_on() {
    let export = Export::new();
    let (old, open) = export.create("b");
    export.write(&open, 0, b"old").unwrap();
    let (new, _) = export.create("a");
    export
        .rename((&export.root, "a"), (&export.root, "b"))
        .unwrap();
    assert_eq!(export.read(&open, 0, 9).unwrap(), b"old");
    assert_eq!(export.remove_node(&old), Err(Errno::ENOENT));
    assert!(export.host("b").exists());
    export.remove_node(&new).unwrap();
    assert!(!export.host("b").exists());
}

#[test]
fn an_open_file_keeps_its_rights_when_its_mode_forbids_opening_it() {
    let export = Export::new();
    let (node, opened) = export.try_create(&export.root, "f", RDWR, 0).unwrap();
    export.write(&opened.open, 0, b"content").unwrap();
    let changes = SetAttr {
        size: Some(3),
        ..SetAttr::default()
    };
    export.set(&node, Some(&opened.open), changes).unwrap();
    assert_eq!(export.read(&opened.open, 0, 9).unwrap(), b"con");
}

#[test]
fn a_removed_directory_takes_nothing_more() {
    let export = Export::new();
    export.mkdir(&export.root, "d").unwrap();
    let dir = export.walk("d");
    export.remove_node(&dir).unwrap();
    assert_eq!(export.stat(&dir).nlink, 0);
    let made = export.mkdir(&dir, "x").unwrap_err();
    assert!(matches!(made, Errno::ENOENT | Errno::ESTALE), "{made:?}");
    assert_eq!(export.try_walk_from(&dir, "..").unwrap_err(), Errno::ESTALE);
    // The same name again is another directory.
    export.mkdir(&export.root, "d").unwrap();
    let made = export.mkdir(&dir, "x").unwrap_err();
    assert!(matches!(made, Errno::ENOENT | Errno::ESTALE), "{made:?}");
    assert!(!export.host("d/x").exists());
    export.mkdir(&export.walk("d"), "x").unwrap();
}
