//! The group that a client asks for.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use virtfs_local::Options;
use virtfs_proto::{LopenFlags, Rmessage, Tlcreate, Tmkdir};
use virtfs_tests::Raw;

use crate::people::{ANN, CLUB, NOBODY, OTHERS, TEAM, attach, open_dir, serve, session};

fn create(client: &mut Raw, name: &str, gid: u32) {
    client.walk(0, 9, &[]).unwrap();
    let message = Tlcreate {
        fid: 9,
        name: name.as_bytes(),
        flags: LopenFlags::from_bits_retain(0o1),
        mode: 0o644,
        gid,
    };
    let reply = client.call(message);
    assert!(matches!(reply.result(), Ok(Rmessage::Lcreate(_))));
    client.clunk(9).unwrap();
}

#[test]
fn a_user_chooses_among_their_groups_and_gets_no_other() {
    let dir = open_dir();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let server = serve(dir.path(), Options::default());
    let mut client = session(&server, ANN);
    for (name, asked, given) in [
        ("own", ANN, ANN),
        ("team", TEAM, TEAM),
        ("club", CLUB, ANN),
        ("others", OTHERS, ANN),
        ("root", 0, ANN),
        ("none", u32::MAX, ANN),
    ] {
        create(&mut client, name, asked);
        let meta = dir.path().join(name).metadata().unwrap();
        assert_eq!((meta.uid(), meta.gid()), (ANN, given), "{name}");
        let name = format!("{name}.d");
        let message = Tmkdir {
            dfid: 0,
            name: name.as_bytes(),
            mode: 0o755,
            gid: asked,
        };
        assert!(matches!(
            client.call(message).result(),
            Ok(Rmessage::Mkdir(_))
        ));
        let meta = dir.path().join(&name).metadata().unwrap();
        assert_eq!((meta.uid(), meta.gid()), (ANN, given), "{name}");
    }
}

#[test]
fn in_a_setgid_directory_the_directory_s_group_is_given() {
    let dir = open_dir();
    chown(dir.path(), Some(0), Some(OTHERS)).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o2777)).unwrap();
    let server = serve(dir.path(), Options::default());
    let mut client = session(&server, ANN);
    // Linux asks for the directory's group; others for the user's.
    for (name, asked) in [("a", OTHERS), ("b", ANN), ("c", 0)] {
        create(&mut client, name, asked);
        let meta = dir.path().join(name).metadata().unwrap();
        assert_eq!((meta.uid(), meta.gid()), (ANN, OTHERS), "{name}");
    }
}

#[test]
fn who_is_squashed_makes_files_of_the_squash_user() {
    let dir = open_dir();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let server = serve(dir.path(), Options::default());
    for (name, uid) in [("root", Some(0)), ("nobody", None)] {
        let mut client = server.connect();
        client.start();
        attach(&mut client, 0, uid).unwrap();
        create(&mut client, name, 0);
        let meta = dir.path().join(name).metadata().unwrap();
        assert_eq!((meta.uid(), meta.gid()), (NOBODY, NOBODY), "{name}");
    }
}
