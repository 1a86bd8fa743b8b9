//! What is sent together, and what becomes of fids whose making was given up.

mod common;

use std::sync::mpsc;
use std::thread;

use common::double::{DIR, Peer, Request, TIMEOUT, double};
use virtfs_client::{Attach, Client, Error, Fid, LopenFlags, Options, Result};
use virtfs_proto::kind::{
    TATTACH, TCLUNK, TFLUSH, TGETATTR, TLCREATE, TLOPEN, TREAD, TVERSION, TWALK, TXATTRWALK,
};
use virtfs_proto::{
    GetattrMask, Qid, QidType, Qids, Rattach, Rclunk, Rflush, Rgetattr, Rlcreate, Rlopen, Rmessage,
    Rread, Rversion, Rwalk, Rxattrwalk, Timespec,
};

const FILE: Qid = Qid {
    kind: QidType::empty(),
    version: 1,
    path: 9,
};

/// Answers as a server does that keeps order, and says so.
fn greet(peer: &mut Peer) {
    let answers: [(u8, Rmessage<'static>, &[u8]); 5] = [
        (
            TVERSION,
            Rmessage::Version(Rversion {
                msize: 1 << 20,
                version: b"9P2000.L",
            }),
            b"",
        ),
        (TATTACH, Rmessage::Attach(Rattach { qid: DIR }), b""),
        (
            TXATTRWALK,
            Rmessage::Xattrwalk(Rxattrwalk { size: 19 }),
            b"",
        ),
        (
            TREAD,
            Rmessage::Read(Rread { count: 19 }),
            b"later=no, order=fid",
        ),
        (TCLUNK, Rmessage::Clunk(Rclunk {}), b""),
    ];
    for (kind, answer, payload) in answers {
        let request = peer.request().unwrap();
        assert_eq!(request.kind, kind);
        peer.reply(request.tag, answer);
        peer.raw(payload);
    }
}

/// A client of a server that keeps order and then goes by `script`.
fn ordered<T: Send + 'static>(
    timeout: Option<std::time::Duration>,
    script: impl FnOnce(Peer) -> T + Send + 'static,
) -> (Fid, thread::JoinHandle<T>) {
    let (sender, receiver) = mpsc::channel();
    let stream = double(move |mut peer| {
        greet(&mut peer);
        sender.send(peer).unwrap();
    });
    let options = Options {
        timeout,
        ..Options::default()
    };
    let client = Client::over(stream, &options).unwrap();
    let root = client.attach(&Attach::default()).unwrap();
    assert!(client.ordered());
    let peer = receiver.recv().unwrap();
    (root, thread::spawn(move || script(peer)))
}

/// Takes requests of just these types before it answers any.
fn expect(peer: &mut Peer, kinds: &[u8]) -> Vec<Request> {
    let requests: Vec<_> = kinds.iter().map(|_| peer.request().unwrap()).collect();
    let found: Vec<u8> = requests.iter().map(|request| request.kind).collect();
    assert_eq!(found, kinds);
    requests
}

fn attributes() -> Rgetattr {
    Rgetattr {
        valid: GetattrMask::BASIC,
        qid: FILE,
        mode: 0o100_644,
        uid: 0,
        gid: 0,
        nlink: 1,
        rdev: 0,
        size: 77,
        blksize: 0,
        blocks: 0,
        atime: Timespec::default(),
        mtime: Timespec::default(),
        ctime: Timespec::default(),
        btime: Timespec::default(),
        generation: 0,
        data_version: 0,
    }
}

fn answer(peer: &mut Peer, request: &Request) {
    let message: Rmessage<'static> = match request.kind {
        TWALK => Rmessage::Walk(Rwalk {
            qids: match u16::from_le_bytes([request.frame[15], request.frame[16]]) {
                0 => Qids::default(),
                _ => Qids::from_slice(&[FILE]),
            },
        }),
        TGETATTR => attributes().into(),
        TLOPEN => Rlopen {
            qid: FILE,
            iounit: 0,
        }
        .into(),
        TCLUNK => Rclunk {}.into(),
        TFLUSH => Rflush {}.into(),
        kind => panic!("no answer to {kind}"),
    };
    peer.reply(request.tag, message);
}

/// The fid that a walk or its like makes.
fn newfid(request: &Request) -> u32 {
    u32::from_le_bytes(request.frame[11..15].try_into().unwrap())
}

fn fid(request: &Request) -> u32 {
    u32::from_le_bytes(request.frame[7..11].try_into().unwrap())
}

#[test]
fn a_lookup_is_one_round_trip() {
    let (root, server) = ordered(None, |mut peer| {
        let requests = expect(&mut peer, &[TWALK, TGETATTR]);
        assert_eq!(newfid(&requests[0]), fid(&requests[1]));
        requests
            .iter()
            .for_each(|request| answer(&mut peer, request));
        peer
    });
    let (found, attributes) = root.lookup(b"f").unwrap();
    assert_eq!((found.qid(), attributes.size), (FILE, 77));
    drop(server.join().unwrap());
}

#[test]
fn many_looks_are_one_round_trip() {
    let (root, server) = ordered(None, |mut peer| {
        let requests = expect(&mut peer, &[TWALK, TGETATTR, TCLUNK].repeat(20));
        requests
            .iter()
            .for_each(|request| answer(&mut peer, request));
        peer
    });
    let names: Vec<String> = (0..20).map(|name| name.to_string()).collect();
    assert!(root.stat_all(&names).iter().all(|stat| stat.is_ok()));
    drop(server.join().unwrap());
}

#[test]
fn opening_and_creating_are_one_round_trip() {
    let (root, server) = ordered(None, |mut peer| {
        let requests = expect(&mut peer, &[TWALK, TLOPEN]);
        requests
            .iter()
            .for_each(|request| answer(&mut peer, request));
        let requests = expect(&mut peer, &[TWALK, TLOPEN]);
        requests
            .iter()
            .for_each(|request| answer(&mut peer, request));
        let requests = expect(&mut peer, &[TWALK, TLCREATE]);
        answer(&mut peer, &requests[0]);
        peer.error(requests[1].tag, 17);
        // What was cloned for nothing is given up.
        let clunk = expect(&mut peer, &[TCLUNK]);
        assert_eq!(fid(&clunk[0]), newfid(&requests[0]));
        let requests = expect(&mut peer, &[TXATTRWALK, TREAD, TCLUNK]);
        peer.reply(requests[0].tag, Rxattrwalk { size: 3 });
        peer.reply(requests[1].tag, Rread { count: 3 });
        peer.raw(b"abc");
        peer.reply(requests[2].tag, Rclunk {});
        peer
    });
    let file = root.open(LopenFlags::RDONLY).unwrap();
    let directory = root.read_dir().unwrap();
    let created = root.create(b"f", LopenFlags::RDWR, 0o644, 0);
    assert!(matches!(created, Err(Error::Server(17))));
    assert_eq!(root.xattr(b"user.x").unwrap(), b"abc");
    drop(server.join().unwrap());
    drop((file, directory));
}

#[test]
fn making_a_file_and_looking_at_it_is_one_round_trip() {
    const KINDS: [u8; 4] = [TWALK, TLCREATE, TWALK, TGETATTR];
    let (root, server) = ordered(None, |mut peer| {
        let requests = expect(&mut peer, &KINDS);
        assert_eq!(fid(&requests[2]), newfid(&requests[0]), "from the open fid");
        answer(&mut peer, &requests[0]);
        let made = Rlcreate {
            qid: FILE,
            iounit: 0,
        };
        peer.reply(requests[1].tag, made);
        answer(&mut peer, &requests[2]);
        answer(&mut peer, &requests[3]);

        let requests = expect(&mut peer, &KINDS);
        answer(&mut peer, &requests[0]);
        peer.error(requests[1].tag, 17);
        answer(&mut peer, &requests[2]);
        answer(&mut peer, &requests[3]);
        let clunks = expect(&mut peer, &[TCLUNK, TCLUNK]);
        let gone = [fid(&clunks[0]), fid(&clunks[1])];
        assert_eq!(gone, [newfid(&requests[0]), newfid(&requests[2])]);
        clunks.iter().for_each(|clunk| answer(&mut peer, clunk));
        peer
    });
    let made = root.create_and_look(b"f", LopenFlags::RDWR, 0o644, 0);
    let (file, fid, attributes) = made.unwrap();
    assert_eq!((file.qid(), fid.qid(), attributes.size), (FILE, FILE, 77));
    let again = root.create_and_look(b"f", LopenFlags::RDWR, 0o644, 0);
    assert!(matches!(again, Err(Error::Server(17))));
    drop(server.join().unwrap());
}

#[test]
fn what_follows_a_failed_walk_does_not_count() {
    let (root, server) = ordered(None, |mut peer| {
        let mut made = Vec::new();
        for _ in 0..3 {
            let requests = expect(&mut peer, &[TWALK, TGETATTR]);
            made.push(newfid(&requests[0]));
            // The errno of the walk is what the caller must see.
            peer.error(requests[1].tag, 9);
            peer.error(requests[0].tag, 2);
        }
        let requests = expect(&mut peer, &[TWALK, TGETATTR, TCLUNK]);
        made.push(newfid(&requests[0]));
        for (request, errno) in requests.iter().zip([13, 9, 9]) {
            peer.error(request.tag, errno);
        }
        let requests = expect(&mut peer, &[TWALK]);
        made.push(newfid(&requests[0]));
        answer(&mut peer, &requests[0]);
        (made, peer)
    });
    for _ in 0..3 {
        assert!(matches!(root.lookup(b"f"), Err(Error::Server(2))));
    }
    assert!(matches!(root.stat_at(&[b"f"]), Err(Error::Server(13))));
    let fid = root.walk::<&[u8]>(&[]).unwrap();
    let (made, peer) = server.join().unwrap();
    // Not clunked, and the number is free again.
    assert!(
        made.iter().all(|number| *number == fid.number()),
        "{made:?}"
    );
    drop(peer);
}

#[test]
fn a_fid_whose_walk_was_given_up_and_succeeds_late_is_clunked() {
    let (root, server) = ordered(Some(TIMEOUT), |mut peer| {
        let requests = expect(&mut peer, &[TWALK, TGETATTR, TFLUSH, TFLUSH]);
        let made = newfid(&requests[0]);
        // Neither tag nor fid is free before the flush is answered.
        let next = expect(&mut peer, &[TWALK]);
        assert!(requests.iter().all(|request| request.tag != next[0].tag));
        assert_ne!(newfid(&next[0]), made);
        // Late, and before their Rflush: they count.
        answer(&mut peer, &requests[0]);
        answer(&mut peer, &requests[1]);
        answer(&mut peer, &next[0]);
        let clunk = expect(&mut peer, &[TCLUNK]);
        assert_eq!(fid(&clunk[0]), made);
        answer(&mut peer, &clunk[0]);
        answer(&mut peer, &requests[2]);
        answer(&mut peer, &requests[3]);
        // The replies above are read by who waited then or by who waits next.
        let next = expect(&mut peer, &[TWALK]);
        answer(&mut peer, &next[0]);
        let again = expect(&mut peer, &[TWALK]);
        assert!([&next[0], &again[0]].map(newfid).contains(&made));
        answer(&mut peer, &again[0]);
        peer
    });
    assert!(matches!(root.lookup(b"f"), Err(Error::TimedOut)));
    let fids: Vec<Result<Fid>> = (0..3).map(|_| root.walk::<&[u8]>(&[])).collect();
    assert!(fids.iter().all(Result::is_ok), "{fids:?}");
    drop(server.join().unwrap());
}

#[test]
fn a_fid_whose_walk_was_flushed_unanswered_was_never_made() {
    let (root, server) = ordered(Some(TIMEOUT), |mut peer| {
        let requests = expect(&mut peer, &[TWALK, TGETATTR, TFLUSH, TFLUSH]);
        answer(&mut peer, &requests[2]);
        answer(&mut peer, &requests[3]);
        let next = expect(&mut peer, &[TWALK]);
        answer(&mut peer, &next[0]);
        let again = expect(&mut peer, &[TWALK]);
        assert_eq!(
            newfid(&again[0]),
            newfid(&requests[0]),
            "no clunk came before"
        );
        answer(&mut peer, &again[0]);
        peer
    });
    assert!(matches!(root.lookup(b"f"), Err(Error::TimedOut)));
    let fids: Vec<Result<Fid>> = (0..2).map(|_| root.walk::<&[u8]>(&[])).collect();
    assert!(fids.iter().all(Result::is_ok), "{fids:?}");
    drop(server.join().unwrap());
}

#[test]
fn a_number_is_not_used_again_while_an_abandoned_request_names_it() {
    let (root, server) = ordered(Some(TIMEOUT), |mut peer| {
        let walk = expect(&mut peer, &[TWALK]);
        answer(&mut peer, &walk[0]);
        let number = newfid(&walk[0]);
        let stuck = expect(&mut peer, &[TGETATTR, TFLUSH, TCLUNK]);
        answer(&mut peer, &stuck[2]);
        for _ in 0..5 {
            let walk = expect(&mut peer, &[TWALK]);
            assert_ne!(newfid(&walk[0]), number);
            answer(&mut peer, &walk[0]);
            let clunk = expect(&mut peer, &[TCLUNK]);
            answer(&mut peer, &clunk[0]);
        }
        peer
    });
    let fid = root.walk::<&[u8]>(&[]).unwrap();
    assert!(matches!(fid.attributes(), Err(Error::TimedOut)));
    drop(fid);
    for _ in 0..5 {
        drop(root.walk::<&[u8]>(&[]).unwrap());
    }
    drop(server.join().unwrap());
}

#[test]
fn a_server_that_knows_no_flush_answers_when_it_does() {
    let (root, server) = ordered(Some(TIMEOUT), |mut peer| {
        let requests = expect(&mut peer, &[TWALK, TFLUSH]);
        peer.error(requests[1].tag, 95);
        let next = expect(&mut peer, &[TWALK]);
        assert_ne!(next[0].tag, requests[0].tag);
        answer(&mut peer, &requests[0]);
        answer(&mut peer, &next[0]);
        let clunk = expect(&mut peer, &[TCLUNK]);
        assert_eq!(fid(&clunk[0]), newfid(&requests[0]));
        peer
    });
    let given_up = root.walk::<&[u8]>(&[]);
    assert!(matches!(given_up, Err(Error::TimedOut)));
    let fid = root.walk::<&[u8]>(&[]).unwrap();
    let peer = server.join().unwrap();
    drop((fid, peer));
}
