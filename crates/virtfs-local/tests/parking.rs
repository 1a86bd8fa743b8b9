//! Open files beyond the budget of descriptors are closed, and are themselves again when used.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{Export, RDWR, READ, WRITE, need_root};
use virtfs_local::Options;
use virtfs_vfs::{Errno, FileSystem, Open, OpenFlags, SetAttr};

const BUDGET: usize = 8;

fn export() -> Export {
    Export::with(Options {
        max_files_open: BUDGET,
        max_nodes_open: BUDGET,
        ..Options::default()
    })
}

/// Opens as many other files as it takes to have all others parked.
fn crowd(export: &Export) -> Vec<Open> {
    let others = (0..4 * BUDGET).map(|n| export.create(&format!("other-{n}")).1);
    let others: Vec<_> = others.collect();
    assert!(export.fs.files_open() <= BUDGET);
    others
}

#[test]
fn many_more_files_than_descriptors_can_be_open() {
    let export = export();
    let files: Vec<_> = (0..500).map(|n| export.create(&format!("f-{n}"))).collect();
    assert!(export.fs.files_open() <= BUDGET);
    for round in 0..2_u8 {
        for (n, (_, open)) in files.iter().enumerate() {
            let text = [round, n as u8, (n >> 8) as u8];
            assert_eq!(export.write(open, 3 * u64::from(round), &text), Ok(3));
        }
    }
    for (n, (_, open)) in files.iter().enumerate() {
        let (low, high) = (n as u8, (n >> 8) as u8);
        assert_eq!(
            export.read(open, 0, 9).unwrap(),
            [0, low, high, 1, low, high]
        );
    }
    assert!(export.fs.files_open() <= BUDGET);
    drop(files);
    assert_eq!(export.fs.files_open(), 0);
}

#[test]
fn a_parked_file_is_not_truncated_again() {
    let export = export();
    export.host_write("f", "old");
    let open = export.open(&export.walk("f"), WRITE | OpenFlags::TRUNCATE);
    export.write(&open, 0, b"new content").unwrap();
    let _others = crowd(&export);
    export.write(&open, 0, b"NEW").unwrap();
    assert_eq!(export.host_read("f"), "NEW content");
}

#[test]
fn a_parked_file_still_appends() {
    let export = export();
    let open = export.try_create(&export.root, "f", WRITE | OpenFlags::APPEND, 0o644);
    let open = open.unwrap().1.open;
    export.write(&open, 0, b"one").unwrap();
    let _others = crowd(&export);
    export.write(&open, 0, b"two").unwrap();
    assert_eq!(export.host_read("f"), "onetwo");
}

#[test]
fn a_parked_file_outlives_its_names() {
    let export = export();
    let (_, open) = export.create("f");
    export.write(&open, 0, b"content").unwrap();
    let (linked, second) = export.create("g");
    export.write(&second, 0, b"linked").unwrap();
    let (_, replaced) = export.create("h");
    export.write(&replaced, 0, b"replaced").unwrap();
    let _others = crowd(&export);
    // Removed, removed by all its names, replaced.
    export.unlink(&export.root, "f").unwrap();
    export
        .fs
        .link(&common::cx(), &linked, &export.root, common::name("g2"))
        .unwrap();
    export.unlink(&export.root, "g").unwrap();
    fs::remove_file(export.host("g2")).unwrap();
    export.create("new");
    export
        .rename((&export.root, "new"), (&export.root, "h"))
        .unwrap();
    let _more: Vec<_> = (0..4 * BUDGET)
        .map(|n| export.create(&format!("more-{n}")))
        .collect();
    for (open, text) in [
        (open, "content"),
        (second, "linked"),
        (replaced, "replaced"),
    ] {
        assert_eq!(export.read(&open, 0, 100).unwrap(), text.as_bytes());
        export.write(&open, 0, b"C").unwrap();
    }
    assert_eq!(export.host_read("h"), "");
}

#[test]
fn a_parked_file_follows_its_renames() {
    let export = export();
    let (_, open) = export.create("f");
    let _others = crowd(&export);
    export
        .rename((&export.root, "f"), (&export.root, "g"))
        .unwrap();
    export.host_write("f", "another");
    export.write(&open, 0, b"mine").unwrap();
    assert_eq!(export.host_read("g"), "mine");
    assert_eq!(export.host_read("f"), "another");
}

#[test]
fn a_removal_that_fails_changes_nothing() {
    let export = export();
    let (node, open) = export.create("f");
    let _others = crowd(&export);
    assert_eq!(
        export.rename((&export.root, "missing"), (&export.root, "f")),
        Err(Errno::ENOENT)
    );
    let _more: Vec<_> = (0..4 * BUDGET)
        .map(|n| export.create(&format!("more-{n}")))
        .collect();
    assert!(export.fs.files_open() <= BUDGET);
    let changes = SetAttr {
        size: Some(5),
        ..SetAttr::default()
    };
    export.set(&node, Some(&open), changes).unwrap();
    assert_eq!(export.host_read("f").len(), 5);
}

#[test]
fn a_file_that_cannot_be_opened_again_is_not_parked() {
    need_root();
    let export = export();
    fs::set_permissions(export.host(""), fs::Permissions::from_mode(0o777)).unwrap();
    common::as_user(1000, || {
        let (_, open) = export.create("f");
        fs::set_permissions(export.host("f"), fs::Permissions::from_mode(0o000)).unwrap();
        let _others = crowd(&export);
        export.write(&open, 0, b"content").unwrap();
        assert_eq!(export.read(&open, 0, 100).unwrap(), b"content");
    });
}

#[test]
fn what_cannot_be_parked_ends_at_the_budget() {
    let export = export();
    for n in 0..=BUDGET {
        fs::create_dir(export.host(&format!("d-{n}"))).unwrap();
    }
    let open = |n| {
        export
            .fs
            .open(&common::cx(), &export.walk(&format!("d-{n}")), READ)
    };
    let held: Vec<_> = (0..BUDGET).map(|n| open(n).unwrap()).collect();
    assert_eq!(open(BUDGET).unwrap_err(), Errno::EMFILE);
    assert_eq!(
        export
            .try_create(&export.root, "f", RDWR, 0o644)
            .unwrap_err(),
        Errno::EMFILE
    );
    assert!(!export.host("f").exists());
    drop(held);
    open(BUDGET).unwrap();
}
