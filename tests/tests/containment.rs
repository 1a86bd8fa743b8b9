//! Neither symbolic links nor `..` lead out of the export.

mod site;

use std::os::unix::fs::{MetadataExt, symlink};

use site::{
    DIRECTORY, EXCL, RDONLY, RDWR, REMOVEDIR, Site, Snapshot, TRUNC, WRONLY, mode, need_root,
    owner, put_secrets, size, unnoticed, walk, xattr_get, xattr_put,
};
use virtfs_proto::QidType;
use virtfs_tests::Raw;
use virtfs_tests::errno::{EEXIST, EINVAL, ELOOP, ENODATA, ENOENT, ENOTDIR, EOPNOTSUPP, EPERM};

/// Every message with a name, on fid `dir`, which must refuse it.
fn everything_in(client: &mut Raw, dir: u32, name: &str) -> Vec<(&'static str, u32)> {
    client.walk(0, 901, &["file"]).unwrap();
    client.walk(dir, 902, &[]).unwrap();
    let walked = client.walk(dir, 900, &[name]).map(drop);
    let results = [
        ("walk", walked),
        ("create", client.lcreate(902, name, RDWR, 0o644).map(drop)),
        (
            "create new",
            client.lcreate(902, name, RDWR | EXCL, 0o644).map(drop),
        ),
        (
            "truncate",
            client.lcreate(902, name, WRONLY | TRUNC, 0o644).map(drop),
        ),
        ("mkdir", client.mkdir(dir, name, 0o755).map(drop)),
        ("mknod", client.mknod(dir, name, 0o010644).map(drop)),
        (
            "mknod of a file",
            client.mknod(dir, name, 0o100644).map(drop),
        ),
        ("symlink", client.symlink(dir, name, "target").map(drop)),
        ("link", client.link(dir, 901, name)),
        ("rename", client.rename(901, dir, name)),
        ("rename to", client.renameat((0, "file"), (dir, name))),
        ("rename from", client.renameat((dir, name), (0, "stolen"))),
        ("unlink", client.unlinkat(dir, name, 0)),
        ("rmdir", client.unlinkat(dir, name, REMOVEDIR)),
    ];
    client.clunk(901).unwrap();
    client.clunk(902).unwrap();
    results
        .map(|(what, result)| match result {
            Ok(()) => panic!("{what} {name:?} went"),
            Err(errno) => (what, errno),
        })
        .into()
}

#[test]
fn symbolic_links_are_never_followed() {
    need_root();
    for site in Site::each() {
        put_secrets(&site);
        site.put("file", "mine");
        site.mkdir("dir");
        site.put("dir/file", "mine");
        let (outside, secret) = (site.path("outside"), site.path("outside/file"));
        let targets = [
            ("absolute", outside.to_str().unwrap()),
            ("absolute-file", secret.to_str().unwrap()),
            ("relative", "../outside"),
            ("relative-file", "../outside/file"),
            ("chained", "chain2"),
            ("chain2", "relative"),
            ("up", ".."),
            ("root", "/"),
            ("proc", "/proc/self/root"),
            ("cwd", "/proc/self/cwd"),
            ("inside", "dir"),
            ("here", "."),
            ("nowhere", "../outside/new"),
            ("ring", "ring"),
        ];
        for (name, target) in targets {
            symlink(target, site.export(name)).unwrap();
        }
        let served = site.serve();
        let mut client = served.session();
        let before = Snapshot::of(&site.export("dir"));
        unnoticed(&site, || {
            for (name, target) in targets {
                let qids = client.walk(0, 1, &[name]).unwrap();
                assert_eq!(qids[0].kind, QidType::SYMLINK, "{name}");
                assert_eq!(client.readlink(1).unwrap(), target.as_bytes());
                assert_eq!(client.lopen(1, RDONLY).unwrap_err(), ELOOP);
                assert_eq!(client.lopen(1, RDWR | TRUNC).unwrap_err(), ELOOP);
                assert!(client.lopen(1, DIRECTORY).is_err());
                for below in ["file", "sub", "new", "..", "."] {
                    let walked = client.walk(0, 2, &[name, below]).unwrap();
                    assert_eq!(walked.len(), 1, "{name}/{below}");
                    assert_eq!(client.clunk(2), Err(ENOENT), "no fid is made");
                }
                for below in ["file", "new", "sub"] {
                    for (what, errno) in everything_in(&mut client, 1, below) {
                        assert_eq!(errno, ENOTDIR, "{what} {name}/{below}");
                    }
                }
                // The link itself, not what it leads to.
                assert_eq!(client.setattr(1, size(0)), Err(EINVAL));
                assert_eq!(client.setattr(1, mode(0o777)), Err(EOPNOTSUPP));
                client.setattr(1, owner(1234)).unwrap();
                assert_eq!(client.getattr(1).unwrap().uid, 1234);
                assert_eq!(site.export(name).symlink_metadata().unwrap().uid(), 1234);
                assert_eq!(xattr_put(&mut client, 1, "user.mark", "x"), Err(EPERM));
                assert_eq!(xattr_get(&mut client, 1, "user.mark"), Err(ENODATA));
                client.statfs(1).unwrap();
                // As the name of an entry.
                client.walk(0, 2, &[]).unwrap();
                for flags in [RDONLY, RDWR, WRONLY | TRUNC] {
                    assert_eq!(client.lcreate(2, name, flags, 0o644), Err(ELOOP));
                }
                assert_eq!(client.lcreate(2, name, RDWR | EXCL, 0o644), Err(EEXIST));
                assert_eq!(client.mkdir(0, name, 0o755), Err(EEXIST));
                assert_eq!(client.mknod(0, name, 0o100644), Err(EEXIST));
                assert_eq!(client.symlink(0, name, "x"), Err(EEXIST));
                assert_eq!(client.unlinkat(0, name, REMOVEDIR), Err(ENOTDIR));
                client.link(0, 1, "linked").unwrap();
                client.renameat((0, "linked"), (0, "renamed")).unwrap();
                client.walk(0, 3, &["renamed"]).unwrap();
                assert_eq!(client.readlink(3).unwrap(), target.as_bytes());
                client.remove(3).unwrap();
                client.put_file(0, 3, "over", b"mine");
                client.renameat((0, "over"), (0, name)).unwrap();
                assert_eq!(site.get(name), "mine");
                client.clunk(1).unwrap();
                client.clunk(2).unwrap();
            }
        });
        assert_eq!(Snapshot::of(&site.export("dir")), before);
        assert_eq!(site.get("file"), "mine");
    }
}

#[test]
fn dot_dot_ends_at_the_root() {
    for site in Site::each() {
        put_secrets(&site);
        let root = site.ino("");
        let names: Vec<String> = (0..14).map(|depth| depth.to_string()).collect();
        site.mkdir(&names.join("/"));
        site.put("file", "mine");
        let served = site.serve();
        let mut client = served.session();
        unnoticed(&site, || {
            for depth in 0..=names.len() {
                let path = names[..depth].join("/");
                walk(&mut client, 1, &path).unwrap();
                // As many as fit, and then some more.
                let ups = client.walk(1, 2, &[".."; 16]).unwrap();
                assert_eq!(ups.len(), 16);
                for (step, qid) in (1..).zip(&ups) {
                    let at = depth.saturating_sub(step);
                    assert_eq!(qid.path, site.ino(&names[..at].join("/")), "{depth} {step}");
                }
                client.clunk(2).unwrap();
                // In one message with the way down, and out by the name of what lies beside.
                let mut way: Vec<&str> = names[..depth.min(7)].iter().map(|n| &**n).collect();
                way.extend([".."; 8]);
                way.push("outside");
                let walked = client.walk(0, 2, &way).unwrap();
                assert_eq!(walked.len(), way.len() - 1);
                assert_eq!(walked.last().unwrap().path, root);
                assert_eq!(client.clunk(2), Err(ENOENT));
                client.clunk(1).unwrap();
            }
            // Again and again.
            client.walk(0, 1, &[".."]).unwrap();
            for _ in 0..100 {
                assert!(client.walk(1, 1, &["..", ".", ".."]).is_ok());
            }
            assert_eq!(client.getattr(1).unwrap().qid.path, root);
            assert_eq!(client.walk(1, 2, &["export"]), Err(ENOENT));
            client.mkdir(1, "made", 0o755).unwrap();
            assert!(site.has("made") && !site.path("made").exists());
            // A list does not tell what is above either.
            client.lopen(1, RDONLY).unwrap();
            let list = client.readdir_all(1, 4096).unwrap();
            let dots = list
                .iter()
                .filter(|e| [&b"."[..], b".."].contains(&&e.name[..]));
            assert!(dots.map(|entry| entry.qid.path).all(|path| path == root));
            // A file has no parent for a client.
            walk(&mut client, 3, "file").unwrap();
            assert_eq!(client.walk(3, 4, &[".."]), Err(ENOTDIR));
        });
    }
}
