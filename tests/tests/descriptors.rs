//! When a client is gone, the server holds nothing. A file of its own: it counts the descriptors
//! of the process.

use std::sync::Arc;

use virtfs_proto::LockType;
use virtfs_server::Export;
use virtfs_tests::{Lock, Raw, Served, descriptors, wait_for_descriptors};
use virtfs_vfs::memory::MemoryFs;

/// Walks, opens, locks and begins attributes, and gives nothing up.
fn hold_much(client: &mut Raw) {
    client.put_file(0, 1, "f", b"content");
    client.mkdir(0, "d", 0o755).unwrap();
    for n in 0..50 {
        let fid = 10 + 4 * n;
        client.walk(0, fid, &["f"]).unwrap();
        client.lopen(fid, 2).unwrap();
        let lock = Lock {
            kind: LockType::RDLCK,
            start: 0,
            length: 10,
            proc_id: n,
            client_id: "c",
        };
        client.lock(fid, lock).unwrap();
        client.walk(0, fid + 1, &["d"]).unwrap();
        client.lopen(fid + 1, 0).unwrap();
        client.readdir(fid + 1, 0, 1000).unwrap();
        client.walk(0, fid + 2, &["d", "."]).unwrap();
        let name = format!("new{n}");
        client.lcreate(fid + 2, &name, 2, 0o600).unwrap();
        client.unlinkat(fid + 1, &name, 0).unwrap();
        client.walk(0, fid + 3, &["f"]).unwrap();
        client.xattrcreate(fid + 3, "user.a", 5, 0).unwrap();
    }
    client.unlinkat(0, "f", 0).unwrap();
}

#[test]
fn a_client_that_is_gone_leaves_no_descriptor_behind() {
    let dir = tempfile::tempdir().unwrap();
    let local = Served::local(dir.path());
    let memory = Served::exports(vec![Export::new("m", Arc::new(MemoryFs::new()))]);
    for served in [&local, &memory] {
        // Once before, for what is made once.
        let (client, handle) = served.session_with_handle();
        drop(client);
        handle.wait();
        drop(handle);
        let before = descriptors();
        for round in 0..3 {
            let (mut client, handle) = served.session_with_handle();
            hold_much(&mut client);
            if round == 0 {
                // A new beginning is no less than an end.
                client.start();
                let of_this = before + 2;
                assert!(
                    wait_for_descriptors(of_this),
                    "{} of {of_this}",
                    descriptors()
                );
            }
            drop(client);
            handle.wait();
            drop(handle);
            assert!(
                wait_for_descriptors(before),
                "{} of {before}",
                descriptors()
            );
            let mut next = served.session();
            let _ = next.unlinkat(0, "d", 0x200);
            drop(next);
            assert!(
                wait_for_descriptors(before),
                "{} of {before}",
                descriptors()
            );
        }
    }
    failures_leak_nothing(&local);
    // A server that is gone leaves nothing either.
    let with_servers = descriptors();
    drop(local);
    assert!(wait_for_descriptors(with_servers - 1));
}

/// Creates and opens that fail in every way (seed commit 9).
fn failures_leak_nothing(served: &Served) {
    let mut client = served.session();
    client.put_file(0, 1, "plain", b"");
    client.mkdir(0, "dir", 0o755).unwrap();
    client.symlink(0, "link", "plain").unwrap();
    client.mknod(0, "fifo", 0o010644).unwrap();
    client.walk(0, 1, &["plain"]).unwrap();
    client.walk(0, 2, &[]).unwrap();
    let fail = |client: &mut Raw| {
        for name in ["dir", "link", "fifo", "n/o", ""] {
            client.lcreate(2, name, 2, 0o644).unwrap_err();
        }
        client.lcreate(2, "plain", 0o200, 0o644).unwrap_err();
        client.lcreate(1, "in a file", 2, 0o644).unwrap_err();
        client.lopen(1, 0o200000).unwrap_err();
        client.mkdir(2, "plain", 0o755).unwrap_err();
        client.symlink(2, "plain", "x").unwrap_err();
        client.mknod(2, "plain", 0o010644).unwrap_err();
        client.link(2, 1, "dir").unwrap_err();
        client.renameat((2, "missing"), (2, "x")).unwrap_err();
        client.walk(0, 3, &["plain", "beyond"]).unwrap();
    };
    fail(&mut client);
    let before = descriptors();
    for _ in 0..100 {
        fail(&mut client);
    }
    assert!(
        wait_for_descriptors(before),
        "{} of {before}",
        descriptors()
    );
}
