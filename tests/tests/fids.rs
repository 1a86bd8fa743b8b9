//! What walks make of fids, and what can be read and written through them.

use virtfs_proto::{NOFID, QidType};
use virtfs_tests::Served;
use virtfs_tests::errno::{EBADF, EINVAL, ENODATA, ENOENT, ENOSPC, ENOTDIR};
use virtfs_vfs::synth::Synth;

#[test]
fn a_walk_of_seventeen_names_is_refused() {
    let mut client = Served::memory().session();
    let dots = [&b"."[..]; 17];
    assert_eq!(client.walk_bytes(0, 1, &dots), Err(EINVAL));
    assert_eq!(client.walk_bytes(0, 1, &dots[..16]).unwrap().len(), 16);
}

#[test]
fn a_walk_without_names_clones_and_what_it_makes_is_not_open() {
    let mut client = Served::memory().session();
    client.put_file(0, 1, "f", b"content");
    client.walk(0, 1, &["f"]).unwrap();
    let (qid, _) = client.lopen(1, 0).unwrap();
    assert_eq!(client.walk(1, 2, &[]), Ok(vec![]));
    assert_eq!(client.getattr(2).unwrap().qid, qid);
    assert_eq!(client.read(2, 0, 10), Err(EBADF));
    assert_eq!(client.read(1, 0, 10).unwrap(), b"content");
    assert!(client.lopen(2, 0).is_ok());
    assert_eq!(client.walk(1, 1, &[]), Err(EINVAL));
    assert_eq!(client.walk(0, 2, &[]), Err(EINVAL));
}

#[test]
fn a_walk_onto_itself_moves_the_fid_or_leaves_it() {
    let mut client = Served::memory().session();
    client.mkdir(0, "d", 0o755).unwrap();
    client.walk(0, 1, &[]).unwrap();
    let root = client.getattr(1).unwrap().qid;
    // Half a walk does not move it.
    assert_eq!(client.walk(1, 1, &["d", "nothing"]).unwrap().len(), 1);
    assert_eq!(client.getattr(1).unwrap().qid.path, root.path);
    let d = client.walk(1, 1, &["d"]).unwrap()[0];
    assert_eq!(client.getattr(1).unwrap().qid, d);
}

#[test]
fn dotdot_at_the_root_is_the_root() {
    let dir = tempfile::tempdir().unwrap();
    for served in [
        Served::memory(),
        Served::local(dir.path()),
        Served::synth(Synth::new()),
    ] {
        let mut client = served.session();
        let root = client.getattr(0).unwrap().qid;
        let qids = client.walk(0, 1, &["..", ".", "..", ".."]).unwrap();
        assert!(qids.iter().all(|qid| *qid == root));
        assert_eq!(client.getattr(1).unwrap().qid, root);
    }
}

#[test]
fn half_a_walk_answers_its_qids_and_makes_no_fid() {
    let mut client = Served::memory().session();
    client.mkdir(0, "d", 0o755).unwrap();
    client.put_file(0, 1, "f", b"");
    let qids = client.walk(0, 1, &["d", "nothing", "more"]).unwrap();
    assert_eq!(qids.len(), 1);
    assert_eq!(qids[0].kind, QidType::DIR);
    assert_eq!(client.getattr(1).unwrap_err(), ENOENT);
    assert_eq!(client.walk(0, 1, &["nothing"]), Err(ENOENT));
    // A file on the way is no directory, for `.` and `..` either.
    assert_eq!(client.walk(0, 1, &["f", ".."]).unwrap().len(), 1);
    assert_eq!(client.getattr(1).unwrap_err(), ENOENT);
    client.walk(0, 1, &["f"]).unwrap();
    for name in ["x", ".", ".."] {
        assert_eq!(client.walk(1, 2, &[name]), Err(ENOTDIR));
    }
}

#[test]
fn a_value_of_an_attribute_is_read_in_pieces() {
    let mut client = Served::memory().session();
    client.put_file(0, 1, "f", b"");
    client.walk(0, 1, &["f"]).unwrap();
    client.walk(1, 2, &[]).unwrap();
    client.xattrcreate(2, "user.a", 5, 0).unwrap();
    assert_eq!(client.write(2, 2, b"lue"), Ok(3));
    assert_eq!(client.write(2, 0, b"va"), Ok(2));
    // Beyond the size announced there is no room; what is cut is cut.
    assert_eq!(client.write(2, 6, b"x"), Err(ENOSPC));
    assert_eq!(client.write(2, 4, b"e and more"), Ok(1));
    assert_eq!(client.clunk(2), Ok(()));
    assert_eq!(client.xattrwalk(1, 2, "user.a"), Ok(5));
    assert_eq!(client.read(2, 1, 3).unwrap(), b"alu");
    assert_eq!(client.read(2, 3, 100).unwrap(), b"ue");
    for offset in [5, 6, u64::MAX] {
        assert_eq!(client.read(2, offset, 10).unwrap(), b"");
    }
    // A fid in use, and a failure, leave things as they are.
    assert_eq!(client.xattrwalk(1, 2, ""), Err(EINVAL));
    assert_eq!(client.xattrwalk(1, 3, "user.none"), Err(ENODATA));
    assert_eq!(client.getattr(3).unwrap_err(), ENOENT);
}

#[test]
fn every_number_can_be_a_fid() {
    let mut client = Served::memory().session();
    for fid in [1, 0x7fff_ffff, 0x8000_0000, NOFID] {
        assert!(client.walk(0, fid, &[]).is_ok());
        assert!(client.getattr(fid).is_ok());
        assert_eq!(client.clunk(fid), Ok(()));
    }
}

#[test]
fn five_thousand_fids_are_five_thousand_files() {
    let mut client = Served::memory().session();
    let names: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    for name in &names {
        client.put_file(0, 1, name, name.as_bytes());
    }
    let paths: Vec<_> = (0..5000)
        .map(|fid| {
            let name = &names[fid % names.len()];
            client.walk(0, fid as u32 + 1, &[name]).unwrap()[0].path
        })
        .collect();
    for fid in (0..5000).step_by(499) {
        let number = fid as u32 + 1;
        assert_eq!(client.getattr(number).unwrap().qid.path, paths[fid]);
        client.lopen(number, 0).unwrap();
        let content = client.read(number, 0, 10).unwrap();
        assert_eq!(content, names[fid % names.len()].as_bytes());
    }
    for fid in 0..5000 {
        assert_eq!(client.clunk(fid + 1), Ok(()));
    }
}
