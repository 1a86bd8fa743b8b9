//! QEMU's own cases for its 9p device (`tests/qtest/virtio-9p-test.c`), as far as they are about
//! the protocol: each test is named as there. Not here: `synth/config` and `local/config`, which
//! read the device's configuration space. `xattr_limit` counts fids in QEMU (`max_xattr`); here
//! the bytes that they hold are bounded.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use virtfs_proto::{Rmessage, SetattrMask, Tflush, Twrite, kind};
use virtfs_server::{Export, Limits};
use virtfs_tests::errno::{ENOENT, ENOSPC};
use virtfs_tests::{PATIENCE, Raw, Served, SetAttr};
use virtfs_vfs::memory::MemoryFs;
use virtfs_vfs::synth::{Counter, Gate, Synth};

const MSIZE: u32 = 32 << 10;

fn synth(gate: &Gate) -> Raw {
    let chain: Vec<_> = (0..16).map(|n| format!("WALK{n}")).collect();
    let tree = Synth::new()
        .dir(chain.join("/"))
        .file("LOPEN", Counter::new().file())
        .file("WRITE", Counter::new().file())
        .file("FLUSH", gate.file());
    let tree = (0..100).fold(tree, |tree, n| {
        tree.file(format!("ReadDirDir/ReadDirFile{n}"), Counter::new().file())
    });
    session(&Served::synth(tree))
}

fn session(served: &Served) -> Raw {
    let mut client = served.connect();
    assert_eq!(
        client.version(MSIZE, "9P2000.L"),
        Ok((MSIZE, "9P2000.L".to_owned()))
    );
    client.attach(0, "").unwrap();
    client
}

#[test]
fn synth_version_basic() {
    let mut client = Served::synth(Synth::new()).connect();
    assert_eq!(
        client.version(MSIZE, "9P2000.L"),
        Ok((MSIZE, "9P2000.L".to_owned()))
    );
}

#[test]
fn synth_attach_basic() {
    let mut client = synth(&Gate::new());
    assert!(client.attach(1, "").is_ok());
}

#[test]
fn synth_walk_basic() {
    let mut client = synth(&Gate::new());
    let names: Vec<_> = (0..16).map(|n| format!("WALK{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert_eq!(client.walk(0, 1, &names).unwrap().len(), 16);
}

#[test]
fn synth_walk_no_slash() {
    assert_eq!(synth(&Gate::new()).walk(0, 1, &[" /"]), Err(ENOENT));
}

#[test]
fn synth_walk_none() {
    let mut client = synth(&Gate::new());
    let root = client.attach(1, "").unwrap();
    assert_eq!(client.walk(0, 2, &[]), Ok(vec![]));
    let qid = client.getattr(2).unwrap().qid;
    assert_eq!((qid.kind, qid.path), (root.kind, root.path));
}

#[test]
fn synth_walk_dotdot_from_root() {
    let mut client = synth(&Gate::new());
    let root = client.attach(1, "").unwrap();
    assert_eq!(client.walk(0, 2, &[".."]), Ok(vec![root]));
}

#[test]
fn synth_walk_non_existent() {
    assert_eq!(
        synth(&Gate::new()).walk(0, 1, &["non-existent"]),
        Err(ENOENT)
    );
}

#[test]
fn synth_walk_2nd_non_existent() {
    let mut client = synth(&Gate::new());
    let root = client.attach(1, "").unwrap();
    let qids = client.walk(0, 2, &["WALK0", "non-existent"]).unwrap();
    assert_eq!(qids.len(), 1);
    assert_ne!(qids[0], root);
    assert_eq!(client.getattr(2).unwrap_err(), ENOENT);
}

#[test]
fn synth_lopen_basic() {
    let mut client = synth(&Gate::new());
    client.walk(0, 1, &["LOPEN"]).unwrap();
    assert!(client.lopen(1, 0o1).is_ok());
}

#[test]
fn synth_write_basic() {
    let mut client = synth(&Gate::new());
    client.walk(0, 1, &["WRITE"]).unwrap();
    client.lopen(1, 0o1).unwrap();
    assert_eq!(client.write(1, 0, &[0xab; 16 << 10]), Ok(16 << 10));
}

fn flush(gate: &Gate) -> Raw {
    let mut client = synth(gate);
    client.walk(0, 1, &["FLUSH"]).unwrap();
    client.lopen(1, 0o1).unwrap();
    let (fid, offset, count) = (1, 0, 1);
    client.send_with(1, Twrite { fid, offset, count }, b"x");
    client
}

#[test]
fn synth_flush_success() {
    let gate = Gate::new();
    let mut client = flush(&gate);
    assert!(gate.wait_for_blocked(1, PATIENCE));
    client.send(2, Tflush { oldtag: 1 });
    let reply = client.receive();
    assert_eq!((reply.tag, reply.kind), (2, kind::RFLUSH));
    gate.open();
    assert!(client.getattr(0).is_ok());
}

#[test]
fn synth_flush_ignored() {
    let gate = Gate::new();
    let mut client = flush(&gate);
    assert!(gate.wait_for_blocked(1, PATIENCE));
    gate.open();
    assert!(gate.wait_for_passed(1, PATIENCE));
    client.send(2, Tflush { oldtag: 1 });
    let reply = client.receive();
    assert_eq!(reply.tag, 1);
    assert!(matches!(reply.message(), Rmessage::Write(write) if write.count == 1));
    assert_eq!(client.receive().tag, 2);
}

fn readdir(count: u32) {
    let mut client = synth(&Gate::new());
    client.walk(0, 1, &["ReadDirDir"]).unwrap();
    client.lopen(1, 0).unwrap();
    let entries = client.readdir_all(1, count).unwrap();
    let mut names: Vec<_> = entries.iter().map(|entry| entry.name.clone()).collect();
    names.sort();
    let mut expected: Vec<_> = (0..100).map(|n| format!("ReadDirFile{n}")).collect();
    expected.extend([".".to_owned(), "..".to_owned()]);
    expected.sort();
    assert_eq!(names.len(), 102);
    assert!(names.iter().eq(expected.iter().map(|name| name.as_bytes())));
}

#[test]
fn synth_readdir_basic() {
    readdir(MSIZE - 11);
}

#[test]
fn synth_readdir_split_512() {
    readdir(512);
}

#[test]
fn synth_readdir_split_256() {
    readdir(256);
}

#[test]
fn synth_readdir_split_128() {
    readdir(128);
}

/// Makes fids of attributes of 1 KiB until one is refused or `most` are made.
fn xattr_limit(bytes: usize, most: u32) -> u32 {
    let mut limits = Limits::default();
    limits.xattr_bytes = bytes;
    let export = Export::new("root", Arc::new(MemoryFs::new()));
    let mut client = session(&Served::new(vec![export], limits));
    client.put_file(0, 1, "f", b"");
    let mut made = 0;
    while made < most {
        client.walk(0, 100 + made, &["f"]).unwrap();
        match client.xattrcreate(100 + made, "user.foo", 1024, 0) {
            Ok(()) => made += 1,
            Err(errno) => {
                assert_eq!(errno, ENOSPC);
                break;
            }
        }
    }
    for fid in 100..100 + made {
        // Nothing was written.
        assert!(client.clunk(fid).is_err());
    }
    client.walk(0, 2, &["f"]).unwrap();
    assert_eq!(client.xattrcreate(2, "user.foo", 1024, 0), Ok(()));
    made
}

#[test]
fn xattr_limit_default() {
    assert_eq!(xattr_limit(Limits::default().xattr_bytes, 1024), 1024);
}

#[test]
fn xattr_limit_custom() {
    let made = xattr_limit(100 << 10, 1024);
    assert!((50..=100).contains(&made), "{made}");
}

#[test]
fn xattr_limit_unlimited() {
    assert_eq!(xattr_limit(usize::MAX, 1124), 1124);
}

struct Local {
    dir: tempfile::TempDir,
    client: Raw,
}

fn local() -> Local {
    let dir = tempfile::tempdir().unwrap();
    let client = session(&Served::local(dir.path()));
    Local { dir, client }
}

#[test]
fn local_create_dir_and_unlinkat_dir() {
    let Local { dir, mut client } = local();
    let path = dir.path().join("01");
    client.mkdir(0, "01", 0o755).unwrap();
    assert!(path.is_dir());
    client.unlinkat(0, "01", 0x200).unwrap();
    assert!(!path.exists());
}

#[test]
fn local_create_file_and_unlinkat_file() {
    let Local { dir, mut client } = local();
    let path = dir.path().join("1st_file");
    client.put_file(0, 1, "1st_file", b"");
    assert!(path.is_file());
    client.unlinkat(0, "1st_file", 0).unwrap();
    assert!(!path.exists());
}

#[test]
fn local_symlink_file_and_unlinkat_symlink() {
    let Local { dir, mut client } = local();
    client.put_file(0, 1, "real_file", b"");
    client.symlink(0, "symlink_file", "real_file").unwrap();
    let link = dir.path().join("symlink_file");
    assert_eq!(std::fs::read_link(&link).unwrap().as_os_str(), "real_file");
    client.unlinkat(0, "symlink_file", 0).unwrap();
    assert!(std::fs::symlink_metadata(&link).is_err());
    assert!(dir.path().join("real_file").exists());
}

#[test]
fn local_hardlink_file_and_unlinkat_hardlink() {
    let Local { dir, mut client } = local();
    client.put_file(0, 1, "real_file", b"");
    client.walk(0, 1, &["real_file"]).unwrap();
    client.link(0, 1, "hardlink_file").unwrap();
    let real = std::fs::metadata(dir.path().join("real_file")).unwrap();
    let link = std::fs::metadata(dir.path().join("hardlink_file")).unwrap();
    assert_eq!((real.dev(), real.ino()), (link.dev(), link.ino()));
    client.unlinkat(0, "hardlink_file", 0).unwrap();
    assert!(!dir.path().join("hardlink_file").exists());
    assert!(dir.path().join("real_file").is_file());
}

#[test]
fn local_use_after_unlink() {
    let Local { dir, mut client } = local();
    client.put_file(0, 1, "09_doa_file", b"");
    client.walk(0, 1, &["09_doa_file"]).unwrap();
    client.lopen(1, 0o1).unwrap();
    client.unlinkat(0, "09_doa_file", 0).unwrap();
    assert!(!dir.path().join("09_doa_file").exists());
    assert!(client.getattr(1).is_ok());
    assert_eq!(client.write(1, 0, &[0xcd; 16 << 10]), Ok(16 << 10));
    let set = SetAttr {
        valid: SetattrMask::SIZE,
        size: 2001,
        ..SetAttr::default()
    };
    client.setattr(1, set).unwrap();
    assert_eq!(client.getattr(1).unwrap().size, 2001);
}

#[test]
fn local_deep_absolute_path() {
    let Local { dir, mut client } = local();
    let name = "d".repeat(255);
    client.walk(0, 1, &[]).unwrap();
    let mut length = dir.path().as_os_str().len();
    let mut depth = 0;
    while length <= 1 << 16 {
        client.mkdir(1, &name, 0o755).unwrap();
        client.walk(1, 2, &[&name]).unwrap();
        client.clunk(1).unwrap();
        client.walk(2, 1, &[]).unwrap();
        client.clunk(2).unwrap();
        length += 256;
        depth += 1;
    }
    let deepest = client.getattr(1).unwrap();
    assert_eq!(deepest.mode & 0o170000, 0o040000);
    client.put_file(1, 3, "leaf", b"deep");
    client.walk(1, 3, &["leaf"]).unwrap();
    client.lopen(3, 0).unwrap();
    assert_eq!(client.read(3, 0, 10).unwrap(), b"deep");
    // Up again, sixteen at a time, and so removed: no path of this length could be.
    client.unlinkat(1, "leaf", 0).unwrap();
    for _ in 0..depth {
        client.walk(1, 1, &[".."]).unwrap();
        client.unlinkat(1, &name, 0x200).unwrap();
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
