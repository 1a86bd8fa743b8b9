//! An export that is read-only refuses every change, by whatever message and flag.

use std::path::Path;
use std::sync::Arc;

use virtfs_proto::{LockStatus, LockType, SetattrMask};
use virtfs_server::Export;
use virtfs_tests::errno::{ENOENT, EROFS};
use virtfs_tests::{Lock, Raw, Served, SetAttr};
use virtfs_vfs::memory::MemoryFs;

/// Asks for every change in a tree with the file `f`, the directory `d` and the link `s`.
fn refuse_changes(client: &mut Raw) {
    for path in ["f", "d", "s"] {
        client.walk(0, 1, &[path]).unwrap();
        for flags in [0o1, 0o2, 0o3, 0o1000, 0o2000, 0o1001, 0o2002, 0o1002, 0o102] {
            assert_eq!(client.lopen(1, flags), Err(EROFS), "{path} {flags:o}");
        }
        for bit in 0..9 {
            let valid = SetattrMask::from_bits_retain(1 << bit);
            let set = SetAttr {
                valid,
                mode: 0o600,
                ..SetAttr::default()
            };
            assert_eq!(client.setattr(1, set), Err(EROFS), "{path} {valid:?}");
        }
        assert_eq!(client.setattr(1, SetAttr::default()), Err(EROFS));
        for (size, flags) in [(0, 0), (0, 2), (5, 0), (5, 1)] {
            assert_eq!(client.xattrcreate(1, "user.a", size, flags), Err(EROFS));
        }
        assert_eq!(client.rename(1, 0, "elsewhere"), Err(EROFS));
        assert_eq!(client.link(0, 1, "another"), Err(EROFS));
        // The fid survives all that, but not its removal.
        assert!(client.getattr(1).is_ok());
        assert_eq!(client.remove(1), Err(EROFS));
        assert_eq!(client.getattr(1).unwrap_err(), ENOENT);
    }
    client.walk(0, 1, &[]).unwrap();
    for (name, flags) in [("new", 0), ("new", 2), ("f", 0), ("f", 0o1000)] {
        assert_eq!(client.lcreate(1, name, flags, 0o644), Err(EROFS));
    }
    assert_eq!(client.symlink(1, "new", "f"), Err(EROFS));
    assert_eq!(client.mkdir(1, "new", 0o755), Err(EROFS));
    for kind in [0o010000, 0o020000, 0o060000, 0o100000, 0o140000] {
        assert_eq!(client.mknod(1, "new", kind | 0o644), Err(EROFS));
    }
    assert_eq!(client.renameat((1, "f"), (1, "g")), Err(EROFS));
    assert_eq!(client.renameat((1, "f"), (u32::MAX, "g")), Err(EROFS));
    assert_eq!(client.unlinkat(1, "f", 0), Err(EROFS));
    assert_eq!(client.unlinkat(1, "d", 0x200), Err(EROFS));
    client.clunk(1).unwrap();
}

/// What only looks goes on.
fn allow_reading(client: &mut Raw) {
    client.walk(0, 1, &["f"]).unwrap();
    client.lopen(1, 0).unwrap();
    assert_eq!(client.read(1, 0, 100).unwrap(), b"content");
    assert_eq!(client.write(1, 0, b"x"), Err(EROFS));
    assert_eq!(client.write(1, 0, b""), Err(EROFS));
    assert!(client.fsync(1).is_ok());
    assert!(client.statfs(1).is_ok());
    let mut lock = Lock {
        kind: LockType::RDLCK,
        start: 0,
        length: 0,
        proc_id: 1,
        client_id: "c:posix",
    };
    assert_eq!(client.lock(1, lock), Ok(LockStatus::SUCCESS));
    lock.kind = LockType::WRLCK;
    assert_eq!(client.lock(1, lock), Ok(LockStatus::SUCCESS));
    lock.proc_id = 2;
    assert_eq!(client.lock(1, lock), Ok(LockStatus::BLOCKED));
    assert_eq!(client.getlock(1, lock).unwrap().3, 1);
    client.clunk(1).unwrap();
    client.walk(0, 1, &["s"]).unwrap();
    assert_eq!(client.readlink(1).unwrap(), b"f");
    client.clunk(1).unwrap();
    client.walk(0, 1, &["f"]).unwrap();
    assert!(client.xattrwalk(1, 2, "").is_ok());
    client.clunk(2).unwrap();
    client.clunk(1).unwrap();
    client.walk(0, 1, &[]).unwrap();
    client.lopen(1, 0).unwrap();
    assert!(client.readdir_all(1, 4096).unwrap().len() >= 5);
    client.clunk(1).unwrap();
}

#[test]
fn a_readonly_export_refuses_every_change() {
    let fs = Arc::new(MemoryFs::new());
    let served = Served::exports(vec![
        Export::new("rw", fs.clone()),
        Export::new("ro", fs).readonly(true),
    ]);
    let mut writer = served.session();
    writer.put_file(0, 1, "f", b"content");
    writer.mkdir(0, "d", 0o755).unwrap();
    writer.symlink(0, "s", "f").unwrap();
    let before = listing(&mut writer);

    let mut client = served.connect();
    client.start();
    client.attach(0, "ro").unwrap();
    refuse_changes(&mut client);
    allow_reading(&mut client);
    assert_eq!(listing(&mut writer), before);
    // The other export of the same files is as it was, in the same session too.
    client.attach(9, "rw").unwrap();
    client.mkdir(9, "new", 0o755).unwrap();
    assert_eq!(client.mkdir(9, "new/x", 0o755), Err(ENOENT));
}

fn listing(client: &mut Raw) -> Vec<(Vec<u8>, u64, u32, u32)> {
    client.walk(0, 1, &[]).unwrap();
    client.lopen(1, 0).unwrap();
    let entries = client.readdir_all(1, 4096).unwrap();
    client.clunk(1).unwrap();
    let listed = entries.iter().map(|entry| {
        client.walk_bytes(0, 1, &[&entry.name]).unwrap();
        let attr = client.getattr(1).unwrap();
        client.clunk(1).unwrap();
        (entry.name.clone(), attr.size, attr.mode, attr.uid)
    });
    listed.collect()
}

#[test]
fn a_readonly_export_of_the_host_leaves_the_tree_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f"), "content").unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    std::os::unix::fs::symlink("f", dir.path().join("s")).unwrap();
    let before = snapshot(dir.path());
    let served = Served::local_readonly(dir.path());
    let mut client = served.session();
    refuse_changes(&mut client);
    allow_reading(&mut client);
    assert_eq!(snapshot(dir.path()), before);
}

fn snapshot(dir: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let paths = ["", "f", "d", "s"].map(|name| dir.join(name));
    let mut lines: Vec<_> = paths
        .iter()
        .map(|path| {
            let m = std::fs::symlink_metadata(path).unwrap();
            format!(
                "{path:?} {:o} {} {} {} {}",
                m.mode(),
                m.len(),
                m.mtime(),
                m.ctime(),
                m.nlink()
            )
        })
        .collect();
    let names = std::fs::read_dir(dir).unwrap();
    lines.extend(names.map(|entry| format!("{:?}", entry.unwrap().file_name())));
    lines.sort();
    lines
}
