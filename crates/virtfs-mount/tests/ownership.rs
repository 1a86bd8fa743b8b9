//! Whose files are, and with which mode they come: as on a local file system.

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use common::{OTHER, USER, as_user, mounted, must_as, open_tempdir, open_to_all};
use rustix::fs::{XattrFlags, getxattr, setxattr};

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

/// Mode with type, owner and group.
fn status(path: &Path) -> (u32, u32, u32) {
    let status = fs::symlink_metadata(path).unwrap();
    (status.mode(), status.uid(), status.gid())
}

/// The bytes of an ACL: owner, a user, group, mask, others.
fn acl(owner: u16, user: (u32, u16), group: u16, mask: u16, other: u16) -> Vec<u8> {
    const NO_ID: u32 = u32::MAX;
    let entries = [
        (0x01_u16, owner, NO_ID),
        (0x02, user.1, user.0),
        (0x04, group, NO_ID),
        (0x10, mask, NO_ID),
        (0x20, other, NO_ID),
    ];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(rights.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// Runs the same script as the same user in a local directory and in a mounted one, and compares
/// what there is afterwards.
fn same_as_locally(prepare: impl Fn(&Path), uid: u32, script: &str, names: &[&str]) {
    let local = open_tempdir();
    let (served, mount) = mounted("");
    let (there, here) = (local.path().join("top"), mount.path("top"));
    for dir in [&there, &served.host("top")] {
        fs::create_dir(dir).unwrap();
        open_to_all(dir);
        prepare(dir);
    }
    let run = |dir: &PathBuf| must_as(uid, &format!("cd {} && {script}", dir.display()));
    assert_eq!(run(&there), run(&here));
    for name in names {
        let expected = status(&there.join(name));
        assert_eq!(status(&here.join(name)), expected, "{name} in the mount");
        assert_eq!(
            status(&served.host("top").join(name)),
            expected,
            "{name} on the host"
        );
    }
}

const ALL: &str = "umask 027; : >file; mkdir dir; mkfifo fifo; ln -s x link; mkdir -m 700 own; \
    install -m 6755 /bin/true tool";
const NAMES: [&str; 6] = ["file", "dir", "fifo", "link", "own", "tool"];

#[test]
fn what_a_user_makes_is_the_users() {
    for uid in [0, USER, OTHER] {
        same_as_locally(|_| {}, uid, ALL, &NAMES);
    }
}

#[test]
fn in_a_set_group_id_directory_the_group_is_inherited() {
    let prepare = |dir: &Path| {
        chown(dir, None, Some(777)).unwrap();
        fs::set_permissions(dir, Permissions::from_mode(0o2777)).unwrap();
    };
    for uid in [0, USER] {
        same_as_locally(prepare, uid, ALL, &NAMES);
        same_as_locally(
            prepare,
            uid,
            "mkdir -p a/b/c; : >a/b/c/d",
            &["a/b", "a/b/c", "a/b/c/d"],
        );
    }
}

#[test]
fn a_default_acl_takes_the_place_of_the_umask() {
    let prepare = |dir: &Path| {
        let acl = acl(7, (OTHER, 6), 5, 7, 0);
        setxattr(dir, DEFAULT, &acl, XattrFlags::empty()).unwrap();
    };
    for uid in [0, USER] {
        let script = "umask 077; : >file; mkdir dir; mkdir dir/deep; mkfifo fifo";
        same_as_locally(prepare, uid, script, &["file", "dir", "dir/deep", "fifo"]);
    }
}

#[test]
fn without_acls_the_umask_always_counts() {
    let (served, mount) = mounted("noacl");
    open_to_all(&served.host(""));
    let script = format!(
        "umask 027; cd {}; : >file; mkdir dir",
        mount.path("").display()
    );
    must_as(USER, &script);
    assert_eq!(status(&served.host("file")), (0o100640, USER, USER));
    assert_eq!(status(&served.host("dir")), (0o040750, USER, USER));
}

#[test]
fn an_acl_that_is_set_through_the_mount_counts_for_the_next_file() {
    let (served, mount) = mounted("");
    let top = mount.path("top");
    fs::create_dir(&top).unwrap();
    let made = |name: &str| {
        let script = format!("umask 077; : >{}", top.join(name).display());
        must_as(0, &script);
        status(&served.host("top").join(name)).0 & 0o777
    };
    assert_eq!(made("before"), 0o600);
    setxattr(
        &top,
        DEFAULT,
        &acl(6, (USER, 4), 4, 4, 4),
        XattrFlags::empty(),
    )
    .unwrap();
    assert_eq!(made("with"), 0o644);
    rustix::fs::removexattr(&top, DEFAULT).unwrap();
    assert_eq!(made("after"), 0o600);
}

#[test]
fn an_acl_lets_a_user_in_and_another_not() {
    let (served, mount) = mounted("");
    fs::write(served.host("file"), "secret").unwrap();
    fs::set_permissions(served.host("file"), Permissions::from_mode(0o600)).unwrap();
    let read = format!("cat {}", mount.path("file").display());
    assert!(!as_user(USER, &read).status.success());
    let acl = acl(6, (USER, 4), 0, 4, 0);
    setxattr(mount.path("file"), ACCESS, &acl, XattrFlags::empty()).unwrap();
    assert_eq!(must_as(USER, &read), "secret");
    assert!(!as_user(OTHER, &read).status.success());
    let mut seen = [0; 256];
    let len = getxattr(served.host("file"), ACCESS, &mut seen).unwrap();
    assert_eq!(seen[..len], acl);
}

#[test]
fn the_kernel_checks_permissions() {
    let (served, mount) = mounted("");
    fs::create_dir(served.host("private")).unwrap();
    fs::set_permissions(served.host("private"), Permissions::from_mode(0o700)).unwrap();
    fs::write(served.host("private/file"), "x").unwrap();
    fs::write(served.host("file"), "x").unwrap();
    for script in [
        "cat private/file",
        "ls private",
        "echo y >file",
        "rm file",
        ": >new",
    ] {
        let script = format!("cd {} && {script}", mount.path("").display());
        let output = as_user(USER, &script);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(errors.contains("Permission denied"), "{script}: {errors}");
    }
}

#[test]
fn in_a_sticky_directory_only_owners_remove() {
    let (served, mount) = mounted("");
    fs::set_permissions(served.host(""), Permissions::from_mode(0o1777)).unwrap();
    let cd = format!("cd {} && ", mount.path("").display());
    must_as(USER, &format!("{cd} : >file"));
    assert!(!as_user(OTHER, &format!("{cd} rm -f file")).status.success());
    must_as(USER, &format!("{cd} rm file"));
}

#[test]
fn a_user_makes_files_in_a_directory_that_moved() {
    let (served, mount) = mounted("");
    fs::create_dir_all(mount.path("a/b")).unwrap();
    open_to_all(&served.host("a/b"));
    let make = |dir: &str| {
        let path = mount.path(dir).join("file");
        must_as(USER, &format!(": >{}", path.display()));
        assert_eq!(status(&served.host(dir).join("file")).1, USER, "{dir}");
        fs::remove_file(path).unwrap();
    };
    make("a/b");
    fs::rename(mount.path("a"), mount.path("c")).unwrap();
    make("c/b");
    // By the host, which the mount learns by looking.
    fs::rename(served.host("c"), served.host("d")).unwrap();
    make("d/b");
    fs::rename(served.host("d/b"), served.host("e")).unwrap();
    fs::create_dir(served.host("d/b")).unwrap();
    make("e");
}

#[test]
fn names_that_are_kept_do_not_hide_that_a_directory_moved() {
    let (served, mount) = mounted("entry_timeout=3600,attr_timeout=3600");
    fs::create_dir_all(mount.path("a/b")).unwrap();
    open_to_all(&served.host("a/b"));
    let path = mount.path("a/b");
    must_as(USER, &format!(": >{}/one", path.display()));
    fs::rename(mount.path("a"), mount.path("z")).unwrap();
    // A user who has not been there yet is walked there by the names that the mount knows.
    open_to_all(&served.host("z/b"));
    let path = mount.path("z/b");
    rustix::fs::chmod(&path, rustix::fs::Mode::from_raw_mode(0o777)).unwrap();
    must_as(OTHER, &format!(": >{}/two", path.display()));
    assert_eq!(status(&served.host("z/b/two")).1, OTHER);
}

#[test]
fn a_write_by_another_drops_the_set_user_id_bit() {
    let (served, mount) = mounted("");
    fs::write(served.host("file"), "x").unwrap();
    fs::set_permissions(served.host("file"), Permissions::from_mode(0o4777)).unwrap();
    must_as(USER, &format!("echo y >>{}", mount.path("file").display()));
    assert_eq!(status(&served.host("file")).0 & 0o7777, 0o777);
    assert_eq!(status(&mount.path("file")).0 & 0o7777, 0o777);
}

#[test]
fn a_change_of_owner_drops_the_set_user_id_bit() {
    let (served, mount) = mounted("");
    fs::write(served.host("file"), "x").unwrap();
    fs::set_permissions(served.host("file"), Permissions::from_mode(0o4755)).unwrap();
    chown(mount.path("file"), Some(USER), Some(OTHER)).unwrap();
    assert_eq!(status(&mount.path("file")), (0o100755, USER, OTHER));
    assert_eq!(status(&served.host("file")), (0o100755, USER, OTHER));
}
