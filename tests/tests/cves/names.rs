//! Names, paths and links: what could lead out of the export, or to what is the server's own.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use virtfs_local::{LocalFs, Options, SecurityModel};
use virtfs_tests::errno::{EINVAL, ELOOP, ENOTDIR};
use virtfs_tests::{Raw, Served};

use crate::site::{
    RDONLY, RDWR, REMOVEDIR, SECRET, Site, content, mode, put_secrets, size, unnoticed, walk,
    xattr_put,
};

/// Sends every message that carries a name, with this one, in the directory of a fid. None of them
/// may do anything; what the walk says is returned.
fn refuse_all(client: &mut Raw, dir: u32, name: &str) -> Result<(), u32> {
    client.walk(0, 901, &["file"]).unwrap();
    client.walk(dir, 902, &[]).unwrap();
    for flags in [RDWR, RDONLY] {
        assert!(client.lcreate(902, name, flags, 0o644).is_err(), "{name}");
    }
    assert!(client.mkdir(dir, name, 0o755).is_err(), "{name}");
    assert!(client.mknod(dir, name, 0o100_644).is_err(), "{name}");
    assert!(client.symlink(dir, name, "target").is_err(), "{name}");
    assert!(client.link(dir, 901, name).is_err(), "{name}");
    assert!(client.rename(901, dir, name).is_err(), "{name}");
    assert!(client.renameat((0, "file"), (dir, name)).is_err(), "{name}");
    assert!(
        client.renameat((dir, name), (0, "stolen")).is_err(),
        "{name}"
    );
    for flags in [0, REMOVEDIR] {
        assert!(client.unlinkat(dir, name, flags).is_err(), "{name}");
    }
    client.clunk(901).unwrap();
    client.clunk(902).unwrap();
    client.walk(dir, 900, &[name]).map(drop)
}

fn site() -> (Site, Served) {
    let site = Site::new();
    put_secrets(&site);
    site.put("file", "mine");
    site.mkdir("sub/deep");
    let served = site.serve();
    (site, served)
}

/// The defect: `Tlcreate` of `../outside/new`, or a walk to `../outside/secret`, succeeds.
#[test]
fn cve_2016_7116_a_name_is_one_name() {
    let (site, served) = site();
    let mut client = served.session();
    unnoticed(&site, || {
        let outside = site.path("outside/secret");
        let absolute = outside.to_str().unwrap();
        for name in [
            "",
            "/",
            "/etc/passwd",
            absolute,
            "../outside/secret",
            "../outside/new",
            "./../outside/secret",
            "sub/../../outside/secret",
            "sub/deep",
            "..\0",
            "../",
            "/..",
        ] {
            assert!(refuse_all(&mut client, 0, name).is_err(), "{name:?}");
            walk(&mut client, 5, "sub").unwrap();
            assert!(refuse_all(&mut client, 5, name).is_err(), "{name:?}");
            client.clunk(5).unwrap();
        }
        // As they are, `..` and `.` can be walked; they are no entries to be made or taken away.
        for name in [".", ".."] {
            refuse_all(&mut client, 0, name).unwrap();
            let root = client.getattr(0).unwrap().qid;
            assert_eq!(client.getattr(900).unwrap().qid, root);
            client.clunk(900).unwrap();
        }
        let up = ["sub", "deep", "..", "..", "..", "..", "outside", "secret"];
        let reached = client.walk(0, 900, &up).unwrap();
        assert_eq!(reached.len(), 6, "there is no outside above the root");
    });
    assert_eq!(site.get("file"), "mine");
}

/// The defect: any component but the last may be a link, so `link/secret` is read or replaced.
#[test]
fn cve_2016_9602_no_path_component_is_a_symbolic_link() {
    let (site, served) = site();
    let outside = site.path("outside");
    symlink(&outside, site.export("absolute")).unwrap();
    symlink("../outside", site.export("relative")).unwrap();
    symlink("../../../outside", site.export("sub/deep/up")).unwrap();
    symlink("/", site.export("host")).unwrap();
    symlink("/proc/self/root", site.export("magic")).unwrap();
    symlink("relative", site.export("twice")).unwrap();
    let mut client = served.session();
    unnoticed(&site, || {
        for link in [
            "absolute",
            "relative",
            "sub/deep/up",
            "host",
            "magic",
            "twice",
        ] {
            walk(&mut client, 1, link).unwrap();
            assert!(refuse_all(&mut client, 1, "secret").is_err(), "{link}");
            assert!(refuse_all(&mut client, 1, "new").is_err(), "{link}");
            for name in ["..", "."] {
                assert_eq!(client.walk(1, 2, &[name]), Err(ENOTDIR), "{link}");
            }
            let through: Vec<&str> = link.split('/').chain(["secret"]).collect();
            let walked = client.walk(0, 2, &through).unwrap();
            assert_eq!(walked.len(), through.len() - 1, "{link}");
            // The link itself: neither opened nor changed where it leads.
            for flags in [RDONLY, RDWR, 0o200_000] {
                assert!(matches!(client.lopen(1, flags), Err(ELOOP | ENOTDIR)));
            }
            assert!(client.setattr(1, size(0)).is_err());
            assert!(client.setattr(1, mode(0o777)).is_err());
            let _ = xattr_put(&mut client, 1, "user.mark", "mine");
            client.clunk(1).unwrap();
        }
        for link in ["absolute", "relative"] {
            client.walk(0, 1, &[]).unwrap();
            assert_eq!(client.lcreate(1, link, RDWR, 0o644), Err(ELOOP));
            client.clunk(1).unwrap();
        }
    });
}

/// The defect: the path of the root fid is `/`, and what is asked of it is done to the host's root.
#[test]
fn cve_2017_7471_the_root_is_the_exports_in_every_call() {
    let (site, served) = site();
    let mut client = served.session();
    let host = fs::metadata("/").unwrap();
    let ours = fs::metadata(site.export("")).unwrap();
    assert_ne!(host.ino(), ours.ino());
    let attr = client.getattr(0).unwrap();
    assert_eq!((attr.qid.path, attr.nlink), (ours.ino(), ours.nlink()));

    client.setattr(0, mode(0o751)).unwrap();
    let now = fs::metadata(site.export("")).unwrap().permissions();
    assert_eq!(now.mode() & 0o7777, 0o751);
    client.mkdir(0, "made-in-the-root", 0o755).unwrap();
    client
        .renameat((0, "made-in-the-root"), (0, "renamed"))
        .unwrap();
    assert!(site.has("renamed"));
    xattr_put(&mut client, 0, "user.mark", "mine").unwrap();
    let mut value = [0; 8];
    let length = rustix::fs::getxattr(site.export(""), "user.mark", &mut value[..]);
    assert_eq!(length, Ok(4));

    client.walk(0, 1, &[]).unwrap();
    client.lopen(1, RDONLY).unwrap();
    let mut names: Vec<_> = client.readdir_all(1, 4096).unwrap();
    names.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Vec<_> = names.iter().map(|entry| &entry.name[..]).collect();
    assert_eq!(names, [&b"."[..], b"..", b"file", b"renamed", b"sub"]);
    client.walk(0, 2, &[]).unwrap();
    client.remove(2).unwrap_err();
    client.walk(0, 2, &[]).unwrap();
    client.rename(2, 0, "elsewhere").unwrap_err();

    let after = fs::metadata("/").unwrap();
    assert_eq!((after.mode(), after.ctime()), (host.mode(), host.ctime()));
    assert!(!fs::exists("/renamed").unwrap() && !fs::exists("/made-in-the-root").unwrap());
}

/// The defect: a guest writes `.virtfs_metadata/file` itself and makes its file setuid root.
#[test]
fn cve_2017_7493_metadata_of_mapped_file_is_out_of_reach() {
    let site = Site::new();
    let options = Options {
        model: SecurityModel::MappedFile,
        ..Options::default()
    };
    let served = Served::fs(LocalFs::open(site.export(""), options).unwrap());
    let mut client = served.session();
    client.put_file(0, 1, "file", b"mine");
    client.mkdir(0, "sub", 0o755).unwrap();
    client.walk(0, 1, &["sub"]).unwrap();
    client.put_file(1, 2, "file", b"mine");
    for dir in ["", "sub/"] {
        let folder = site.export(dir).join(".virtfs_metadata");
        let stored = fs::read_to_string(folder.join("file")).unwrap();
        let at = if dir.is_empty() { 0 } else { 1 };
        for name in [".virtfs_metadata", ".virtfs_metadata_root"] {
            assert_eq!(refuse_all(&mut client, at, name), Err(EINVAL), "{name}");
            let below = client.walk(at, 3, &[name, "file"]).map(drop);
            assert_eq!(below, Err(EINVAL), "{name}");
        }
        client.walk(at, 3, &[]).unwrap();
        client.lopen(3, RDONLY).unwrap();
        let listed = client.readdir_all(3, 4096).unwrap();
        assert!(listed.iter().all(|e| !e.name.starts_with(b".virtfs")));
        client.clunk(3).unwrap();
        assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), stored);
    }
}

/// A string of no bytes, in every message that has one, is that: no crash, and a sensible answer.
/// The defect: the server dies of it.
#[test]
fn cve_2016_8578_strings_may_be_empty() {
    let (_site, served) = site();
    let mut client = served.connect();
    let (_, agreed) = client.version(8192, "").unwrap();
    assert_eq!(agreed, "unknown");
    client.start();
    client.attach(0, "").unwrap();
    refuse_all(&mut client, 0, "").unwrap_err();
    client.symlink(0, "link", "").unwrap_err();
    client.walk(0, 1, &["file"]).unwrap();
    assert_eq!(client.xattrwalk(1, 2, ""), Ok(0), "the list of attributes");
    client.clunk(2).unwrap();
    client.walk(1, 2, &[]).unwrap();
    let set = client.xattrcreate(2, "", 0, 0);
    assert!(set.and_then(|()| client.clunk(2)).is_err());
    client.walk(1, 3, &[]).unwrap();
    client.lopen(3, RDWR).unwrap();
    let lock = virtfs_tests::Lock {
        kind: virtfs_proto::LockType::RDLCK,
        start: 0,
        length: 0,
        proc_id: 1,
        client_id: "",
    };
    client.lock(3, lock).unwrap();
    client.getlock(3, lock).unwrap();
    let reply = client.call(virtfs_proto::Tauth {
        afid: 9,
        uname: b"",
        aname: b"",
        n_uname: 0,
    });
    assert!(reply.ecode().is_some(), "there is no authentication");
    assert_eq!(content(&mut client, 1).unwrap(), "mine");
    assert_ne!(content(&mut client, 1).unwrap(), SECRET);
}
