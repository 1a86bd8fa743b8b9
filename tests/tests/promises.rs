//! What the server promises beyond 9P, in an attribute of the root.

use virtfs_tests::errno::{EACCES, ENODATA, EOPNOTSUPP};
use virtfs_tests::{Raw, Served};
use virtfs_vfs::synth::{File, Synth};

const NAME: &str = "user.virtfs.server";

fn promise(client: &mut Raw, fid: u32) -> Result<Vec<u8>, u32> {
    let size = client.xattrwalk(fid, 1000, NAME)?;
    let value = client.read(1000, 0, u32::try_from(size).unwrap())?;
    client.clunk(1000).unwrap();
    Ok(value)
}

fn names(client: &mut Raw, fid: u32) -> Vec<u8> {
    let size = client.xattrwalk(fid, 1000, "").unwrap();
    let names = client.read(1000, 0, u32::try_from(size).unwrap()).unwrap();
    client.clunk(1000).unwrap();
    names
}

#[test]
fn the_root_promises_the_order_of_requests_on_a_fid() {
    let dir = tempfile::tempdir().unwrap();
    for served in [
        Served::memory(),
        Served::local(dir.path()),
        Served::local_readonly(dir.path()),
        Served::synth(Synth::new().file("f", File::bytes("x"))),
    ] {
        let mut client = served.session();
        assert_eq!(promise(&mut client, 0).unwrap(), b"order=fid");
        client.walk(0, 1, &[]).unwrap();
        assert_eq!(promise(&mut client, 1).unwrap(), b"order=fid", "a clone");
    }
}

#[test]
fn only_the_root_has_it_and_no_list_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    for served in [Served::memory(), Served::local(dir.path())] {
        let mut client = served.session();
        client.mkdir(0, "d", 0o755).unwrap();
        client.walk(0, 1, &["d"]).unwrap();
        assert_eq!(promise(&mut client, 1), Err(ENODATA));
        assert_eq!(names(&mut client, 0), b"");
        assert_eq!(names(&mut client, 1), b"");
    }
    let mut client = Served::synth(Synth::new().file("f", File::bytes("x"))).session();
    client.walk(0, 1, &["f"]).unwrap();
    assert_eq!(promise(&mut client, 1), Err(EOPNOTSUPP));
}

#[test]
fn nobody_can_set_or_remove_it() {
    let dir = tempfile::tempdir().unwrap();
    for served in [Served::memory(), Served::local(dir.path())] {
        let mut client = served.session();
        client.mkdir(0, "d", 0o755).unwrap();
        for name in [&[][..], &["d"]] {
            client.walk(0, 1, name).unwrap();
            assert_eq!(client.xattrcreate(1, NAME, 1, 0), Err(EACCES));
            client.clunk(1).unwrap();
            client.walk(0, 1, name).unwrap();
            assert_eq!(client.xattrcreate(1, NAME, 0, 2), Err(EACCES));
            client.clunk(1).unwrap();
        }
        assert_eq!(promise(&mut client, 0).unwrap(), b"order=fid");
    }
}
