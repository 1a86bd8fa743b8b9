//! A file without a name works whole, and what has its name by now is not touched.

mod site;

use std::fs;

use site::{
    NEW, OLD, RDWR, REMOVEDIR, Site, Snapshot, gone, need_root, walk, xattr_get, xattr_put,
};
use virtfs_proto::{LockStatus, LockType, SetattrMask, Timespec};
use virtfs_tests::errno::{EINVAL, ENODATA, ENOENT};
use virtfs_tests::{Lock, Raw, SetAttr};

fn whole_lock(proc_id: u32) -> Lock<'static> {
    Lock {
        kind: LockType::WRLCK,
        start: 0,
        length: 0,
        proc_id,
        client_id: "client",
    }
}

/// Everything that a client can do with an open file, through `fid`, which is open for reading
/// and writing and holds [`OLD`].
fn everything_works(client: &mut Raw, fid: u32, lock: Lock<'_>) {
    assert_eq!(client.read(fid, 4, 3).unwrap(), b"old");
    assert_eq!(client.write(fid, 4, b"OLD"), Ok(3));
    assert_eq!(client.read(fid, 0, 100).unwrap(), b"the OLD file");
    let attr = client.getattr(fid).unwrap();
    assert_eq!((attr.nlink, attr.size), (0, 12));

    let set = SetAttr {
        valid: SetattrMask::SIZE,
        size: 5,
        ..SetAttr::default()
    };
    client.setattr(fid, set).unwrap();
    assert_eq!(client.read(fid, 0, 100).unwrap(), b"the O");
    let time = |sec| Timespec { sec, nsec: 7 };
    let set = SetAttr {
        valid: SetattrMask::MODE
            | SetattrMask::UID
            | SetattrMask::GID
            | SetattrMask::ATIME
            | SetattrMask::ATIME_SET
            | SetattrMask::MTIME
            | SetattrMask::MTIME_SET,
        mode: 0o640,
        uid: 1234,
        gid: 1235,
        atime: time(1_000_000_001),
        mtime: time(1_000_000_002),
        ..SetAttr::default()
    };
    client.setattr(fid, set).unwrap();
    let attr = client.getattr(fid).unwrap();
    assert_eq!(
        (attr.mode & 0o7777, attr.uid, attr.gid),
        (0o640, 1234, 1235)
    );
    assert_eq!(attr.atime, time(1_000_000_001));
    assert_eq!(attr.mtime, time(1_000_000_002));
    assert_eq!((attr.nlink, attr.size), (0, 5));

    xattr_put(client, fid, "user.mark", "mine").unwrap();
    assert_eq!(xattr_get(client, fid, "user.mark").unwrap(), "mine");
    assert_eq!(xattr_get(client, fid, "").unwrap(), "user.mark\0");
    client.fsync(fid).unwrap();
    assert_eq!(client.lock(fid, lock), Ok(LockStatus::SUCCESS));
}

/// Unlinks `d/f` in the given way, with the same file open as fid 1 and walked to as fid 2.
/// `another` is where a file that is not to be touched may be afterwards.
fn unlinked(unlink: impl Fn(&Site, &mut Raw), another: Option<&str>) {
    need_root();
    for site in Site::each() {
        let served = site.serve();
        let mut client = served.session();
        let mut other = served.session();
        // Once through the open fid, once through the walked one.
        for walked in [false, true] {
            site.mkdir("d");
            site.put("d/f", OLD);
            walk(&mut client, 1, "d/f").unwrap();
            client.walk(1, 2, &[]).unwrap();
            client.lopen(1, RDWR).unwrap();
            let qid = client.getattr(1).unwrap().qid;
            unlink(&site, &mut other);
            let before = another.map(|path| Snapshot::of(&site.export(path)));
            if walked {
                client.clunk(1).unwrap();
                assert_eq!(client.getattr(2).unwrap().nlink, 0);
                client.walk(2, 1, &[]).unwrap();
                client.lopen(2, RDWR).unwrap();
            }
            everything_works(&mut client, if walked { 2 } else { 1 }, whole_lock(1));
            // Both fids stand for the one file.
            for fid in [1, 2] {
                let attr = client.getattr(fid).unwrap();
                assert_eq!((attr.qid.path, attr.size), (qid.path, 5));
                assert_eq!(attr.mode & 0o7777, 0o640);
                assert_eq!(xattr_get(&mut client, fid, "user.mark").unwrap(), "mine");
            }
            if let Some(path) = another {
                let after = Snapshot::of(&site.export(path));
                assert_eq!(before.unwrap(), after);
                assert_eq!(site.get(path), NEW);
                // The lock is not on it either.
                walk(&mut other, 1, path).unwrap();
                assert_ne!(other.getattr(1).unwrap().qid.path, qid.path);
                assert_eq!(xattr_get(&mut other, 1, "user.mark"), Err(ENODATA));
                other.lopen(1, RDWR).unwrap();
                assert_eq!(other.lock(1, whole_lock(2)), Ok(LockStatus::SUCCESS));
                other.clunk(1).unwrap();
                fs::remove_file(site.export(path)).unwrap();
            }
            // It has no name by which it could be removed, moved or reached again.
            assert!(
                client
                    .rename(1, 0, "back")
                    .is_err_and(|e| gone(e) || e == EINVAL)
            );
            assert!(client.remove(1).is_err_and(gone));
            assert_eq!(client.getattr(1).unwrap_err(), ENOENT);
            client.clunk(2).unwrap();
            assert!(!site.has("back"));
        }
    }
}

#[test]
fn an_unlinked_file_works_whole() {
    unlinked(
        |_, client| {
            walk(client, 9, "d").unwrap();
            client.unlinkat(9, "f", 0).unwrap();
            client.clunk(9).unwrap();
        },
        None,
    );
}

#[test]
fn a_file_unlinked_by_the_host_works_whole() {
    unlinked(|site, _| fs::remove_file(site.export("d/f")).unwrap(), None);
}

#[test]
fn an_unlinked_file_whose_name_was_taken_works_whole() {
    unlinked(
        |_, client| {
            walk(client, 8, "d").unwrap();
            client.unlinkat(8, "f", 0).unwrap();
            client.put_file(8, 9, "f", NEW.as_bytes());
            client.clunk(8).unwrap();
        },
        Some("d/f"),
    );
}

#[test]
fn a_file_over_which_another_was_renamed_works_whole() {
    unlinked(
        |_, client| {
            walk(client, 8, "d").unwrap();
            client.put_file(0, 9, "n", NEW.as_bytes());
            client.renameat((0, "n"), (8, "f")).unwrap();
            client.clunk(8).unwrap();
        },
        Some("d/f"),
    );
}

#[test]
fn a_file_that_the_host_replaced_works_whole() {
    unlinked(
        |site, _| {
            site.put("n", NEW);
            site.host_rename("n", "d/f");
        },
        Some("d/f"),
    );
}

#[test]
fn a_file_whose_directory_is_gone_too_works_whole() {
    unlinked(
        |_, client| {
            walk(client, 9, "d").unwrap();
            client.unlinkat(9, "f", 0).unwrap();
            client.clunk(9).unwrap();
            client.unlinkat(0, "d", REMOVEDIR).unwrap();
        },
        None,
    );
    unlinked(
        |site, client| {
            fs::remove_dir_all(site.export("d")).unwrap();
            client.mkdir(0, "d", 0o755).unwrap();
            walk(client, 8, "d").unwrap();
            client.put_file(8, 9, "f", NEW.as_bytes());
            client.clunk(8).unwrap();
        },
        Some("d/f"),
    );
}
