//! Passthrough by the root of a user namespace: owners without the host's root.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, chown};
use std::process::{Command, Stdio};

use virtfs_client::XattrFlags;

use crate::ordinary::Ordinary;
use crate::running::Running;
use crate::work::{
    CHARACTER_DEVICE, DIRECTORY, EINVAL, EPERM, FIFO, REGULAR, SYMLINK, acl, chmod, create, give,
    mknod, refused, seen,
};

/// The host's numbers of the namespace's users and groups 0 to 65535.
const USERS: u32 = 100_000;
const GROUPS: u32 = 200_000;

/// What hosts show in place of an owner that a namespace has not.
const OVERFLOW: u32 = 65_534;

/// A server of the place in a user namespace whose root owns it, and what the start says it lacks;
/// none where there can be no such namespace.
fn start(place: &Ordinary) -> Option<(Running, String)> {
    let mut probe = Command::new("unshare");
    if !probe
        .args(["--user", "true"])
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("not run: this machine has no user namespaces");
        return None;
    }
    // The shell keeps its privileges until its user is mapped, and becomes root of the namespace
    // then.
    let mut command = Command::new("unshare");
    command.args(["--user", "--keep-caps"]);
    let become_root = "echo ready >&2; read go; \
                       exec setpriv --reuid 0 --regid 0 --clear-groups \"$@\"";
    place.script(&mut command, become_root);
    command
        .args(["--security-model", "passthrough"])
        .stdin(Stdio::piped());
    let mut server = Running::start(&mut command);
    server.line("ready");
    for (map, first) in [("uid_map", USERS), ("gid_map", GROUPS)] {
        let file = format!("/proc/{}/{map}", server.pid());
        fs::write(file, format!("0 {first} 65536")).unwrap();
    }
    server
        .child
        .stdin
        .take()
        .unwrap()
        .write_all(b"go\n")
        .unwrap();
    let said = server.line("passthrough ");
    server.line("listening on ");
    Some((server, said))
}

fn place() -> Option<Ordinary> {
    if !rustix::process::geteuid().is_root() {
        println!("not run: only root can give a user namespace many users");
        return None;
    }
    let place = Ordinary::of(USERS);
    for path in [place.path(), &place.served] {
        chown(path, None, Some(GROUPS)).unwrap();
    }
    Some(place)
}

#[test]
fn clients_have_owners_modes_and_special_files() {
    let Some(place) = place() else { return };
    let Some((_server, said)) = start(&place) else {
        return;
    };
    for part in [
        "clients cannot make device nodes (the kernel refuses them in a user namespace)",
        "users 0-65535 and the groups 0-65535",
        "show as 65534",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("CAP_"), "{said}");

    let root = place.attach(1000);
    create(&root, "file", 0o640, 1001).unwrap();
    root.mkdir(b"dir", 0o2750, 1001).unwrap();
    root.symlink(b"link", b"file", 1001).unwrap();
    mknod(&root, "fifo", FIFO | 0o604, 1001).unwrap();
    let host = |name: &str| {
        let meta = fs::symlink_metadata(place.served.join(name)).unwrap();
        (meta.uid(), meta.gid(), meta.mode())
    };
    for (name, mode) in [
        ("file", REGULAR | 0o640),
        ("dir", DIRECTORY | 0o2750),
        ("link", SYMLINK | 0o777),
        ("fifo", FIFO | 0o604),
    ] {
        assert_eq!(seen(&root, name), (1000, 1001, mode), "{name}");
        assert_eq!(host(name), (USERS + 1000, GROUPS + 1001, mode), "{name}");
    }
    let fifo = fs::symlink_metadata(place.served.join("fifo")).unwrap();
    assert!(fifo.file_type().is_fifo());

    give(&root, "file", Some(7), Some(8)).unwrap();
    chmod(&root, "file", 0o4711).unwrap();
    assert_eq!(seen(&root, "file"), (7, 8, REGULAR | 0o4711));
    assert_eq!(host("file"), (USERS + 7, GROUPS + 8, REGULAR | 0o4711));

    let file = root.walk(&["file"]).unwrap();
    let name = b"system.posix_acl_access";
    file.set_xattr(name, &acl(5, 6), XattrFlags::empty())
        .unwrap();
    assert_eq!(file.xattr(name).unwrap(), acl(5, 6));
    let mut value = vec![0; 200];
    let path = place.served.join("file");
    let length = rustix::fs::getxattr(path, "system.posix_acl_access", &mut value).unwrap();
    assert_eq!(value[..length], acl(USERS + 5, GROUPS + 6));

    let null = mknod(&root, "null", CHARACTER_DEVICE | 0o600, 0);
    assert_eq!(refused(null), EPERM);
    assert!(!place.served.join("null").exists());
}

#[test]
fn files_of_users_that_the_namespace_has_not_stay_theirs() {
    let Some(place) = place() else { return };
    let path = place.served.join("foreign");
    fs::write(&path, "readable").unwrap();
    let Some((_server, _)) = start(&place) else {
        return;
    };
    let root = place.attach(0);
    assert_eq!(seen(&root, "foreign").0, OVERFLOW);
    assert_eq!(seen(&root, "foreign").1, OVERFLOW);
    assert_eq!(refused(give(&root, "foreign", Some(0), None)), EPERM);
    assert_eq!(refused(chmod(&root, "foreign", 0o666)), EPERM);
    // Nor can one of its own files be given to them.
    create(&root, "own", 0o600, 0).unwrap();
    for (uid, gid) in [(Some(65_536), None), (None, Some(65_536))] {
        assert_eq!(refused(give(&root, "own", uid, gid)), EINVAL);
    }
    assert_eq!(refused(create(&root, "theirs", 0o600, 65_536)), EINVAL);
    let theirs = place.attach(65_536);
    assert_eq!(refused(theirs.mkdir(b"theirs", 0o700, 0)), EINVAL);
    assert!(!place.served.join("theirs").exists());
    let own = root.walk(&["own"]).unwrap();
    let set = own.set_xattr(
        b"system.posix_acl_access",
        &acl(65_536, 6),
        XattrFlags::empty(),
    );
    assert_eq!(refused(set), EINVAL);
    let meta = fs::metadata(path).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (0, 0));
}
