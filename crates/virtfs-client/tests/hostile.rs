//! Servers that break the protocol: the client fails, in time, and holds little.

mod common;

use std::io::Read;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::double::{DIR, Peer, TIMEOUT, attached, double, encoded, is_fault, options};
use virtfs_client::{Cancel, Client, Error, Fid, File, LopenFlags, Result};
use virtfs_proto::{
    DirEntry, LockType, Qids, Rclunk, Rflush, Rgetlock, Rlopen, Rread, Rreaddir, Rreadlink,
    Rversion, Rwalk, Rwrite, Rxattrwalk,
};

/// A client whose next request is answered by these bytes, made of its tag, and no later one.
fn answered_by(bytes: impl FnOnce(u16) -> Vec<u8> + Send + 'static) -> Result<u64> {
    let (client, root) = attached(move |mut peer| {
        if let Some(request) = peer.request() {
            peer.raw(&bytes(request.tag));
        }
        drain(peer);
    });
    let result = root.attributes().map(|attributes| attributes.size);
    if matches!(result, Err(Error::Protocol(_))) {
        assert!(client.lost().is_some(), "the connection ends");
        assert!(
            matches!(root.attributes(), Err(Error::Protocol(_))),
            "and says why"
        );
    }
    result
}

/// Reads requests until the client is gone.
fn drain(mut peer: Peer) {
    while peer.request().is_some() {}
}

fn protocol_error<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(Error::Protocol(_))), "{result:?}");
}

fn header(size: u32, kind: u8, tag: u16) -> Vec<u8> {
    let mut bytes = size.to_le_bytes().to_vec();
    bytes.push(kind);
    bytes.extend(tag.to_le_bytes());
    bytes
}

#[test]
fn nonsense_instead_of_a_reply_ends_the_connection() {
    protocol_error(answered_by(|_| vec![0; 100]));
    protocol_error(answered_by(|_| vec![0xff; 100]));
    protocol_error(answered_by(|tag| header(6, 25, tag)));
    protocol_error(answered_by(|tag| header(u32::MAX, 25, tag)));
    protocol_error(answered_by(|tag| header(1 << 20, 25, tag)));
    protocol_error(answered_by(|tag| {
        [header(20, 25, tag), vec![0; 13]].concat()
    }));
    protocol_error(answered_by(|tag| header(7, 200, tag)));
    // Types that mean something, but not here.
    for kind in [24, 7, 100, 101, 109, 111, 117, 119, 121] {
        protocol_error(answered_by(move |tag| header(7, kind, tag)));
    }
}

#[test]
fn a_reply_that_nobody_asked_for_ends_the_connection() {
    for tag in [5, 1023, 1024, 1030, 2047, 2048, 40_000, 0xffff] {
        protocol_error(answered_by(move |_| encoded(tag, Rclunk {})));
        protocol_error(answered_by(move |_| encoded(tag, Rflush {})));
    }
    protocol_error(answered_by(|tag| encoded(tag + 1024, Rflush {})));
}

#[test]
fn a_reply_that_comes_twice_ends_the_connection() {
    let (client, root) = attached(|mut peer| {
        let request = peer.request().unwrap();
        peer.error(request.tag, 5);
        peer.error(request.tag, 5);
        drain(peer);
    });
    let first = root.attributes();
    assert!(
        matches!(first, Err(Error::Server(5) | Error::Protocol(_))),
        "{first:?}"
    );
    protocol_error(root.attributes());
    assert!(client.lost().is_some());
}

#[test]
fn an_error_number_is_one_whatever_the_server_says() {
    for ecode in [0, 4096, u32::MAX, 1 << 31] {
        let result = answered_by(move |tag| encoded(tag, virtfs_proto::Rlerror { ecode }));
        assert!(matches!(result, Err(Error::Server(5))), "{result:?}");
    }
}

#[test]
fn a_reply_that_is_cut_off_is_a_lost_connection() {
    for length in [1, 6, 7, 8, 100] {
        let (_, root) = attached(move |mut peer| {
            let request = peer.request().unwrap();
            let bytes = [header(160, 25, request.tag), vec![0; 153]].concat();
            peer.raw(&bytes[..length]);
        });
        let result = root.attributes();
        assert!(
            matches!(result, Err(Error::Lost(_))),
            "{length}: {result:?}"
        );
    }
}

#[test]
fn silence_ends_in_time() {
    let result = answered_by(|_| Vec::new());
    assert!(matches!(result, Err(Error::TimedOut)), "{result:?}");
    let result = answered_by(|tag| header(160, 25, tag));
    assert!(matches!(result, Err(Error::TimedOut)), "{result:?}");
    let result = answered_by(|_| vec![160, 0]);
    assert!(matches!(result, Err(Error::TimedOut)), "{result:?}");
}

#[test]
fn one_byte_at_a_time_is_slow_and_right_or_ends_in_time() {
    let (_, root) = attached(|mut peer| {
        let request = peer.request().unwrap();
        for byte in encoded(
            request.tag,
            Rreadlink {
                target: b"to/there",
            },
        ) {
            peer.raw(&[byte]);
            thread::yield_now();
        }
        let request = peer.request().unwrap();
        let bytes = [header(7 + 2 + 60_000, 23, request.tag), vec![0x60, 0xea]].concat();
        peer.raw(&bytes);
        while peer.raw(b"x") {
            thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(root.readlink().unwrap(), b"to/there");
    assert!(matches!(root.readlink(), Err(Error::TimedOut)));
}

#[test]
fn a_server_that_refuses_or_breaks_tversion_is_refused() {
    let over = |script: fn(Peer)| Client::over(double(script), &options());
    let reply = |msize, version: &'static [u8]| {
        Client::over(
            double(move |mut peer| {
                let request = peer.request().unwrap();
                peer.reply(request.tag, Rversion { msize, version });
                drain(peer);
            }),
            &options(),
        )
    };
    protocol_error(reply(8192, b"9P2000"));
    protocol_error(reply(8192, b"unknown"));
    protocol_error(reply(8192, b"9P2000.L.more"));
    protocol_error(reply(0, b"9P2000.L"));
    protocol_error(reply(100, b"9P2000.L"));
    protocol_error(reply(u32::MAX, b"9P2000.L"));
    assert!(reply(4096, b"9P2000.L").is_ok());
    assert!(matches!(over(drain), Err(Error::TimedOut)));
    assert!(matches!(over(drop), Err(Error::Lost(_))));
    let chatter = over(|mut peer| while peer.raw(&[7, 0, 0, 0, 101, 0, 0]) {});
    protocol_error(chatter);
}

/// An open file of a server that goes by `script` from then on; and its root, whose clunk would
/// disturb.
fn open_file(script: impl FnOnce(Peer) + Send + 'static) -> (Fid, File) {
    let (_, root) = attached(move |mut peer| {
        let walk = peer.request().unwrap();
        peer.reply(
            walk.tag,
            Rwalk {
                qids: Qids::default(),
            },
        );
        let open = peer.request().unwrap();
        peer.reply(
            open.tag,
            Rlopen {
                qid: DIR,
                iounit: 0,
            },
        );
        script(peer);
    });
    let file = root.open(LopenFlags::RDWR).unwrap();
    (root, file)
}

#[test]
fn more_data_than_was_asked_for_ends_the_connection() {
    let (_root, file) = open_file(|mut peer| {
        let request = peer.request().unwrap();
        peer.raw(&encoded(request.tag, Rread { count: 101 }));
        peer.raw(&[0; 101]);
        drain(peer);
    });
    protocol_error(file.read_chunk(100, 0));
    let (_root, file) = open_file(|mut peer| {
        let request = peer.request().unwrap();
        let mut bytes = encoded(request.tag, Rread { count: 50 });
        bytes[7] = 20;
        peer.raw(&bytes);
        drain(peer);
    });
    protocol_error(file.read_chunk(100, 0));
    let (_root, file) = open_file(|mut peer| {
        let request = peer.request().unwrap();
        peer.reply(request.tag, Rwrite { count: 11 });
        drain(peer);
    });
    protocol_error(file.write_at(&[0; 10], 0));
}

#[test]
fn a_payload_that_does_not_end_is_given_up() {
    let (_root, file) = open_file(|mut peer| {
        let request = peer.request().unwrap();
        peer.raw(&encoded(request.tag, Rread { count: 500_000 }));
        peer.raw(&[0; 400_000]);
        drain(peer);
    });
    assert!(matches!(file.read_chunk(500_000, 0), Err(Error::TimedOut)));
}

#[test]
fn wrong_counts_in_walks_end_the_connection() {
    let walks = |count: usize| {
        attached(move |mut peer| {
            let request = peer.request().unwrap();
            let qids: &'static [_] = vec![DIR; count].leak();
            peer.reply(
                request.tag,
                Rwalk {
                    qids: Qids::from_slice(qids),
                },
            );
            drain(peer);
        })
    };
    protocol_error(walks(3).1.walk(&[b"a", b"b"]));
    protocol_error(walks(1).1.walk::<&[u8]>(&[]));
    assert!(walks(2).1.walk(&[b"a", b"b"]).is_ok());
}

#[test]
fn names_that_are_none_end_the_connection() {
    for name in [&b""[..], b"a/b", b"a\0b", b"../../etc/passwd"] {
        let file = attached(move |mut peer| {
            let walk = peer.request().unwrap();
            peer.reply(
                walk.tag,
                Rwalk {
                    qids: Qids::default(),
                },
            );
            let open = peer.request().unwrap();
            peer.reply(
                open.tag,
                Rlopen {
                    qid: DIR,
                    iounit: 0,
                },
            );
            let list = peer.request().unwrap();
            let entry = DirEntry {
                qid: DIR,
                offset: 1,
                kind: 4,
                name,
            };
            let mut bytes = vec![0; entry.encoded_len()];
            entry.encode(&mut bytes).unwrap();
            let count = bytes.len() as u32;
            peer.raw(&[encoded(list.tag, Rreaddir { count }), bytes].concat());
            drain(peer);
        });
        protocol_error(file.1.read_dir().unwrap().next_batch());
    }
}

#[test]
fn a_huge_attribute_is_refused() {
    let (client, root) = attached(|mut peer| {
        let walk = peer.request().unwrap();
        peer.reply(walk.tag, Rxattrwalk { size: u64::MAX });
        drain(peer);
    });
    let error = root.xattr(b"user.x").unwrap_err();
    assert!(matches!(error, Error::Refused(_, 7)), "{error:?}");
    assert!(client.lost().is_none());
}

#[test]
fn random_bytes_never_do_more_than_end_the_connection() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..300 {
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let length = (random() % 3000) as usize;
        let bytes: Vec<u8> = (0..length).map(|_| random() as u8).collect();
        let kinds = [25, 7, 111, 117, 41, 13];
        let framed = round % 3 != 0;
        let (_, root) = attached(move |mut peer| {
            let Some(request) = peer.request() else {
                return;
            };
            if framed {
                // A header that fits, and random fields.
                let kind = kinds[round % kinds.len()];
                peer.raw(&header(160, kind, request.tag));
            }
            peer.raw(&bytes);
        });
        let result = root.attributes();
        assert!(is_fault(&result) || framed, "{result:?}");
        seed = seed.wrapping_add(round as u64);
    }
}

#[test]
fn a_server_that_reads_nothing_holds_nobody() {
    let (_root, file) = open_file(|peer| {
        thread::sleep(TIMEOUT * 40);
        drop(peer);
    });
    let bytes = vec![1; 8 << 20];
    thread::scope(|scope| {
        let big: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| file.write_at(&bytes, 0)))
            .collect();
        let small = scope.spawn(|| file.attributes());
        for writer in big {
            assert!(matches!(writer.join().unwrap(), Err(Error::TimedOut)));
        }
        assert!(matches!(small.join().unwrap(), Err(Error::TimedOut)));
    });
    let cancel = Cancel::new();
    cancel.cancel();
    assert!(cancel.scope(|| file.write_at(&bytes, 0)).is_err());
    drop(file);
}

#[test]
fn a_request_given_up_half_sent_is_sent_whole_and_the_rest_is_not_sent() {
    let (count, counted) = mpsc::channel();
    let (go_on, given_up) = mpsc::channel::<()>();
    let (_root, file) = open_file(move |mut peer| {
        // Reads on when the client has given up: whole frames, and then a request that works.
        given_up.recv().unwrap();
        let mut writes = 0;
        while let Some(request) = peer.request() {
            match request.kind {
                118 => writes += 1,
                108 => drop(peer.reply(request.tag, Rflush {})),
                _ => drop(peer.error(request.tag, 61)),
            }
            count.send(writes).unwrap();
        }
    });
    let result = file.write_at(&vec![1; 4 << 20], 0);
    assert!(matches!(result, Err(Error::TimedOut)), "{result:?}");
    go_on.send(()).unwrap();
    assert!(matches!(file.attributes(), Err(Error::Server(61))));
    drop((_root, file));
    assert_eq!(
        counted.iter().last(),
        Some(1),
        "one write was begun, three were not"
    );
}

#[test]
fn replies_to_nobody_are_not_kept() {
    // The server answers nothing for long, while waits time out and pile up, then floods.
    let (client, root) = attached(|mut peer| {
        let mut tags = Vec::new();
        peer.0
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        while tags.len() < 1500 {
            let Some(request) = peer.request() else { break };
            tags.push(request.tag);
        }
        while peer.raw(&header(7, 109, 9)) {}
    });
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| (0..3).for_each(|_| assert!(is_fault(&root.attributes()))));
        }
    });
    drop(root);
    client.close();
}

#[test]
fn a_flood_of_requests_by_many_threads_waits_for_tags() {
    let (client, root) = attached(|mut peer| {
        // Takes everything, answers nothing.
        let mut sink = vec![0; 1 << 16];
        while peer.0.read(&mut sink).is_ok_and(|count| count > 0) {}
    });
    let names: Vec<String> = (0..1200).map(|n| n.to_string()).collect();
    thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| {
                let results = names.iter().take(3).map(|name| root.walk(&[name]));
                assert!(results.into_iter().all(|r| is_fault(&r)));
            });
        }
    });
    assert!(client.lost().is_none());
}

#[test]
fn a_lock_holder_with_a_long_name_is_no_harm() {
    let (_root, file) = open_file(|mut peer| {
        let request = peer.request().unwrap();
        let client_id: &'static [u8] = vec![b'c'; 3000].leak();
        let reply = Rgetlock {
            kind: LockType(77),
            start: u64::MAX,
            length: u64::MAX,
            proc_id: 3,
            client_id,
        };
        peer.reply(request.tag, reply);
        drain(peer);
    });
    let lock = virtfs_client::Lock {
        kind: LockType::RDLCK,
        start: 0,
        length: 0,
        proc_id: 1,
        client_id: Vec::new(),
        flags: virtfs_client::LockFlags::empty(),
    };
    assert_eq!(file.test_lock(&lock).unwrap().client_id.len(), 3000);
}

/// A root that is listed once for each of `offsets`: one entry with that cookie each time.
fn listed(offsets: &'static [u64]) -> Fid {
    let (_, root) = attached(move |mut peer| {
        let walk = peer.request().unwrap();
        let qids = Qids::default();
        peer.reply(walk.tag, Rwalk { qids });
        let open = peer.request().unwrap();
        let (qid, iounit) = (DIR, 0);
        peer.reply(open.tag, Rlopen { qid, iounit });
        for &offset in offsets {
            let Some(list) = peer.request() else { return };
            let (kind, name) = (4, &b"name"[..]);
            let entry = DirEntry {
                qid,
                offset,
                kind,
                name,
            };
            let mut bytes = vec![0; entry.encoded_len()];
            entry.encode(&mut bytes).unwrap();
            let count = bytes.len() as u32;
            peer.raw(&[encoded(list.tag, Rreaddir { count }), bytes].concat());
        }
        drain(peer);
    });
    root
}

#[test]
fn a_listing_that_stands_still_ends_with_an_error() {
    for offsets in [&[5, 9, 9, 9][..], &[0, 0, 0, 0]] {
        let root = listed(offsets);
        let directory = root.read_dir().unwrap();
        let last = directory.take(4).last();
        assert!(matches!(last, Some(Err(Error::Refused(_, 40)))), "{last:?}");
    }
}

#[test]
fn a_tiny_iounit_does_not_make_a_message_of_every_byte() {
    let (_, root) = attached(|mut peer| {
        let walk = peer.request().unwrap();
        let qids = Qids::default();
        peer.reply(walk.tag, Rwalk { qids });
        let open = peer.request().unwrap();
        let (qid, iounit) = (DIR, 1);
        peer.reply(open.tag, Rlopen { qid, iounit });
        while let Some(read) = peer.request() {
            let count = u32::from_le_bytes(read.frame[19..23].try_into().unwrap());
            let data = vec![count as u8; count as usize];
            peer.raw(&[encoded(read.tag, Rread { count }), data].concat());
        }
    });
    let file = root.open(LopenFlags::RDONLY).unwrap();
    let chunk = file.read_chunk(512, 0).unwrap();
    assert_eq!(chunk.parts().len(), 1);
}
