//! Maps of users and groups, squashing and default owners, in every message that carries an id.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::PathBuf;

use tempfile::TempDir;
use virtfs_client::{Fid, XattrFlags};

use crate::ordinary::{Ordinary, attach};
use crate::running::{Running, serve, unix};
use crate::work::{EINVAL, FIFO, REGULAR, acl, chmod, create, give, mknod, refused, seen};

/// Users 0 to 999 and 1000, groups 0 to 999 and 3000, given in several flags.
const MAPS: [&str; 8] = [
    "--uid-map",
    "0:100000:1000",
    "--uid-map",
    "1000:5000:1",
    "--gid-map",
    "0:200000:500,500:200500:500",
    "--gid-map",
    "3000:7:1",
];

const OVERFLOW: u32 = 65_534;
const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

/// A server under passthrough; none if the test is not run by root.
struct Site {
    dir: TempDir,
    socket: PathBuf,
    _server: Running,
}

impl Site {
    fn new(flags: &[&str]) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("not run: only root can give files away");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("served")).unwrap();
        let socket = dir.path().join("9p");
        let mut command = serve(&dir.path().join("served"));
        command
            .args(["--security-model", "passthrough"])
            .args(flags);
        let server = Running::start(command.args(["--listen", &unix(&socket)]));
        server.line("listening on ");
        Some(Self {
            dir,
            socket,
            _server: server,
        })
    }

    fn attach(&self, uid: u32) -> Fid {
        attach(&self.socket, "", uid)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("served").join(name)
    }

    fn host(&self, name: &str) -> (u32, u32) {
        let meta = fs::symlink_metadata(self.path(name)).unwrap();
        (meta.uid(), meta.gid())
    }

    fn host_acl(&self, name: &str, acl: &str) -> Vec<u8> {
        let mut value = vec![0; 200];
        let length = rustix::fs::getxattr(self.path(name), acl, &mut value).unwrap();
        value.truncate(length);
        value
    }
}

/// One of each message that makes something, for this group; what was made, or how it was refused.
fn make_all(root: &Fid, gid: u32) -> [(&'static str, virtfs_client::Result<()>); 4] {
    [
        ("file", create(root, "file", 0o640, gid).map(drop)),
        ("dir", root.mkdir(b"dir", 0o750, gid).map(drop)),
        ("link", root.symlink(b"link", b"file", gid).map(drop)),
        ("fifo", mknod(root, "fifo", FIFO | 0o600, gid)),
    ]
}

#[test]
fn ids_are_mapped_in_every_message() {
    let Some(site) = Site::new(&MAPS) else { return };
    let root = site.attach(5);
    for (name, made) in make_all(&root, 6) {
        made.unwrap();
        assert_eq!(site.host(name), (100_005, 200_006), "{name}");
        let (uid, gid, _) = seen(&root, name);
        assert_eq!((uid, gid), (5, 6), "{name}");
    }
    give(&root, "file", Some(1000), Some(3000)).unwrap();
    assert_eq!(site.host("file"), (5000, 7));
    let (uid, gid, _) = seen(&root, "file");
    assert_eq!((uid, gid), (1000, 3000));
    give(&root, "file", Some(999), None).unwrap();
    assert_eq!(site.host("file"), (100_999, 7));
    // Users of the last range make files too.
    site.attach(1000).mkdir(b"theirs", 0o700, 501).unwrap();
    assert_eq!(site.host("theirs"), (5000, 200_501));
}

#[test]
fn an_id_without_counterpart_is_refused_in_every_message() {
    let Some(site) = Site::new(&MAPS) else { return };
    for (uid, gid) in [(5, 1000), (5, OVERFLOW), (1001, 6), (OVERFLOW, 6)] {
        let root = site.attach(uid);
        for (name, made) in make_all(&root, gid) {
            assert_eq!(refused(made), EINVAL, "{name} of {uid}:{gid}");
        }
    }
    assert_eq!(fs::read_dir(site.path("")).unwrap().count(), 0);

    let root = site.attach(5);
    create(&root, "file", 0o640, 6).unwrap();
    for (uid, gid) in [
        (Some(1001), None),
        (Some(OVERFLOW), None),
        (None, Some(1000)),
        (Some(5), Some(OVERFLOW)),
        (Some(2000), Some(6)),
    ] {
        assert_eq!(refused(give(&root, "file", uid, gid)), EINVAL);
    }
    assert_eq!(site.host("file"), (100_005, 200_006));
}

#[test]
fn owners_without_counterpart_show_as_the_overflow_id() {
    let Some(site) = Site::new(&MAPS) else { return };
    let root = site.attach(5);
    fs::write(site.path("file"), "").unwrap();
    for (uid, gid) in [(0, 0), (101_000, 201_000), (5001, 8), (5, 6)] {
        chown(site.path("file"), Some(uid), Some(gid)).unwrap();
        let (uid, gid, _) = seen(&root, "file");
        assert_eq!((uid, gid), (OVERFLOW, OVERFLOW));
    }
}

#[test]
fn ids_in_acls_are_mapped_both_ways() {
    let Some(site) = Site::new(&MAPS) else { return };
    let root = site.attach(5);
    create(&root, "file", 0o640, 6).unwrap();
    root.mkdir(b"dir", 0o750, 6).unwrap();
    let none = XattrFlags::empty();
    for (file, name) in [("file", ACCESS), ("dir", ACCESS), ("dir", DEFAULT)] {
        let node = root.walk(&[file]).unwrap();
        node.set_xattr(name.as_bytes(), &acl(1000, 3000), none)
            .unwrap();
        assert_eq!(site.host_acl(file, name), acl(5000, 7), "{file} {name}");
        assert_eq!(node.xattr(name.as_bytes()).unwrap(), acl(1000, 3000));
        for wrong in [acl(1001, 6), acl(5, 1000), acl(OVERFLOW, 6)] {
            let set = node.set_xattr(name.as_bytes(), &wrong, none);
            assert_eq!(refused(set), EINVAL, "{file} {name}");
        }
        assert_eq!(site.host_acl(file, name), acl(5000, 7), "{file} {name}");
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(site.path(file), name, &acl(1, 200_001), flags).unwrap();
        assert_eq!(node.xattr(name.as_bytes()).unwrap(), acl(OVERFLOW, 1));
    }
}

#[test]
fn squashed_users_are_the_chosen_one() {
    let flags = ["--squash", "root", "--squash-to", "4321:1234"];
    let Some(site) = Site::new(&flags) else {
        return;
    };
    for (name, made) in make_all(&site.attach(0), 0) {
        made.unwrap();
        assert_eq!(site.host(name), (4321, 1234), "{name}");
    }
    site.attach(5).mkdir(b"not-roots", 0o700, 6).unwrap();
    assert_eq!(site.host("not-roots"), (5, 6));

    let flags = ["--squash", "all", "--squash-to", "4321:1234"];
    let Some(site) = Site::new(&flags) else {
        return;
    };
    for (name, made) in make_all(&site.attach(5), 6) {
        made.unwrap();
        assert_eq!(site.host(name), (4321, 1234), "{name}");
    }
}

#[test]
fn files_of_the_host_have_the_default_owner() {
    for model in ["mapped-xattr", "mapped-file"] {
        let place = Ordinary::new();
        fs::write(place.served.join("hosts"), "").unwrap();
        chown(
            place.served.join("hosts"),
            Some(place.user),
            Some(place.user),
        )
        .unwrap();
        let mut command = place.serve();
        command.args(["--security-model", model, "--default-owner", "1000:1001"]);
        let server = Running::start(&mut command);
        server.line("listening on ");
        let root = place.attach(5);
        let (uid, gid, _) = seen(&root, "hosts");
        assert_eq!((uid, gid), (1000, 1001), "{model}");
        let attributes = root.attributes().unwrap();
        assert_eq!((attributes.uid, attributes.gid), (1000, 1001), "{model}");
        // What has an owner of its own keeps it, and a mode alone makes no owner.
        create(&root, "made", 0o640, 6).unwrap();
        assert_eq!(seen(&root, "made"), (5, 6, REGULAR | 0o640), "{model}");
        chmod(&root, "hosts", REGULAR | 0o604).unwrap();
        assert_eq!(
            seen(&root, "hosts"),
            (1000, 1001, REGULAR | 0o604),
            "{model}"
        );
        give(&root, "hosts", Some(7), None).unwrap();
        assert_eq!(seen(&root, "hosts"), (7, 1001, REGULAR | 0o604), "{model}");
    }
}
