//! `mapped-xattr`: which extended attributes clients have, and where the host keeps them.

mod common;

use common::mapped_xattr::*;
use common::{Export, WRITE, cx};
use virtfs_local::{LocalFs, Options, SecurityModel, Xattrs};
use virtfs_vfs::{Device, Errno, FileKind, FileSystem, Make, SetAttr};

/// Version 2, with nothing but the three classes.
fn acl(owner: u16, group: u16, other: u16) -> Vec<u8> {
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions) in [(1_u16, owner), (4, group), (0x20, other)] {
        acl.extend(tag.to_le_bytes());
        acl.extend(permissions.to_le_bytes());
        acl.extend(u32::MAX.to_le_bytes());
    }
    acl
}

fn options_of(xattr: Xattrs) -> Options {
    Options { xattr, ..options() }
}

#[test]
fn links_and_special_files_have_no_attributes_of_users() {
    for model in [SecurityModel::MappedXattr, SecurityModel::MappedFile] {
        let export = Export::with(Options { model, ..options() });
        let link = make(&export, "l", Make::Symlink { target: b"x" });
        let fifo = make(&export, "p", special(FileKind::Fifo, Device::default()));
        host_set(&export, "l", "user.a", b"1");
        for node in [&link, &fifo] {
            let put = export.xattr_put(node, None, "user.a", b"1");
            assert_eq!(put, Err(Errno::EPERM));
            assert_eq!(export.xattr(node, None, "user.a"), Err(Errno::ENODATA));
            assert!(export.xattr_names(node, None).is_empty());
        }
    }
}

#[test]
fn the_servers_attributes_are_neither_seen_nor_set() {
    let export = Export::with(options());
    let (node, open) = export.create("f");
    host_set(&export, "f", "user.virtfs.other", b"x");
    for key in [
        "user.virtfs.uid",
        "user.virtfs.gid",
        MODE,
        "user.virtfs.rdev",
        "user.virtfs.other",
        "user.virtfs.",
        "user.virtfs.system.posix_acl_access",
        "user.virtfs.security.capability",
        "user.virtfs.server",
    ] {
        for open in [None, Some(&open)] {
            assert_eq!(export.xattr(&node, open, key), Err(Errno::ENODATA), "{key}");
            let put = export.xattr_put(&node, open, key, &[0; 4]);
            assert_eq!(put, Err(Errno::EACCES), "{key}");
            let removed = export.fs.xattr_remove(&cx(), &node, open, key.as_bytes());
            assert_eq!(removed, Err(Errno::EACCES), "{key}");
        }
    }
    export.xattr_put(&node, None, "user.virtfs", b"1").unwrap();
    export.xattr_put(&node, None, "user.virtfsx", b"1").unwrap();
    let mut names = export.xattr_names(&node, None);
    names.sort();
    assert_eq!(names, ["user.virtfs", "user.virtfsx"]);
    assert_eq!(export.stat(&node).mode, 0o100_644);
}

#[test]
fn acls_are_kept_as_user_attributes_and_listed_by_their_own_names() {
    let export = Export::with(options());
    make(&export, "d", Make::Directory { mode: 0o755 });
    let dir = export.walk("d");
    let (access, default) = ("system.posix_acl_access", "system.posix_acl_default");
    // A guest's ACL is any bytes: the host does not look at it.
    export.xattr_put(&dir, None, access, b"anything").unwrap();
    export
        .xattr_put(&dir, None, default, &acl(7, 5, 0))
        .unwrap();
    assert_eq!(export.xattr(&dir, None, access).unwrap(), b"anything");
    let mut names = export.xattr_names(&dir, None);
    names.sort();
    assert_eq!(names, [access, default]);
    assert_eq!(
        host_get(&export, "d", &format!("user.virtfs.{default}")).unwrap(),
        acl(7, 5, 0)
    );
    assert_eq!(host_get(&export, "d", default), None);
    let remove = || export.fs.xattr_remove(&cx(), &dir, None, access.as_bytes());
    remove().unwrap();
    assert_eq!(export.xattr(&dir, None, access), Err(Errno::ENODATA));
    // One that is not there is as good as removed.
    remove().unwrap();
}

#[test]
fn acls_of_the_host_do_not_show_in_the_list() {
    let export = Export::with(options());
    let (node, _) = export.create("f");
    export.xattr_put(&node, None, "user.zz", b"1").unwrap();
    // With an entry for a user, so that it does not dissolve in the mode.
    let mut named = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [
        (1_u16, 6_u16, u32::MAX),
        (2, 4, 1234),
        (4, 4, u32::MAX),
        (0x10, 4, u32::MAX),
        (0x20, 0, u32::MAX),
    ] {
        named.extend(tag.to_le_bytes());
        named.extend(permissions.to_le_bytes());
        named.extend(id.to_le_bytes());
    }
    host_set(&export, "f", "system.posix_acl_access", &named);
    assert!(host_names(&export, "f").contains(&"system.posix_acl_access".to_owned()));
    assert_eq!(export.xattr_names(&node, None), ["user.zz"]);
    let seen = export.xattr(&node, None, "system.posix_acl_access");
    assert_eq!(seen, Err(Errno::ENODATA));
}

#[test]
fn capabilities_of_guests_mean_nothing_to_the_host_and_go_with_a_change() {
    let options = Options {
        xattr: Xattrs::Security,
        ..options()
    };
    let export = Export::with(options);
    let (node, open) = export.create("f");
    let key = "security.capability";
    let put = || export.xattr_put(&node, None, key, b"any bytes").unwrap();
    let has = || export.xattr(&node, None, key);
    assert_eq!(has(), Err(Errno::ENODATA));
    put();
    assert_eq!(has().unwrap(), b"any bytes");
    assert_eq!(export.xattr_names(&node, None), [key]);
    assert_eq!(host_get(&export, "f", key), None);
    assert_eq!(
        host_get(&export, "f", "user.virtfs.security.capability").unwrap(),
        b"any bytes"
    );
    set_mode(&export, &node, 0o755);
    has().unwrap();
    export.write(&open, 0, b"x").unwrap();
    assert_eq!(has(), Err(Errno::ENODATA));
    put();
    export.set(&node, Some(&open), set_size(0)).unwrap();
    assert_eq!(has(), Err(Errno::ENODATA));
    put();
    let owner = SetAttr {
        gid: Some(3),
        ..SetAttr::default()
    };
    export.set(&node, None, owner).unwrap();
    assert_eq!(has(), Err(Errno::ENODATA));
    put();
    drop((node.clone(), open));
    // Of a file that is seen for the first time.
    let again = Export {
        fs: LocalFs::open(export.dir.path(), self::options_of(Xattrs::Security)).unwrap(),
        ..export
    };
    let (root, _) = again.fs.attach(&cx()).unwrap();
    let again = Export { root, ..again };
    let node = again.walk("f");
    let open = again.open(&node, WRITE);
    again.write(&open, 0, b"x").unwrap();
    assert_eq!(again.xattr(&node, None, key), Err(Errno::ENODATA));
    assert_eq!(
        again.xattr(&node, None, "trusted.a"),
        Err(Errno::EOPNOTSUPP)
    );
}

#[test]
fn all_attributes_of_guests_are_kept_where_the_host_ignores_them() {
    let dir = tempfile::tempdir().unwrap();
    let export = Export::over(dir, "", options_of(Xattrs::All));
    let (node, _) = export.create("f");
    for key in ["trusted.overlay.opaque", "security.selinux", "security.ima"] {
        export.xattr_put(&node, None, key, b"x").unwrap();
        assert_eq!(export.xattr(&node, None, key).unwrap(), b"x");
        assert_eq!(host_get(&export, "f", key), None);
        let stored = format!("user.virtfs.{key}");
        assert_eq!(host_get(&export, "f", &stored).unwrap(), b"x");
        let own = export.xattr_put(&node, None, &stored, b"y");
        assert_eq!(own, Err(Errno::EACCES));
    }
    for key in ["system.nfs4_acl", "btrfs.compression", "x"] {
        let put = export.xattr_put(&node, None, key, b"x");
        assert_eq!(put, Err(Errno::EOPNOTSUPP));
    }
    assert_eq!(export.xattr_names(&node, None).len(), 3);
}
