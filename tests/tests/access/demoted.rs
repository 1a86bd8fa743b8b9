//! Nodes whose descriptors were closed are found again, whoever asks, and nobody gets more by it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use virtfs_local::Options;
use virtfs_tests::errno::EACCES;

use crate::people::{ANN, BOB, attach, open_dir, serve};

const FILES: u32 = 200;

fn few() -> Options {
    Options {
        max_nodes_open: 16,
        max_files_open: 16,
        ..Options::default()
    }
}

#[test]
fn a_node_is_found_again_where_its_user_may_not_go_any_more() {
    let dir = open_dir();
    for (name, uid) in [("ann", ANN), ("bob", BOB)] {
        let own = dir.path().join(name);
        fs::create_dir(&own).unwrap();
        for file in 0..FILES {
            let path = own.join(format!("f{file}"));
            fs::write(&path, file.to_string()).unwrap();
            chown(&path, Some(uid), Some(uid)).unwrap();
            // Every other one they may not read themselves.
            let mode = if file % 2 == 0 { 0o600 } else { 0o200 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        chown(&own, Some(uid), Some(uid)).unwrap();
        fs::set_permissions(&own, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let server = serve(dir.path(), few());
    let mut client = server.connect();
    client.start();
    attach(&mut client, 0, Some(ANN)).unwrap();
    attach(&mut client, 1, Some(BOB)).unwrap();
    for file in 0..FILES {
        for (root, name) in [(0, "ann"), (1, "bob")] {
            let fid = 1000 * (root + 1) + file;
            client
                .walk(root, fid, &[name, &format!("f{file}")])
                .unwrap();
        }
    }
    let closed = fs::Permissions::from_mode(0o000);
    fs::set_permissions(dir.path().join("ann"), closed).unwrap();
    for file in 0..FILES {
        for (root, uid) in [(0, ANN), (1, BOB)] {
            let fid = 1000 * (root + 1) + file;
            assert_eq!(client.getattr(fid).unwrap().uid, uid);
            let opened = client.lopen(fid, 0);
            match file % 2 {
                0 => assert_eq!(client.read(fid, 0, 9).unwrap(), file.to_string().as_bytes()),
                _ => assert_eq!(opened, Err(EACCES)),
            }
        }
    }
    // Whether it is found by the server or not, Bob was never there.
    assert_eq!(client.walk(1, 9, &["ann", "f0"]).unwrap().len(), 1);
    client.walk(1, 9, &["ann"]).unwrap();
    assert_eq!(client.walk(9, 10, &["f0"]), Err(EACCES));
    assert_eq!(client.walk(0, 10, &["ann", "f0"]).unwrap().len(), 1);
}

#[test]
fn an_open_file_that_was_parked_is_had_again_after_its_mode_has_changed() {
    let dir = open_dir();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let server = serve(dir.path(), few());
    let mut client = server.connect();
    client.start();
    attach(&mut client, 0, Some(ANN)).unwrap();
    attach(&mut client, 1, Some(BOB)).unwrap();
    for file in 0..FILES {
        let (root, fid) = (file % 2, 1000 + file);
        client.walk(root, fid, &[]).unwrap();
        client
            .lcreate(fid, &format!("f{file}"), 0o2, 0o600)
            .unwrap();
        client.write(fid, 0, file.to_string().as_bytes()).unwrap();
    }
    for file in 0..FILES {
        let path = dir.path().join(format!("f{file}"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    }
    for file in 0..FILES {
        let read = client.read(1000 + file, 0, 9).unwrap();
        assert_eq!(read, file.to_string().as_bytes());
        assert_eq!(client.write(1000 + file, 0, b"n"), Ok(1));
        let (root, other) = (file % 2, (file + 1) % 2);
        let name = format!("f{file}");
        for root in [root, other] {
            client.walk(root, 9, &[&name]).unwrap();
            assert_eq!(client.lopen(9, 0), Err(EACCES));
            client.clunk(9).unwrap();
        }
    }
}
