//! Tversion: what is agreed on, and that it begins the session anew.

use virtfs_proto::{
    GetattrMask, NOFID, NOTAG, Tauth, Tflush, Tgetattr, Tmessage, Tread, Tversion, kind,
};
use virtfs_server::Limits;
use virtfs_tests::errno::{EINVAL, EMSGSIZE, ENODATA, ENOENT, EOPNOTSUPP};
use virtfs_tests::{Got, PATIENCE, Raw, Served};
use virtfs_vfs::synth::{Gate, Synth, Wait};

#[test]
fn an_unknown_version_is_answered_so_with_the_msize_echoed() {
    let served = Served::memory();
    let mut client = served.connect();
    for version in ["", "9P", "9P2000.X", "9P2000.L ", "9P3000", "9p2000.l"] {
        for msize in [0, 100, 8192, u32::MAX] {
            let answer = client.version(msize, version);
            assert_eq!(answer, Ok((msize, "unknown".to_owned())));
        }
    }
    client.start();
}

#[test]
fn an_msize_below_4096_is_refused() {
    let mut client = Served::memory().connect();
    for msize in [0, 1, 23, 4095] {
        assert_eq!(client.version(msize, "9P2000.L"), Err(EMSGSIZE));
    }
    let smallest = client.version(4096, "9P2000.L");
    assert_eq!(smallest, Ok((4096, "9P2000.L".to_owned())));
}

#[test]
fn an_msize_beyond_the_limit_is_cut_to_it() {
    let mut limits = Limits::default();
    let mut client = Served::memory().connect();
    for msize in [limits.msize, limits.msize + 1, 1 << 31, u32::MAX] {
        assert_eq!(client.version(msize, "9P2000.L").unwrap().0, 1 << 20);
    }
    limits.msize = 10_000;
    let mut client = Served::memory_with(limits).connect();
    assert_eq!(client.version(65536, "9P2000.L").unwrap().0, 10_000);
    assert_eq!(client.version(9_999, "9P2000.L").unwrap().0, 9_999);
}

#[test]
fn a_version_of_any_tag_is_answered_with_that_tag() {
    let mut client = Served::memory().connect();
    let version = b"9P2000.L";
    for tag in [0, 77, NOTAG] {
        let msize = 8192;
        client.send(tag, Tversion { msize, version });
        assert_eq!(client.receive().tag, tag);
    }
}

#[test]
fn a_version_drops_every_fid() {
    let mut client = Served::memory().session();
    client.put_file(0, 1, "f", b"x");
    client.walk(0, 1, &["f"]).unwrap();
    client.lopen(1, 0).unwrap();
    client.walk(0, 2, &["f"]).unwrap();
    client.xattrcreate(2, "user.a", 1, 0).unwrap();
    client.start();
    for fid in 0..3 {
        assert_eq!(client.getattr(fid).unwrap_err(), ENOENT);
    }
    client.attach(0, "").unwrap();
    client.walk(0, 1, &["f"]).unwrap();
    client.lopen(1, 0).unwrap();
}

/// Three attributes of `f` that no clunk came for: written, half written, removed.
fn unclunked(client: &mut Raw) {
    client.put_file(0, 1, "f", b"");
    client.walk(0, 1, &["f"]).unwrap();
    client.xattrcreate(1, "user.gone", 1, 0).unwrap();
    client.write(1, 0, b"x").unwrap();
    client.clunk(1).unwrap();
    for (fid, name, size, value) in [
        (1, "user.whole", 3, &b"abc"[..]),
        (2, "user.half", 3, b"ab"),
    ] {
        client.walk(0, fid, &["f"]).unwrap();
        client.xattrcreate(fid, name, size, 0).unwrap();
        client.write(fid, 0, value).unwrap();
    }
    client.walk(0, 3, &["f"]).unwrap();
    let replace = 2;
    client.xattrcreate(3, "user.gone", 0, replace).unwrap();
}

fn is_as_after_clunks(client: &mut Raw) {
    client.walk(0, 1, &["f"]).unwrap();
    assert_eq!(client.xattrwalk(1, 2, "user.whole"), Ok(3));
    assert_eq!(client.read(2, 0, 10).unwrap(), b"abc");
    assert_eq!(client.xattrwalk(1, 3, "user.half"), Err(ENODATA));
    assert_eq!(client.xattrwalk(1, 3, "user.gone"), Err(ENODATA));
}

#[test]
fn a_version_sets_the_attributes_that_no_clunk_came_for() {
    let dir = tempfile::tempdir().unwrap();
    for served in [Served::memory(), Served::local(dir.path())] {
        let mut client = served.session();
        unclunked(&mut client);
        client.start();
        assert_eq!(client.getattr(1).unwrap_err(), ENOENT);
        client.attach(0, "").unwrap();
        is_as_after_clunks(&mut client);
    }
}

#[test]
fn the_end_of_a_session_sets_the_attributes_that_no_clunk_came_for() {
    let dir = tempfile::tempdir().unwrap();
    for served in [Served::memory(), Served::local(dir.path())] {
        let (mut client, handle) = served.session_with_handle();
        unclunked(&mut client);
        drop(client);
        handle.wait();
        is_as_after_clunks(&mut served.session());
    }
}

#[test]
fn even_a_version_that_fails_drops_every_fid() {
    for (msize, version) in [(8192, "nonsense"), (1, "9P2000.L")] {
        let mut client = Served::memory().session();
        let _ = client.version(msize, version);
        client.start();
        assert_eq!(client.getattr(0).unwrap_err(), ENOENT);
    }
}

fn blocked(wait: Wait) -> (Raw, Gate) {
    let gate = Gate::new();
    let served = Served::synth(Synth::new().file("gate", gate.file_with(wait)));
    let mut client = served.session();
    client.walk(0, 1, &["gate"]).unwrap();
    client.lopen(1, 0).unwrap();
    let (fid, offset, count) = (1, 0, 10);
    for tag in 0..20 {
        client.send(tag, Tread { fid, offset, count });
    }
    assert!(gate.wait_for_blocked(20, PATIENCE));
    (client, gate)
}

#[test]
fn a_version_ends_what_runs_without_an_answer() {
    for wait in [Wait::PROPER, Wait::SILENT] {
        let (mut client, gate) = blocked(wait);
        client.start();
        assert_eq!(gate.interrupted(), 20);
        client.attach(0, "").unwrap();
    }
}

#[test]
fn a_version_waits_for_what_cannot_be_interrupted() {
    let (mut client, gate) = blocked(Wait::STUBBORN);
    let (msize, version) = (8192, &b"9P2000.L"[..]);
    // A flush that waits, too, has no answer any more.
    client.send(100, Tflush { oldtag: 3 });
    client.send(NOTAG, Tversion { msize, version });
    let waits = client.receive_within(std::time::Duration::from_millis(30));
    assert!(matches!(waits, Got::Nothing));
    gate.open();
    let reply = client.receive();
    assert_eq!((reply.tag, reply.kind), (NOTAG, kind::RVERSION));
    client.attach(0, "").unwrap();
}

#[test]
fn a_request_before_the_version_is_an_error_and_no_more() {
    let mut client = Served::memory().connect();
    let request_mask = GetattrMask::ALL;
    let reply = client.call(Tgetattr {
        fid: 0,
        request_mask,
    });
    assert!(reply.ecode().is_some());
    assert!(client.attach(0, "").is_err());
    assert_eq!(client.flush(1), Ok(()));
    client.start();
    assert!(client.attach(0, "").is_ok());
}

#[test]
fn what_is_no_request_is_not_supported() {
    let mut client = Served::memory().session();
    let requests: Vec<u8> = (0..=255)
        .filter(|kind| virtfs_proto::name_of(*kind).is_some_and(|name| name.starts_with('T')))
        .collect();
    for kind in (0..=255).filter(|kind| !requests.contains(kind)) {
        for body in [0, 4, 40] {
            let mut frame = vec![0; 7 + body];
            frame[0] = 7 + body as u8;
            frame[4] = kind;
            frame[5] = 9;
            client.send_bytes(&frame);
            let reply = client.receive();
            assert_eq!(
                (reply.tag, reply.ecode()),
                (9, Some(EOPNOTSUPP)),
                "kind {kind}"
            );
        }
    }
    assert!(client.getattr(0).is_ok());
}

#[test]
fn there_is_no_authentication() {
    let mut client = Served::memory().session();
    let auth = Tauth {
        afid: 5,
        uname: b"root",
        aname: b"",
        n_uname: 0,
    };
    assert_eq!(client.call(auth).ecode(), Some(ENOENT));
    let attach = virtfs_proto::Tattach {
        fid: 6,
        afid: 5,
        uname: b"root",
        aname: b"",
        n_uname: 0,
    };
    assert!(client.call(Tmessage::Attach(attach)).ecode().is_some());
    let attach = virtfs_proto::Tattach {
        afid: NOFID,
        fid: 0,
        ..attach
    };
    assert_eq!(client.call(attach).ecode(), Some(EINVAL));
    assert_eq!(
        client.attach_nobody(6).map(|qid| qid.path),
        client.attach(7, "").map(|q| q.path)
    );
}
