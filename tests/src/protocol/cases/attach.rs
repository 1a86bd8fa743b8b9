//! How a client gets to the root, and as whom.

use virtfs_client::{Attach, LopenFlags, QidType};

use super::errno::{EACCES, ENOENT};
use super::{ANY, fails, put};
use crate::protocol::{Has, Site};

cases! {
    ANY =>
        the_root_is_a_directory
        the_first_export_needs_no_name
        an_export_that_is_not_there_is_refused
        attaches_of_one_connection_are_apart;
    Has::OWNERS =>
        what_a_user_makes_is_the_users
        two_users_of_one_connection_are_two
        a_user_who_makes_several_things_owns_them_all;
}

fn attach(uid: u32, aname: &str) -> Attach {
    Attach {
        uname: String::new(),
        aname: aname.to_owned(),
        uid,
    }
}

fn the_root_is_a_directory(site: &Site) {
    let root = site.root();
    assert_eq!(root.qid().kind, QidType::DIR);
    let attributes = root.attributes().unwrap();
    assert_eq!(attributes.mode & 0o170000, 0o040000);
    assert_eq!(attributes.qid.path, root.qid().path);
}

fn the_first_export_needs_no_name(site: &Site) {
    for aname in ["", "/"] {
        let root = site.client().attach(&attach(0, aname)).unwrap();
        assert_eq!(root.qid().path, site.root().qid().path);
        root.attributes().unwrap();
    }
}

fn an_export_that_is_not_there_is_refused(site: &Site) {
    for aname in ["nowhere", "/etc", "..", "."] {
        fails(site.client().attach(&attach(0, aname)), &[ENOENT, EACCES]);
    }
    site.root().attributes().unwrap();
}

fn attaches_of_one_connection_are_apart(site: &Site) {
    let other = site.client().attach(&Attach::default()).unwrap();
    assert_ne!(other.number(), site.root().number());
    other.clunk().unwrap();
    site.root().attributes().unwrap();
}

fn what_a_user_makes_is_the_users(site: &Site) {
    open_to_all(site);
    let root = site.client().attach(&attach(1234, "")).unwrap();
    let file = root.create(b"f", LopenFlags::RDWR, 0o640, 567).unwrap();
    let attributes = file.attributes().unwrap();
    assert_eq!((attributes.uid, attributes.gid), (1234, 567));
}

fn two_users_of_one_connection_are_two(site: &Site) {
    open_to_all(site);
    let users = [1001, 1002, 0];
    for uid in users {
        let root = site.client().attach(&attach(uid, "")).unwrap();
        put(&root, format!("of{uid}").as_bytes(), b"");
    }
    for uid in users {
        let file = site.root().walk(&[format!("of{uid}")]).unwrap();
        assert_eq!(file.attributes().unwrap().uid, uid);
    }
}

fn a_user_who_makes_several_things_owns_them_all(site: &Site) {
    open_to_all(site);
    let root = site.client().attach(&attach(77, "")).unwrap();
    root.mkdir(b"d", 0o755, 78).unwrap();
    root.symlink(b"l", b"d", 79).unwrap();
    root.mknod(b"p", 0o010644, 0, 0, 80).unwrap();
    for (name, gid) in [("d", 78), ("l", 79), ("p", 80)] {
        let attributes = root.stat_at(&[name]).unwrap();
        assert_eq!((attributes.uid, attributes.gid), (77, gid), "{name}");
    }
}

fn open_to_all(site: &Site) {
    let set = virtfs_client::SetAttributes {
        mode: Some(0o777),
        ..Default::default()
    };
    site.root().setattr(&set).unwrap();
}
