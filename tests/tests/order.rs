//! Requests that a client sends without waiting are answered as if it had waited.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use virtfs_proto::{
    GetattrMask, LopenFlags, Names, Rmessage, Tclunk, Tgetattr, Tlopen, Tread, Twalk, Twrite,
    Txattrcreate, XattrFlags,
};
use virtfs_tests::errno::{EINVAL, ENOENT};
use virtfs_tests::{Expect, Frames, Hooked, Model, Rng, Served, Tree};
use virtfs_vfs::synth::{File, Synth};

fn memory() -> Served {
    let served = Served::memory();
    let mut client = served.session();
    for path in Tree::directories() {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", &path));
        client.walk(0, 1, &split(dir)).unwrap();
        client.mkdir(1, name, 0o755).unwrap();
        client.clunk(1).unwrap();
    }
    for (path, content) in Tree::files() {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", &path));
        client.walk(0, 1, &split(dir)).unwrap();
        client.put_file(1, 2, name, content);
        client.clunk(1).unwrap();
    }
    served
}

fn local(dir: &std::path::Path) -> Served {
    for path in Tree::directories() {
        std::fs::create_dir(dir.join(path)).unwrap();
    }
    for (path, content) in Tree::files() {
        std::fs::write(dir.join(path), content).unwrap();
    }
    Served::local(dir)
}

fn synth() -> Synth {
    Tree::files().fold(Synth::new(), |synth, (path, content)| {
        synth.file(path, File::bytes(content))
    })
}

fn split(path: &str) -> Vec<&str> {
    path.split('/').filter(|name| !name.is_empty()).collect()
}

/// Random bursts, many at a time, against the model.
fn compare(served: &Served, rounds: u64, seed: u64) {
    let mut client = served.session();
    let mut model = Model::new();
    let mut rng = Rng::new(seed);
    for _ in 0..rounds {
        let mut frames = Frames::new();
        let mut expected: Vec<Expect> = Vec::new();
        let wanted = 1 + rng.index(200);
        while expected.len() < wanted {
            let tag = expected.len() as u16;
            expected.extend(model.burst(&mut rng, 6, &mut frames, tag));
        }
        client.send_frames(&frames);
        let replies = client.receive_many(expected.len());
        for (reply, expect) in replies.iter().zip(&expected) {
            expect.check(reply);
        }
    }
}

#[test]
fn memory_answers_as_the_model() {
    let served = memory();
    for seed in 0..4 {
        compare(&served, 100, seed);
    }
}

#[test]
fn the_host_answers_as_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let served = local(dir.path());
    for seed in 0..4 {
        compare(&served, 60, 100 + seed);
    }
}

#[test]
fn synth_answers_as_the_model() {
    compare(&Served::synth(synth()), 200, 200);
}

/// Every call is slow, some say so: requests end in another order than they came.
#[test]
fn a_slow_file_system_answers_as_the_model() {
    let calls = AtomicU64::new(0);
    let fs = Hooked::new(synth(), move |_, cx| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        match Rng::new(call).below(16) {
            0 => cx.about_to_block(),
            1 => {
                cx.about_to_block();
                std::thread::sleep(Duration::from_micros(300));
            }
            2 => std::thread::sleep(Duration::from_micros(700)),
            3 => std::thread::yield_now(),
            _ => {}
        }
        Ok(())
    });
    let served = Served::fs(fs);
    for seed in 0..3 {
        compare(&served, 40, 300 + seed);
    }
}

#[test]
fn sessions_side_by_side_answer_as_the_model() {
    let served = Arc::new(memory());
    let clients: Vec<_> = (0..4)
        .map(|seed| {
            let served = served.clone();
            std::thread::spawn(move || compare(&served, 40, 400 + seed))
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
}

fn walk(frames: &mut Frames, tag: u16, newfid: u32, names: &[&[u8]]) {
    let names = Names::from_slice(names);
    frames.add(
        tag,
        Twalk {
            fid: 0,
            newfid,
            names,
        },
    );
}

fn getattr(frames: &mut Frames, tag: u16, fid: u32) {
    let request_mask = GetattrMask::BASIC;
    frames.add(tag, Tgetattr { fid, request_mask });
}

#[test]
fn sixty_four_triples_on_one_number_are_all_answered() {
    let mut client = memory().session();
    let mut frames = Frames::new();
    for triple in 0..64u16 {
        let names: &[&[u8]] = if triple % 2 == 0 {
            &[b"f"]
        } else {
            &[b"d", b"e", b"g"]
        };
        walk(&mut frames, 3 * triple, 7, names);
        getattr(&mut frames, 3 * triple + 1, 7);
        frames.add(3 * triple + 2, Tclunk { fid: 7 });
    }
    for _ in 0..10 {
        client.send_frames(&frames);
        for (at, reply) in client.receive_many(3 * 64).iter().enumerate() {
            let long = (at / 3) % 2 == 1;
            match at % 3 {
                0 => Expect::Walked(if long { 3 } else { 1 }).check(reply),
                1 => Expect::Attr(Some(if long { 4 } else { 12 })).check(reply),
                _ => Expect::Done.check(reply),
            }
        }
    }
}

#[test]
fn what_follows_a_walk_that_fails_finds_no_fid() {
    let mut client = memory().session();
    let mut frames = Frames::new();
    for n in 0..30u16 {
        // The second goes one step: no fid either.
        let names: &[&[u8]] = if n % 2 == 0 {
            &[b"nothing"]
        } else {
            &[b"d", b"nothing"]
        };
        walk(&mut frames, 3 * n, 9, names);
        getattr(&mut frames, 3 * n + 1, 9);
        frames.add(3 * n + 2, Tclunk { fid: 9 });
    }
    client.send_frames(&frames);
    for (at, reply) in client.receive_many(90).iter().enumerate() {
        match at % 6 {
            3 => Expect::Walked(1).check(reply),
            _ => Expect::Error(ENOENT).check(reply),
        }
    }
}

#[test]
fn open_read_and_clunk_may_follow_a_walk_at_once() {
    let mut client = memory().session();
    let mut frames = Frames::new();
    for n in 0..30u16 {
        walk(&mut frames, 4 * n, 5, &[b"f"]);
        let flags = LopenFlags::RDONLY;
        frames.add(4 * n + 1, Tlopen { fid: 5, flags });
        let (offset, count) = (7, 100);
        frames.add(
            4 * n + 2,
            Tread {
                fid: 5,
                offset,
                count,
            },
        );
        frames.add(4 * n + 3, Tclunk { fid: 5 });
    }
    client.send_frames(&frames);
    for (at, reply) in client.receive_many(120).iter().enumerate() {
        match at % 4 {
            0 => Expect::Walked(1).check(reply),
            2 => Expect::Data(b"world".to_vec()).check(reply),
            _ => assert_eq!(reply.ecode(), None),
        }
    }
}

#[test]
fn a_walk_to_a_number_in_use_is_refused_even_when_both_are_under_way() {
    let mut client = memory().session();
    let mut frames = Frames::new();
    walk(&mut frames, 0, 3, &[b"f"]);
    walk(&mut frames, 1, 3, &[b"d"]);
    getattr(&mut frames, 2, 3);
    client.send_frames(&frames);
    let replies = client.receive_many(3);
    Expect::Walked(1).check(&replies[0]);
    Expect::Error(EINVAL).check(&replies[1]);
    Expect::Attr(Some(12)).check(&replies[2]);
}

#[test]
fn a_number_is_free_while_its_clunk_still_runs() {
    let gate = virtfs_vfs::synth::Gate::new();
    let at_gate = gate.clone();
    let fs = Hooked::new(
        virtfs_vfs::memory::MemoryFs::new(),
        move |method, cx| match method {
            "xattr_put" => at_gate.wait(cx, virtfs_vfs::synth::Wait::PROPER),
            _ => Ok(()),
        },
    );
    let served = Served::fs(fs);
    let mut client = served.session();
    client.walk(0, 1, &[]).unwrap();
    client.xattrcreate(1, "user.x", 0, 1).unwrap();
    client.send(10, Tclunk { fid: 1 });
    assert!(gate.wait_for_blocked(1, virtfs_tests::PATIENCE));
    assert_eq!(client.walk(0, 1, &[]), Ok(vec![]));
    assert!(client.getattr(1).is_ok());
    assert_eq!(client.clunk(1), Ok(()));
    gate.open();
    let reply = client.receive();
    assert_eq!((reply.tag, reply.ecode()), (10, None));
}

#[test]
fn a_create_binds_its_fid_for_what_follows() {
    let served = Served::memory();
    let mut client = served.session();
    let mut frames = Frames::new();
    for n in 0..20u16 {
        let name = format!("new{n}");
        let create = virtfs_proto::Tlcreate {
            fid: 1,
            name: name.as_bytes(),
            flags: LopenFlags::RDWR,
            mode: 0o600,
            gid: 0,
        };
        walk(&mut frames, 5 * n, 1, &[]);
        frames.add(5 * n + 1, create);
        let (offset, count) = (0, 3);
        let write = virtfs_proto::Twrite {
            fid: 1,
            offset,
            count,
        };
        frames.add_with(5 * n + 2, write, b"abc");
        frames.add(5 * n + 3, create);
        frames.add(5 * n + 4, Tclunk { fid: 1 });
    }
    client.send_frames(&frames);
    for (at, reply) in client.receive_many(100).iter().enumerate() {
        match at % 5 {
            2 => assert!(matches!(reply.message(), Rmessage::Write(w) if w.count == 3)),
            3 => Expect::Error(EINVAL).check(reply),
            _ => assert_eq!(reply.ecode(), None),
        }
    }
    for n in 0..20 {
        client.walk(0, 1, &[&format!("new{n}")]).unwrap();
        assert_eq!(client.getattr(1).unwrap().size, 3);
        client.clunk(1).unwrap();
    }
}

#[test]
fn an_attribute_is_set_whole_though_nothing_was_waited_for() {
    let mut client = Served::memory().session();
    client.walk(0, 1, &[]).unwrap();
    client.lcreate(1, "f", 2, 0o644).unwrap();
    for round in 0..100_u32 {
        let value = [round as u8; 3000];
        client.walk(0, 2, &["f"]).unwrap();
        let mut frames = Frames::new();
        frames.add(
            1,
            Txattrcreate {
                fid: 2,
                name: b"user.x",
                size: 3000,
                flags: XattrFlags::empty(),
            },
        );
        for (tag, offset) in [(2, 0), (3, 1000), (4, 2000)] {
            let write = Twrite {
                fid: 2,
                offset,
                count: 1000,
            };
            frames.add_with(tag, write, &value[..1000]);
        }
        frames.add(5, Tclunk { fid: 2 });
        client.send_frames(&frames);
        for reply in client.receive_many(5) {
            reply.result().unwrap();
        }
        assert_eq!(client.xattrwalk(1, 3, "user.x"), Ok(3000));
        assert_eq!(client.read(3, 0, 4096).unwrap(), value);
        client.clunk(3).unwrap();
    }
}
