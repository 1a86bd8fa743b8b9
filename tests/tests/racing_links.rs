//! Symbolic links that are swapped in while a client walks lead nowhere.

mod site;

use std::cell::Cell;
use std::os::unix::fs::symlink;

use site::{
    RDWR, REMOVEDIR, SECRET, Site, TRUNC, exchanging, mode, need_root, owner, put_secrets, repeat,
    size, unnoticed, xattr_get, xattr_put,
};
use virtfs_proto::QidType;
use virtfs_tests::Raw;
use virtfs_tests::errno::ELOOP;

/// One client's round of everything below the name `d`, which is a directory or a link outside.
fn use_racing_directory(client: &mut Raw) -> Option<bool> {
    let mut directory = None;
    if let Ok(qids) = client.walk(0, 1, &["d"]) {
        directory = Some(qids[0].kind == QidType::DIR);
        client.clunk(1).unwrap();
    }
    for path in [["d", "file"], ["d", "secret"], ["d", "sub"]] {
        // Fid 1 is there only if both names were walked.
        let all = client.walk(0, 1, &path).is_ok_and(|qids| qids.len() == 2);
        if !all {
            continue;
        }
        client.walk(1, 2, &[]).unwrap();
        if client.lopen(2, RDWR).is_ok() {
            assert_ne!(client.read(2, 0, 100).unwrap(), SECRET.as_bytes());
            let _ = client.write(2, 0, b"mine");
        }
        client.clunk(2).unwrap();
        let _ = client.setattr(1, size(4));
        let _ = client.setattr(1, mode(0o700));
        let _ = client.setattr(1, owner(1234));
        let _ = xattr_put(client, 1, "user.mark", "mine");
        let _ = xattr_get(client, 1, "user.mark");
        let _ = client.link(0, 1, "linked");
        let _ = client.rename(1, 0, "renamed");
        let _ = client.rename(1, 0, "linked");
        client.clunk(1).unwrap();
    }
    if client.walk(0, 1, &["d"]).is_ok() {
        client.walk(1, 2, &[]).unwrap();
        if client.lcreate(2, "file", RDWR, 0o644).is_ok() {
            let _ = client.write(2, 0, b"mine");
        }
        client.clunk(2).unwrap();
        let _ = client.mkdir(1, "sub", 0o755);
        let _ = client.mknod(1, "secret", 0o100644);
        let _ = client.symlink(1, "link", "target");
        let _ = client.renameat((0, "linked"), (1, "file"));
        let _ = client.renameat((1, "secret"), (0, "taken"));
        let _ = client.unlinkat(1, "link", 0);
        let _ = client.unlinkat(1, "sub", REMOVEDIR);
        client.clunk(1).unwrap();
    }
    directory
}

#[test]
fn a_directory_and_a_link_that_change_places_lead_nowhere() {
    need_root();
    let site = Site::new();
    put_secrets(&site);
    site.mkdir("d/sub");
    site.put("d/file", "mine");
    site.put("d/secret", "mine");
    symlink("../outside", site.export("l")).unwrap();
    let served = site.serve();
    let mut client = served.session();
    let seen = Cell::new([0u32; 2]);
    unnoticed(&site, || {
        exchanging(&site.export("d"), &site.export("l"), || {
            let round = |_| {
                if let Some(directory) = use_racing_directory(&mut client) {
                    let mut counts = seen.get();
                    counts[usize::from(directory)] += 1;
                    seen.set(counts);
                }
            };
            repeat(200, round, || seen.get().iter().all(|count| *count > 10));
        });
    });
}

#[test]
fn a_file_and_a_link_that_change_places_lead_nowhere() {
    need_root();
    let site = Site::new();
    put_secrets(&site);
    site.put("f", "mine");
    symlink("../outside/secret", site.export("l")).unwrap();
    let served = site.serve();
    let mut client = served.session();
    let seen = Cell::new([0u32; 2]);
    unnoticed(&site, || {
        exchanging(&site.export("f"), &site.export("l"), || {
            let round = |_| {
                let qids = client.walk(0, 1, &["f"]).unwrap();
                let mut counts = seen.get();
                counts[usize::from(qids[0].kind == QidType::SYMLINK)] += 1;
                seen.set(counts);
                let _ = client.setattr(1, owner(1234));
                let _ = client.setattr(1, mode(0o640));
                let _ = client.setattr(1, size(4));
                let _ = xattr_put(&mut client, 1, "user.mark", "mine");
                let _ = client.link(0, 1, "linked");
                let _ = client.unlinkat(0, "linked", 0);
                if client.lopen(1, RDWR).is_ok() {
                    assert_ne!(client.read(1, 0, 100).unwrap(), SECRET.as_bytes());
                    assert_eq!(client.write(1, 0, b"mine"), Ok(4));
                }
                client.clunk(1).unwrap();
                client.walk(0, 1, &[]).unwrap();
                match client.lcreate(1, "f", RDWR | TRUNC, 0o644) {
                    Ok(_) => assert_eq!(client.write(1, 0, b"mine"), Ok(4)),
                    Err(errno) => assert_eq!(errno, ELOOP),
                }
                client.clunk(1).unwrap();
            };
            repeat(300, round, || seen.get().iter().all(|count| *count > 10));
        });
    });
}
