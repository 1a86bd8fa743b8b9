//! The models, read-only exports, attribute namespaces, and what a failure leaves behind.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use common::{Export, RDWR, READ, WRITE, as_user, cx, name, user};
use virtfs_local::{Options, SecurityModel, Xattrs};
use virtfs_vfs::{
    Device, Errno, FileKind, FileSystem, LockKind, LockRange, LockSet, Make, OpenFlags, Place,
    Removal, SetAttr, StatWant,
};

fn model(model: SecurityModel) -> Options {
    Options {
        model,
        ..Options::default()
    }
}

/// A directory of user 1000's.
fn home() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    chown(dir.path(), Some(1000), Some(1000)).unwrap();
    dir
}

const OTHER: SetAttr = SetAttr {
    mode: None,
    uid: Some(2000),
    gid: None,
    size: None,
    atime: None,
    mtime: None,
    ctime: false,
};

#[test]
fn passthrough_without_the_right_to_give_files_away_leaves_nothing_and_destroys_nothing() {
    let dir = home();
    as_user(1000, || {
        let export = Export::over(dir, "", model(SecurityModel::Passthrough));
        export.host_write("old", "content");
        let create = |file: &str| {
            let (dir, flags) = (&export.root, OpenFlags::WRITE);
            export
                .fs
                .create(&user(2000), dir, name(file), flags, 0o644, 2000)
        };
        assert_eq!(create("new").unwrap_err(), Errno::EPERM);
        assert!(!export.host("new").exists());
        // What exists is opened, and stays.
        create("old").unwrap();
        assert_eq!(export.host_read("old"), "content");
        let device = Device::default();
        for what in [
            Make::Directory { mode: 0o755 },
            Make::Symlink { target: b"x" },
            Make::Node {
                kind: FileKind::Fifo,
                mode: 0o600,
                device,
            },
            Make::Node {
                kind: FileKind::Regular,
                mode: 0o600,
                device,
            },
        ] {
            let made = export
                .fs
                .make(&user(2000), &export.root, name("made"), what, 2000);
            assert_eq!(made, Err(Errno::EPERM));
            assert!(fs::symlink_metadata(export.host("made")).is_err());
            let made = export
                .fs
                .make(&user(1000), &export.root, name("made"), what, 1000);
            made.unwrap();
            let place = Place::Entry(&export.root, name("made"));
            export.fs.remove(&cx(), place, Removal::Either).unwrap();
        }
        assert_eq!(
            export.set(&export.walk("old"), None, OTHER),
            Err(Errno::EPERM)
        );
    });
}

#[test]
fn none_keeps_what_it_cannot_give_away_but_says_so_when_asked() {
    let dir = home();
    as_user(1000, || {
        let export = Export::over(dir, "", model(SecurityModel::None));
        let (node, _) = export
            .fs
            .create(&user(2000), &export.root, name("f"), WRITE, 0o644, 2000)
            .unwrap();
        assert_eq!(export.stat(&node).uid, 1000);
        assert_eq!(export.set(&node, None, OTHER), Err(Errno::EPERM));
        let dir = Make::Directory { mode: 0o700 };
        export
            .fs
            .make(&user(2000), &export.root, name("d"), dir, 2000)
            .unwrap();
        assert_eq!(fs::metadata(export.host("d")).unwrap().uid(), 1000);
        // Unprivileged, everything else works: links and attributes too.
        export
            .fs
            .link(&cx(), &node, &export.root, name("l"))
            .unwrap();
        export.xattr_put(&node, None, "user.a", b"b").unwrap();
        export.rename_node(&node, (&export.root, "g")).unwrap();
        export
            .set(
                &node,
                None,
                SetAttr {
                    mode: Some(0o4711),
                    ..SetAttr::default()
                },
            )
            .unwrap();
        assert_eq!(export.stat(&node).mode & 0o7777, 0o4711);
    });
}

#[test]
fn an_ordinary_user_is_bound_by_permissions() {
    let dir = home();
    fs::write(dir.path().join("roots"), "secret").unwrap();
    fs::set_permissions(dir.path().join("roots"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(dir.path().join("readable"), "content").unwrap();
    as_user(1000, || {
        let export = Export::over(dir, "", Options::default());
        let node = export.walk("roots");
        assert_eq!(
            export.fs.open(&cx(), &node, READ).unwrap_err(),
            Errno::EACCES
        );
        assert_eq!(export.stat(&node).size, 6);
        // The access time of another's file cannot be kept: it is read nevertheless.
        let node = export.walk("readable");
        let open = export.open(&node, READ | OpenFlags::NOATIME);
        assert_eq!(export.read(&open, 0, 10).unwrap(), b"content");
        // What cannot be opened for writing is locked as a whole.
        let lock = export.fs.lock_file(&cx(), &node, &open).unwrap();
        assert!(lock.whole_file_only());
        assert_eq!(
            lock.set(LockKind::Write, LockRange::WHOLE),
            Ok(LockSet::Done)
        );
    });
}

#[test]
fn the_umask_of_the_process_does_not_matter() {
    let export = Export::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            export.try_create(&export.root, "f", WRITE, 0o666).unwrap();
            export.mkdir(&export.root, "d").unwrap();
        });
    });
    assert_eq!(
        fs::metadata(export.host("f")).unwrap().mode() & 0o7777,
        0o666
    );
    // And keeps its value for everybody else.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let umask = status.lines().find(|l| l.starts_with("Umask:")).unwrap();
    assert!(!umask.ends_with("0000"), "{umask}");
}

#[test]
fn default_acls_of_the_directory_apply() {
    let export = Export::new();
    // user::rwx, group::rwx, mask::r-x, other::---: as the kernel takes it.
    let mut acl = 2u32.to_le_bytes().to_vec();
    for (tag, perm) in [(0x01u16, 7u16), (0x04, 7), (0x10, 5), (0x20, 0)] {
        acl.extend(tag.to_le_bytes());
        acl.extend(perm.to_le_bytes());
        acl.extend(u32::MAX.to_le_bytes());
    }
    let key = "system.posix_acl_default";
    export.xattr_put(&export.root, None, key, &acl).unwrap();
    assert_eq!(export.xattr(&export.root, None, key).unwrap(), acl);
    assert_eq!(export.xattr_names(&export.root, None), [key]);
    let (node, _) = export.try_create(&export.root, "f", WRITE, 0o666).unwrap();
    assert_eq!(export.stat(&node).mode & 0o777, 0o640);
}

#[test]
fn only_served_namespaces_exist() {
    for (model, acls) in [
        (SecurityModel::Passthrough, true),
        (SecurityModel::None, false),
    ] {
        let export = Export::with(self::model(model));
        export.host_write("f", "");
        let (node, open) = (export.walk("f"), export.open(&export.walk("f"), RDWR));
        for open in [None, Some(&open)] {
            for key in [
                "security.capability",
                "trusted.x",
                "system.other",
                "user",
                "",
                "xuser.a",
            ] {
                assert_eq!(
                    export.xattr(&node, open, key),
                    Err(Errno::EOPNOTSUPP),
                    "{key}"
                );
                let put = export.xattr_put(&node, open, key, b"");
                assert_eq!(put, Err(Errno::EOPNOTSUPP), "{key}");
                let removed = export.fs.xattr_remove(&cx(), &node, open, key.as_bytes());
                assert_eq!(removed, Err(Errno::EOPNOTSUPP), "{key}");
            }
            let acl = export.xattr(&node, open, "system.posix_acl_access");
            let expected = if acls {
                Errno::ENODATA
            } else {
                Errno::EOPNOTSUPP
            };
            assert_eq!(acl, Err(expected));
            let server = "user.virtfs.server";
            assert_eq!(export.xattr(&node, open, server), Err(Errno::ENODATA));
            assert_eq!(
                export.xattr_put(&node, open, server, b""),
                Err(Errno::EACCES)
            );
            export.xattr_put(&node, open, "user.empty", b"").unwrap();
            assert_eq!(export.xattr(&node, open, "user.empty").unwrap(), b"");
            assert_eq!(export.xattr_names(&node, open), ["user.empty"]);
        }
        let nul = export.fs.xattr(&cx(), &node, None, b"user.a\0b", 9);
        assert_eq!(nul, Err(Errno::EINVAL));
    }
}

#[test]
fn the_hosts_own_attributes_are_served_if_asked_for() {
    common::need_root();
    for served in [Xattrs::Security, Xattrs::All] {
        let export = Export::with(Options {
            xattr: served,
            ..Options::default()
        });
        export.fs.prepare_thread();
        let (node, open) = export.create("f");
        // Version 2, one capability (cap_net_raw), effective.
        let capability: Vec<u8> = [0x0200_0001_u32, 1 << 13, 0, 0, 0]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect();
        let key = "security.capability";
        export.xattr_put(&node, None, key, &capability).unwrap();
        assert_eq!(export.xattr(&node, Some(&open), key).unwrap(), capability);
        let mut value = [0; 64];
        let length = rustix::fs::getxattr(export.host("f"), key, &mut value).unwrap();
        assert_eq!(value[..length], capability);
        assert_eq!(export.xattr_names(&node, None), [key]);
        // The kernel takes it away.
        export.write(&open, 0, b"x").unwrap();
        assert_eq!(export.xattr(&node, None, key), Err(Errno::ENODATA));
        let trusted = export.xattr_put(&node, None, "trusted.a", b"x");
        let expected = match served {
            Xattrs::All => Ok(()),
            _ => Err(Errno::EOPNOTSUPP),
        };
        assert_eq!(trusted, expected);
        let other = export.xattr_put(&node, None, "system.other", b"x");
        assert_eq!(other, Err(Errno::EOPNOTSUPP));
    }
}

#[test]
fn a_readonly_export_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "content").unwrap();
    let options = Options {
        readonly: true,
        ..Options::default()
    };
    let export = Export::over(dir, "", options);
    let (root, node) = (&export.root, export.walk("f"));
    for flags in [
        WRITE,
        RDWR,
        READ | OpenFlags::TRUNCATE,
        READ | OpenFlags::APPEND,
    ] {
        assert_eq!(
            export.fs.open(&cx(), &node, flags).unwrap_err(),
            Errno::EROFS
        );
    }
    let open = export.open(&node, READ);
    assert_eq!(export.read(&open, 0, 10).unwrap(), b"content");
    let rofs = Err(Errno::EROFS);
    assert_eq!(
        export.try_create(root, "f", READ, 0).unwrap_err(),
        Errno::EROFS
    );
    assert_eq!(export.mkdir(root, "d").map(|_| ()), rofs);
    assert_eq!(export.fs.link(&cx(), &node, root, name("l")), rofs);
    assert_eq!(export.rename((root, "f"), (root, "g")), rofs);
    assert_eq!(export.remove_node(&node), rofs);
    assert_eq!(
        export.set(
            &node,
            None,
            SetAttr {
                ctime: true,
                ..SetAttr::default()
            }
        ),
        rofs
    );
    assert_eq!(export.write(&open, 0, b"x").map(|_| ()), rofs);
    assert_eq!(export.xattr_put(&node, None, "user.a", b""), rofs);
    assert_eq!(export.fs.xattr_remove(&cx(), &node, None, b"user.a"), rofs);
    assert!(export.fs.stat(&cx(), &node, None, StatWant::all()).is_ok());
    let lock = export.fs.lock_file(&cx(), &node, &open).unwrap();
    assert!(lock.whole_file_only());
}
