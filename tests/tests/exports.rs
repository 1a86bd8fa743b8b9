//! Several exports of one server.

use std::sync::Arc;

use virtfs_server::Export;
use virtfs_tests::Served;
use virtfs_tests::errno::{ENOENT, EXDEV};
use virtfs_vfs::memory::MemoryFs;
use virtfs_vfs::synth::{File, Synth};

fn served() -> Served {
    Served::exports(vec![
        Export::new("one", Arc::new(MemoryFs::new())),
        Export::new("two", Arc::new(MemoryFs::new())),
        Export::new(
            "info",
            Arc::new(Synth::new().file("motd", File::bytes("hello\n"))),
        ),
    ])
}

#[test]
fn an_export_is_chosen_by_aname() {
    let served = served();
    let mut client = served.connect();
    client.start();
    client.attach(1, "one").unwrap();
    client.attach(2, "two").unwrap();
    client.attach(3, "info").unwrap();
    client.mkdir(1, "only in one", 0o755).unwrap();
    assert!(client.walk(1, 9, &["only in one"]).is_ok());
    client.clunk(9).unwrap();
    assert_eq!(client.walk(2, 9, &["only in one"]), Err(ENOENT));
    assert!(client.walk(3, 9, &["motd"]).is_ok());
}

#[test]
fn the_first_export_is_reached_without_a_name() {
    let mut client = served().connect();
    client.start();
    client.attach(1, "one").unwrap();
    client.mkdir(1, "d", 0o755).unwrap();
    for (fid, aname) in [(2, ""), (3, "/")] {
        client.attach(fid, aname).unwrap();
        assert!(client.walk(fid, 9, &["d"]).is_ok());
        client.clunk(9).unwrap();
    }
}

#[test]
fn an_unknown_name_is_refused() {
    let mut client = served().connect();
    client.start();
    for aname in [
        "three", "One", "one ", "/one", "one/", "..", "\0", "a\0b", ".",
    ] {
        assert_eq!(client.attach(1, aname), Err(ENOENT), "{aname:?}");
    }
    assert_eq!(client.getattr(1).unwrap_err(), ENOENT);
    assert!(client.attach(1, "one").is_ok());
}

#[test]
fn a_server_without_exports_lets_nobody_attach() {
    let mut client = Served::exports(vec![]).connect();
    client.start();
    assert_eq!(client.attach(1, ""), Err(ENOENT));
}

#[test]
fn two_fids_of_two_exports_do_not_meet() {
    let mut client = served().connect();
    client.start();
    client.attach(1, "one").unwrap();
    client.attach(2, "two").unwrap();
    client.put_file(1, 9, "f", b"x");
    client.walk(1, 5, &["f"]).unwrap();
    assert_eq!(client.link(2, 5, "g"), Err(EXDEV));
    assert_eq!(client.rename(5, 2, "g"), Err(EXDEV));
    assert_eq!(client.renameat((1, "f"), (2, "g")), Err(EXDEV));
    // A read-only one beside it, or of another kind, makes no difference.
    client.attach(3, "info").unwrap();
    assert_eq!(client.link(3, 5, "g"), Err(EXDEV));
    assert_eq!(client.renameat((1, "f"), (1, "g")), Ok(()));
    assert!(client.getattr(5).is_ok());
}

#[test]
fn one_file_system_may_be_two_exports_that_do_not_mix() {
    let fs = Arc::new(MemoryFs::new());
    let served = Served::exports(vec![Export::new("a", fs.clone()), Export::new("b", fs)]);
    let mut client = served.connect();
    client.start();
    client.attach(1, "a").unwrap();
    client.attach(2, "b").unwrap();
    client.put_file(1, 9, "f", b"x");
    assert!(client.walk(2, 5, &["f"]).is_ok());
    assert_eq!(client.link(1, 5, "g"), Err(EXDEV));
}
