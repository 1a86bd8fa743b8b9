//! Who is not let in.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use virtfs_local::Options;
use virtfs_tests::errno::EACCES;

use crate::people::{ANN, attach, open_dir, serve};

#[test]
fn who_is_not_known_is_refused_and_nobody_never_is() {
    let dir = open_dir();
    let server = serve(dir.path(), Options::default());
    let mut client = server.connect();
    client.start();
    for uid in [1, 4242, u32::MAX - 1] {
        assert_eq!(attach(&mut client, 0, Some(uid)), Err(EACCES));
    }
    assert_eq!(attach(&mut client, 0, None), Ok(()));
    assert_eq!(attach(&mut client, 1, Some(ANN)), Ok(()));
    assert_eq!(attach(&mut client, 2, Some(1)), Err(EACCES));
}

#[test]
fn an_attach_needs_no_permission_and_gives_none() {
    let dir = open_dir();
    let export = dir.path().join("export");
    fs::create_dir(&export).unwrap();
    fs::write(export.join("file"), "content").unwrap();
    fs::set_permissions(&export, fs::Permissions::from_mode(0o700)).unwrap();
    let server = serve(&export, Options::default());
    let mut client = server.connect();
    client.start();
    attach(&mut client, 0, Some(ANN)).unwrap();
    assert_eq!(client.getattr(0).unwrap().uid, 0);
    assert_eq!(client.walk(0, 1, &["file"]), Err(EACCES));
    assert_eq!(client.lcreate(0, "new", 0o1, 0o644), Err(EACCES));
    client.walk(0, 1, &[]).unwrap();
    assert_eq!(client.lopen(1, 0), Err(EACCES));
}

#[test]
fn what_one_user_has_reached_is_not_open_to_another() {
    let dir = open_dir();
    let private = dir.path().join("private");
    fs::create_dir(&private).unwrap();
    fs::write(private.join("file"), "secret").unwrap();
    for path in [private.join("file"), private.clone()] {
        std::os::unix::fs::chown(&path, Some(ANN), Some(ANN)).unwrap();
    }
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
    let server = serve(dir.path(), Options::default());
    let mut client = server.connect();
    client.start();
    attach(&mut client, 0, Some(ANN)).unwrap();
    attach(&mut client, 10, Some(crate::people::BOB)).unwrap();
    client.walk(0, 1, &["private", "file"]).unwrap();
    // The node is known to the server now.
    assert_eq!(client.walk(10, 11, &["private", "file"]).unwrap().len(), 1);
    client.walk(10, 11, &["private"]).unwrap();
    assert_eq!(client.walk(11, 12, &["file"]), Err(EACCES));
    assert_eq!(client.walk(11, 12, &[".."]), Err(EACCES));
    client.lopen(1, 0).unwrap();
    assert_eq!(client.read(1, 0, 9).unwrap(), b"secret");
    // Bob's request between Ann's changes nothing for her.
    assert_eq!(client.unlinkat(11, "file", 0), Err(EACCES));
    assert_eq!(client.read(1, 0, 9).unwrap(), b"secret");
}
