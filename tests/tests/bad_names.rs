//! Names that are more or less than a name are refused by every message that carries one.

mod site;

use site::{EXCL, RDWR, REMOVEDIR, Site, Snapshot, put_secrets, walk};
use virtfs_tests::errno::{EEXIST, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOTEMPTY};

/// What each message says to a name that cannot be.
fn refused(site: &Site, name: &str, expect: impl Fn(&str) -> u32) {
    let served = site.serve();
    let mut client = served.session();
    walk(&mut client, 1, "dir").unwrap();
    let (export, above) = (
        Snapshot::of(&site.export("")),
        Snapshot::of(&site.path("outside")),
    );
    for dir in [0, 1] {
        client.walk(0, 901, &["file"]).unwrap();
        client.walk(dir, 902, &[]).unwrap();
        let results = [
            ("create", client.lcreate(902, name, RDWR, 0o644).map(drop)),
            (
                "create new",
                client.lcreate(902, name, RDWR | EXCL, 0o644).map(drop),
            ),
            ("mkdir", client.mkdir(dir, name, 0o755).map(drop)),
            ("mknod", client.mknod(dir, name, 0o100644).map(drop)),
            ("symlink", client.symlink(dir, name, "target").map(drop)),
            ("link", client.link(dir, 901, name)),
            ("rename", client.rename(901, dir, name)),
            ("rename to", client.renameat((0, "file"), (dir, name))),
            ("rename from", client.renameat((dir, name), (0, "stolen"))),
            ("unlink", client.unlinkat(dir, name, 0)),
            ("rmdir", client.unlinkat(dir, name, REMOVEDIR)),
        ];
        for (what, result) in results {
            assert_eq!(result, Err(expect(what)), "{what} {name:?}");
        }
        if ![".", ".."].contains(&name) {
            assert_eq!(client.walk(dir, 903, &[name]), Err(expect("walk")));
            // Not even as a step on the way.
            for way in [&["..", name][..], &[name, "file"], &[".", name, ".."]] {
                let walked = client.walk(dir, 903, way);
                assert!(walked.is_err() || walked.is_ok_and(|qids| qids.len() < way.len()));
                assert_eq!(client.clunk(903), Err(ENOENT));
            }
        }
        client.clunk(901).unwrap();
        client.clunk(902).unwrap();
    }
    assert_eq!(Snapshot::of(&site.export("")), export);
    assert_eq!(Snapshot::of(&site.path("outside")), above);
}

#[test]
fn names_that_are_more_or_less_than_a_name_are_refused() {
    let site = Site::new();
    put_secrets(&site);
    site.mkdir("dir/sub");
    for path in ["file", "dir/file", "dir/sub/file"] {
        site.put(path, "mine");
    }
    let long = "x".repeat(256);
    for name in [
        "",
        "/",
        "a/b",
        "../outside/file",
        "/file",
        "file/",
        "sub/file",
        "..//",
        "./file",
    ] {
        refused(&site, name, |_| ENOENT);
    }
    for name in ["\0", "file\0", "file\0x", "..\0", "\0/"] {
        refused(&site, name, |_| ENOENT);
    }
    refused(&site, &long, |_| ENAMETOOLONG);
    for name in [".", ".."] {
        refused(&site, name, |what| match what {
            "unlink" | "rmdir" if name == "." => EINVAL,
            "unlink" | "rmdir" => ENOTEMPTY,
            "rename" | "rename to" | "rename from" => EISDIR,
            _ => EEXIST,
        });
    }
}

#[test]
fn text_that_ends_early_for_the_kernel_is_refused() {
    let site = Site::new();
    site.put("file", "mine");
    let served = site.serve();
    let mut client = served.session();
    let before = Snapshot::of(&site.export(""));
    assert_eq!(client.symlink(0, "link", "file\0x"), Err(ENOENT));
    assert_eq!(client.symlink(0, "link", ""), Err(ENOENT));
    walk(&mut client, 1, "file").unwrap();
    assert_eq!(client.xattrwalk(1, 2, "user.mark\0x"), Err(EINVAL));
    assert_eq!(client.xattrcreate(1, "user.mark\0x", 1, 0), Err(EINVAL));
    assert_eq!(client.attach(3, "root\0x"), Err(ENOENT));
    assert_eq!(client.attach(3, "root/.."), Err(ENOENT));
    assert_eq!(client.attach(3, ".."), Err(ENOENT));
    client.clunk(1).unwrap();
    assert_eq!(Snapshot::of(&site.export("")), before);
}
