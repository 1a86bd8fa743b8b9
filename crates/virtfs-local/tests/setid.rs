//! Setuid and setgid bits: dropped by what changes the content, though the server is root; set
//! where a client asks for them.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use common::{Export, RDWR, WRITE, need_root};
use virtfs_vfs::{FileSystem, Node, OpenFlags, SetAttr};

fn with_mode(mode: u32) -> (Export, Node) {
    need_root();
    let export = Export::new();
    export.fs.prepare_thread();
    export.host_write("f", "content");
    fs::set_permissions(export.host("f"), fs::Permissions::from_mode(0o777)).unwrap();
    let node = export.walk("f");
    let changes = SetAttr {
        mode: Some(mode),
        ..SetAttr::default()
    };
    export.set(&node, None, changes).unwrap();
    assert_eq!(export.stat(&node).mode & 0o7777, mode);
    (export, node)
}

fn host_mode(export: &Export) -> u32 {
    fs::metadata(export.host("f")).unwrap().mode() & 0o7777
}

#[test]
fn a_write_drops_them() {
    let (export, node) = with_mode(0o6777);
    let open = export.open(&node, WRITE);
    assert_eq!(host_mode(&export), 0o6777);
    export.write(&open, 0, b"x").unwrap();
    assert_eq!(host_mode(&export), 0o777);
}

#[test]
fn a_truncation_drops_them() {
    for with_open in [true, false] {
        let (export, node) = with_mode(0o6755);
        let open = export.open(&node, RDWR);
        let changes = SetAttr {
            size: Some(2),
            ..SetAttr::default()
        };
        export
            .set(&node, with_open.then_some(&open), changes)
            .unwrap();
        assert_eq!(host_mode(&export), 0o755);
    }
    let (export, node) = with_mode(0o6755);
    export.open(&node, WRITE | OpenFlags::TRUNCATE);
    assert_eq!(host_mode(&export), 0o755);
    let (export, _) = with_mode(0o6755);
    let flags = WRITE | OpenFlags::TRUNCATE;
    export.try_create(&export.root, "f", flags, 0).unwrap();
    assert_eq!(host_mode(&export), 0o755);
}

#[test]
fn a_change_of_owner_drops_them() {
    let (export, node) = with_mode(0o6755);
    let changes = SetAttr {
        uid: Some(3),
        ..SetAttr::default()
    };
    export.set(&node, None, changes).unwrap();
    assert_eq!(host_mode(&export), 0o755);
}

/// Without group execute permission, setgid once meant mandatory locks: the kernel keeps it.
#[test]
fn setgid_without_group_execute_stays() {
    let (export, node) = with_mode(0o6744);
    // Of a group that the server is in: for others the kernel drops even this.
    let open = export.open(&node, WRITE);
    export.write(&open, 0, b"x").unwrap();
    assert_eq!(host_mode(&export), 0o2744);
}

#[test]
fn they_are_set_for_groups_that_the_server_is_not_in() {
    let (export, node) = with_mode(0o755);
    let owner = SetAttr {
        uid: Some(1234),
        gid: Some(5678),
        ..SetAttr::default()
    };
    export.set(&node, None, owner).unwrap();
    let mode = SetAttr {
        mode: Some(0o6755),
        ..SetAttr::default()
    };
    export.set(&node, None, mode).unwrap();
    assert_eq!(host_mode(&export), 0o6755);
    // And the capability is gone again.
    let open = export.open(&node, WRITE);
    export.write(&open, 0, b"x").unwrap();
    assert_eq!(host_mode(&export), 0o755);
}

#[test]
fn threads_that_were_not_prepared_prepare_themselves() {
    let (export, node) = with_mode(0o6755);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let open = export.open(&node, RDWR);
            export.write(&open, 0, b"x").unwrap();
        });
    });
    assert_eq!(host_mode(&export), 0o755);
}

#[test]
fn a_thread_that_one_of_ours_started_can_set_them_too() {
    need_root();
    let export = Export::new();
    export.fs.prepare_thread();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let what = virtfs_vfs::Make::Directory { mode: 0o2755 };
            let name = common::name("d");
            export
                .fs
                .make(&common::user(1000), &export.root, name, what, 1000)
                .unwrap();
        });
    });
    let mode = fs::metadata(export.host("d")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o2755);
}

#[test]
fn what_another_server_has_set_is_dropped_once_it_was_seen() {
    use virtfs_local::{LocalFs, Options, SecurityModel};
    for model in [SecurityModel::MappedXattr, SecurityModel::MappedFile] {
        let options = || Options {
            model,
            ..Options::default()
        };
        let export = Export::with(options());
        let (node, open) = export.create("f");
        let other = LocalFs::open(export.dir.path(), options()).unwrap();
        let (root, _) = other.attach(&common::cx()).unwrap();
        let (mut qids, names) = (virtfs_vfs::Qids::new(), [common::name("f")]);
        let theirs = other.walk(&common::cx(), &root, &names, &mut qids).unwrap();
        let changes = SetAttr {
            mode: Some(0o6755),
            ..SetAttr::default()
        };
        other.set(&common::cx(), &theirs, None, &changes).unwrap();
        assert_eq!(export.stat(&node).mode, 0o106_755);
        export.write(&open, 0, b"x").unwrap();
        assert_eq!(export.stat(&node).mode, 0o100_755);
    }
}
