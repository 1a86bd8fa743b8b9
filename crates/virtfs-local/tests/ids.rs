//! Maps of users and groups, and squashing: everywhere an id crosses, in the models that keep real
//! owners.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use common::{Export, RDWR, READ, cx, name, need_root, user};
use virtfs_local::{OVERFLOW_ID, Options, Owner, SecurityModel, Squash};
use virtfs_vfs::{Errno, FileSystem, Make, SetAttr};

const MAP: &str = "0:100000:2000";
const GROUPS: &str = "0:200000:1000,3000:7:1";
const ANYBODY: Owner = Owner {
    uid: 4321,
    gid: 1234,
};

fn mapped(model: SecurityModel) -> Export {
    need_root();
    Export::with(Options {
        model,
        uid_map: MAP.parse().unwrap(),
        gid_map: GROUPS.parse().unwrap(),
        ..Options::default()
    })
}

fn squashed(squash: Squash) -> Export {
    need_root();
    Export::with(Options {
        squash,
        ..Options::default()
    })
}

fn on_host(export: &Export, file: &str) -> (u32, u32) {
    let meta = fs::symlink_metadata(export.host(file)).unwrap();
    (meta.uid(), meta.gid())
}

fn seen(export: &Export, file: &str) -> (u32, u32) {
    let attr = export.stat(&export.walk(file));
    (attr.uid, attr.gid)
}

fn create(export: &Export, file: &str, uid: u32, gid: u32) -> Result<(), Errno> {
    let (fs, root) = (&export.fs, &export.root);
    fs.create(&user(uid), root, name(file), RDWR, 0o644, gid)
        .map(drop)
}

fn mkdir(export: &Export, file: &str, uid: u32, gid: u32) -> Result<(), Errno> {
    let what = Make::Directory { mode: 0o755 };
    let (fs, root) = (&export.fs, &export.root);
    fs.make(&user(uid), root, name(file), what, gid).map(drop)
}

fn give(export: &Export, file: &str, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
    let changes = SetAttr {
        uid,
        gid,
        ..SetAttr::default()
    };
    export.set(&export.walk(file), None, changes)
}

#[test]
fn what_is_made_belongs_to_the_counterpart() {
    for model in [SecurityModel::Passthrough, SecurityModel::None] {
        let export = mapped(model);
        create(&export, "f", 0, 5).unwrap();
        mkdir(&export, "d", 1999, 3000).unwrap();
        assert_eq!(on_host(&export, "f"), (100_000, 200_005));
        assert_eq!(on_host(&export, "d"), (101_999, 7));
        assert_eq!(seen(&export, "f"), (0, 5));
        assert_eq!(seen(&export, "d"), (1999, 3000));
        // Callers without a user or group make the server's own.
        export.create("nobodys");
        assert_eq!(on_host(&export, "nobodys").0, 0);
    }
}

#[test]
fn a_user_without_counterpart_makes_nothing() {
    let export = mapped(SecurityModel::Passthrough);
    for (uid, gid) in [(2000, 0), (0, 1000), (OVERFLOW_ID, OVERFLOW_ID)] {
        assert_eq!(create(&export, "f", uid, gid), Err(Errno::EINVAL));
        assert_eq!(mkdir(&export, "f", uid, gid), Err(Errno::EINVAL));
    }
    assert_eq!(export.list(&export.root).len(), 2);
    // Under this model it is the server's.
    let export = mapped(SecurityModel::None);
    create(&export, "f", 2000, 5).unwrap();
    assert_eq!(on_host(&export, "f").0, 0);
}

#[test]
fn an_owner_without_counterpart_shows_as_the_overflow_id_and_cannot_be_set() {
    let export = mapped(SecurityModel::Passthrough);
    export.host_write("f", "");
    for (uid, gid) in [(0, 0), (102_000, 201_000), (99_999, 199_999)] {
        chown(export.host("f"), Some(uid), Some(gid)).unwrap();
        assert_eq!(seen(&export, "f"), (OVERFLOW_ID, OVERFLOW_ID));
    }
    let before = on_host(&export, "f");
    for (uid, gid) in [
        (Some(OVERFLOW_ID), None),
        (Some(2000), Some(0)),
        (Some(0), Some(1000)),
        (None, Some(OVERFLOW_ID)),
    ] {
        assert_eq!(give(&export, "f", uid, gid), Err(Errno::EINVAL));
        assert_eq!(on_host(&export, "f"), before);
    }
    give(&export, "f", Some(3), None).unwrap();
    assert_eq!(on_host(&export, "f"), (100_003, before.1));
    give(&export, "f", Some(u32::MAX), Some(4)).unwrap();
    assert_eq!(seen(&export, "f"), (3, 4));
}

/// With entries for a user and a group.
fn acl(uid: u32, gid: u32) -> Vec<u8> {
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, id) in [
        (0x01_u16, u32::MAX),
        (0x02, uid),
        (0x04, u32::MAX),
        (0x08, gid),
        (0x10, u32::MAX),
        (0x20, u32::MAX),
    ] {
        acl.extend(tag.to_le_bytes());
        acl.extend(4_u16.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    acl
}

const ACCESS: &str = "system.posix_acl_access";

fn host_acl(export: &Export, file: &str) -> Vec<u8> {
    let mut value = vec![0; 200];
    let length = rustix::fs::getxattr(export.host(file), ACCESS, &mut value).unwrap();
    value.truncate(length);
    value
}

#[test]
fn ids_in_acls_are_mapped_both_ways() {
    let export = mapped(SecurityModel::Passthrough);
    let (node, open) = export.create("f");
    for open in [None, Some(&open)] {
        export.xattr_put(&node, open, ACCESS, &acl(5, 6)).unwrap();
        assert_eq!(host_acl(&export, "f"), acl(100_005, 200_006));
        assert_eq!(export.xattr(&node, open, ACCESS).unwrap(), acl(5, 6));
        let bad = export.xattr_put(&node, open, ACCESS, &acl(2000, 6));
        assert_eq!(bad, Err(Errno::EINVAL));
        // What is no ACL is for the kernel to refuse.
        assert!(export.xattr_put(&node, open, ACCESS, b"no acl").is_err());
    }
    let theirs = acl(1, 2);
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(export.host("f"), ACCESS, &theirs, flags).unwrap();
    let expected = acl(OVERFLOW_ID, OVERFLOW_ID);
    assert_eq!(export.xattr(&node, None, ACCESS).unwrap(), expected);
}

#[test]
fn root_can_be_squashed() {
    let export = squashed(Squash::Root(ANYBODY));
    create(&export, "f", 0, 0).unwrap();
    assert_eq!(on_host(&export, "f"), (4321, 1234));
    create(&export, "g", 5, 0).unwrap();
    assert_eq!(on_host(&export, "g"), (5, 1234));
    give(&export, "g", Some(0), Some(9)).unwrap();
    assert_eq!(on_host(&export, "g"), (4321, 9));
    let node = export.walk("g");
    export.xattr_put(&node, None, ACCESS, &acl(0, 5)).unwrap();
    assert_eq!(host_acl(&export, "g"), acl(4321, 5));
    assert_eq!(seen(&export, "f"), (4321, 1234));
}

#[test]
fn everybody_can_be_squashed() {
    let export = squashed(Squash::All(ANYBODY));
    create(&export, "f", 0, 7).unwrap();
    mkdir(&export, "d", 1000, 1000).unwrap();
    export.create("nobodys");
    for file in ["f", "d", "nobodys"] {
        assert_eq!(on_host(&export, file), (4321, 1234), "{file}");
    }
    give(&export, "f", Some(5), None).unwrap();
    assert_eq!(on_host(&export, "f").0, 4321);
    let opened = export.open(&export.walk("f"), READ);
    assert_eq!(export.read(&opened, 0, 1).unwrap(), b"");
    export.fs.attach(&cx()).unwrap();
}
