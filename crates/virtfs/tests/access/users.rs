//! Who is let in, as whom.

use virtfs_tests::errno::EACCES;

use crate::guest;
use crate::running::Running;
use crate::site::{DAEMON, NOBODY, Site, UNKNOWN, attach};

#[test]
fn each_attach_acts_as_its_user_and_root_as_nobody() {
    let site = Site::new();
    let server = Running::start(&mut site.serve());
    assert!(
        server
            .line("access user; root")
            .contains("--squash none, or cache=none")
    );
    server.line("listening on ");
    let mut client = site.client();
    let who = [
        (0, "nobody", None, NOBODY),
        (1, "", Some(0), NOBODY),
        (2, "root", None, NOBODY),
        (3, "", Some(DAEMON), DAEMON),
        (4, "daemon", None, DAEMON),
    ];
    for (fid, uname, uid, owner) in who {
        attach(&mut client, fid, uname, uid).unwrap();
        let name = format!("made-{fid}");
        client.mkdir(fid, &name, 0o700).unwrap();
        assert_eq!(site.owner(&name), (owner, owner), "{name}");
    }
    assert_eq!(attach(&mut client, 9, "", Some(UNKNOWN)), Err(EACCES));
    assert_eq!(attach(&mut client, 9, "no such user", None), Err(EACCES));
    // What one made the other may not enter.
    client.walk(3, 10, &["made-0"]).unwrap();
    assert_eq!(client.mkdir(10, "inside", 0o700), Err(EACCES));
}

#[test]
fn everybody_can_be_squashed_and_nobody() {
    for (squash, root, unknown) in [("all", 7, Ok(())), ("none", 0, Err(EACCES))] {
        let site = Site::new();
        let mut command = site.serve();
        let server = Running::start(command.args(["--squash", squash, "--squash-to", "7:8"]));
        server.line("listening on ");
        let mut client = site.client();
        attach(&mut client, 0, "", Some(0)).unwrap();
        client.mkdir(0, "root", 0o700).unwrap();
        assert_eq!(site.owner("root").0, root, "--squash {squash}");
        attach(&mut client, 1, "nobody", None).unwrap();
        client.mkdir(1, "nobody", 0o700).unwrap();
        assert_eq!(site.owner("nobody"), (7, 8));
        assert_eq!(attach(&mut client, 2, "", Some(UNKNOWN)), unknown);
    }
}

#[test]
fn a_mapped_user_is_the_host_s() {
    let site = Site::new();
    let mut command = site.serve();
    let server = Running::start(command.args(["--uid-map", "1000:1:1", "--gid-map", "1000:1:1"]));
    server.line("listening on ");
    let mut client = site.client();
    assert_eq!(attach(&mut client, 0, "", Some(DAEMON)), Err(EACCES));
    // By name as by number.
    assert_eq!(attach(&mut client, 0, "bin", None), Err(EACCES));
    attach(&mut client, 0, "", Some(1000)).unwrap();
    attach(&mut client, 2, "daemon", None).unwrap();
    client.mkdir(2, "by-name", 0o700).unwrap();
    assert_eq!(site.owner("by-name"), (DAEMON, DAEMON));
    client.mkdir(0, "made", 0o700).unwrap();
    assert_eq!(site.owner("made"), (DAEMON, DAEMON));
    client.walk(0, 1, &["made"]).unwrap();
    let attr = client.getattr(1).unwrap();
    assert_eq!((attr.uid, attr.gid), (1000, 1000));
}

#[test]
fn guests_of_a_device_have_users_too() {
    let site = Site::new();
    let mut command = site.serve();
    let device = site.path("vm");
    let server = Running::start(command.arg("--socket-path").arg(&device));
    server.line("listens for VMMs at ");
    // Two VMMs one after the other, each served by a process of its own.
    for turn in 0..2 {
        let mut client = guest::unstarted(&device);
        client.start();
        attach(&mut client, 0, "nobody", None).unwrap();
        attach(&mut client, 1, "", Some(DAEMON)).unwrap();
        assert_eq!(attach(&mut client, 2, "", Some(UNKNOWN)), Err(EACCES));
        for (fid, owner) in [(0, NOBODY), (1, DAEMON)] {
            let name = format!("{turn}-{fid}");
            client.mkdir(fid, &name, 0o700).unwrap();
            assert_eq!(site.owner(&name).0, owner);
        }
    }
}
