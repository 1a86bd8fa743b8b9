//! Requests on one file at the same time, from one client and from many: a fid's state is never
//! changed or freed under somebody's hands. Each race is bounded, and shows that both sides ran.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use virtfs_local::{Containment, LocalFs, Options};
use virtfs_proto::{
    GetattrMask, LopenFlags, Names, Tclunk, Tgetattr, Tlcreate, Trename, Twalk, kind,
};
use virtfs_tests::errno::{EBADF, EINVAL, ENOENT};
use virtfs_tests::{Frames, Raw, Served};

use crate::site::{RDONLY, RDWR, Site, content, gone, options};

/// How long a race goes on.
const LONG: Duration = Duration::from_millis(700);

/// Runs `rounds` in threads of their own until the time is over; each must have come round often.
fn race(rounds: Vec<Box<dyn FnMut(u32) + Send + '_>>) {
    let stop = AtomicBool::new(false);
    let counts: Vec<_> = rounds.iter().map(|_| AtomicU32::new(0)).collect();
    std::thread::scope(|scope| {
        for (mut round, count) in rounds.into_iter().zip(&counts) {
            let stop = &stop;
            scope.spawn(move || {
                // Also when a round panics: the others must end.
                let _stop = StopAll(stop);
                while !stop.load(Ordering::Relaxed) {
                    round(count.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
        let began = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let ran = counts.iter().all(|n| n.load(Ordering::Relaxed) >= 10);
            if ran && began.elapsed() > LONG {
                stop.store(true, Ordering::Relaxed);
            }
            assert!(began.elapsed() < virtfs_tests::PATIENCE, "{counts:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    });
}

struct StopAll<'a>(&'a AtomicBool);

impl Drop for StopAll<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Creates through a fid while its path is read and changed by other requests of the same client,
/// sent in one go. The defect: the fid's path is freed by the create while another reads it.
#[test]
fn cve_2018_19364_a_create_beside_other_requests_on_its_fid() {
    let site = Site::new();
    let served = site.serve();
    let mut client = served.session();
    for round in 0..300 {
        let name = format!("new{round}");
        let mut frames = Frames::new();
        let names = |names| Names::from_slice(names);
        let walk = Twalk {
            fid: 0,
            newfid: 1,
            names: names(&[]),
        };
        let create = Tlcreate {
            fid: 1,
            name: name.as_bytes(),
            flags: LopenFlags::from_bits_retain(RDWR),
            mode: 0o644,
            gid: 0,
        };
        let getattr = Tgetattr {
            fid: 1,
            request_mask: GetattrMask::BASIC,
        };
        let rename = Trename {
            fid: 1,
            dfid: 0,
            name: b"renamed",
        };
        frames.add(0, walk).add(1, getattr).add(2, create);
        for tag in 3..10 {
            frames.add(tag, getattr);
        }
        frames.add(10, rename).add(11, create).add(12, getattr);
        frames.add(13, Tclunk { fid: 1 }).add(14, getattr);
        client.send_frames(&frames);
        let replies = client.receive_many(15);
        let kinds: Vec<_> = replies.iter().map(|reply| reply.kind).collect();
        assert_eq!(kinds[..3], [kind::RWALK, kind::RGETATTR, kind::RLCREATE]);
        // Before the create the fid is the directory, after it the file: nothing in between.
        for (tag, reply) in replies.iter().enumerate() {
            if let virtfs_proto::Rmessage::Getattr(attr) = reply.message() {
                let directory = attr.mode & 0o170_000 == 0o040_000;
                assert_eq!(directory, tag < 2, "tag {tag}");
            }
        }
        assert_eq!(replies[11].ecode(), Some(EINVAL), "a create on an open fid");
        assert!(matches!(replies[14].ecode(), Some(ENOENT | EBADF)));
        assert_eq!(replies[13].kind, kind::RCLUNK);
    }
}

/// A tree `a/0/f`, `a/1/f` … whose files hold the name of their directory.
fn tree(site: &Site) {
    for number in 0..8 {
        site.mkdir(&format!("a/{number}"));
        site.put(&format!("a/{number}/f"), &number.to_string());
    }
}

/// Renames `a` and what is in it, and back.
fn mover(mut mover: Raw) -> Box<dyn FnMut(u32) + Send> {
    mover.walk(0, 1, &["a"]).unwrap();
    Box::new(move |round| {
        let to = if round % 2 == 0 { "b" } else { "a" };
        mover.rename(1, 0, to).unwrap();
        let (from, to) = (round % 8, 100 + round % 8);
        mover
            .renameat((1, &from.to_string()), (1, &to.to_string()))
            .unwrap();
        mover
            .renameat((1, &to.to_string()), (1, &from.to_string()))
            .unwrap();
    })
}

/// Opens and reads through fids below a directory that others rename all the time.
/// `open` says what is done with the fid of `a/N/f`.
fn rename_beside(served: &Served, open: impl Fn(&mut Raw, u32, usize) + Sync) {
    let mut rounds: Vec<Box<dyn FnMut(u32) + Send>> = Vec::new();
    rounds.push(mover(served.session()));
    for _ in 0..2 {
        let mut client = served.session();
        for number in 0..8 {
            let name = number.to_string();
            client.walk(0, 10 + number, &["a", &name, "f"]).unwrap();
        }
        let open = &open;
        rounds.push(Box::new(move |round| {
            let number = round as usize % 8;
            open(&mut client, 10 + number as u32, number);
        }));
    }
    race(rounds);
}

/// The defect: `Twstat` and `Trename` rewrite the paths of all fids below while requests use them.
#[test]
fn cve_2018_19489_renames_beside_requests_on_what_is_below() {
    let site = Site::new();
    tree(&site);
    rename_beside(&site.serve(), |client, fid, number| {
        let attr = client.getattr(fid).unwrap();
        assert_eq!(attr.size, 1);
        assert_eq!(content(client, fid).unwrap(), number.to_string());
    });
}

/// The defect: a path that is changed on one thread is used on another: the fid opens another file,
/// or one outside. Here a second export of the same directory renames as well, as the host does.
#[test]
fn cve_2026_93834_a_fid_is_its_file_whoever_renames() {
    let site = Site::new();
    tree(&site);
    let served = site.serve();
    let fs = options(Containment::Verify);
    let elsewhere = Served::fs(LocalFs::open(site.export(""), fs).unwrap());
    let mut client = served.session();
    client.walk(0, 1, &["a", "0", "f"]).unwrap();
    let mut other = elsewhere.session();
    let wrong = Arc::new(AtomicU32::new(0));
    let seen = wrong.clone();
    race(vec![
        Box::new(move |_| {
            other.renameat((0, "a"), (0, "b")).unwrap();
            other.mkdir(0, "a", 0o755).unwrap();
            other.walk(0, 1, &["a"]).unwrap();
            other.mkdir(1, "0", 0o755).unwrap();
            other.walk(1, 2, &["0"]).unwrap();
            other.put_file(2, 3, "f", b"another");
            other.unlinkat(2, "f", 0).unwrap();
            other.unlinkat(1, "0", 0x200).unwrap();
            other.unlinkat(0, "a", 0x200).unwrap();
            for fid in [1, 2] {
                other.clunk(fid).unwrap();
            }
            other.renameat((0, "b"), (0, "a")).unwrap();
        }),
        Box::new(move |_| match content(&mut client, 1) {
            Ok(content) if content == "0" => {}
            Err(errno) if gone(errno) => {}
            _ => drop(seen.fetch_add(1, Ordering::Relaxed)),
        }),
    ]);
    assert_eq!(wrong.load(Ordering::Relaxed), 0, "another file was read");
}

/// The defect: a listing looks at paths while a rename frees them.
#[test]
fn cve_2026_48004_listings_beside_renames() {
    let site = Site::new();
    tree(&site);
    let served = site.serve();
    let mut rounds: Vec<Box<dyn FnMut(u32) + Send>> = Vec::new();
    for _ in 0..2 {
        let mut client = served.session();
        client.walk(0, 1, &["a"]).unwrap();
        rounds.push(Box::new(move |_| {
            client.walk(1, 2, &[]).unwrap();
            client.lopen(2, RDONLY).unwrap();
            for entry in client.readdir_all(2, 100).unwrap() {
                let name = String::from_utf8(entry.name).unwrap();
                let known = name
                    .parse::<u32>()
                    .is_ok_and(|n| n < 8 || (100..108).contains(&n));
                assert!(known || name == "." || name == "..", "{name}");
            }
            client.clunk(2).unwrap();
        }));
    }
    rounds.push(mover(served.session()));
    race(rounds);
}

/// Descriptors are taken back all the time, while fids are made, used and given up.
/// The defect: who walks the list of fids to take descriptors back meets one that has been freed.
#[test]
fn cve_2021_20181_descriptors_are_taken_back_beside_clunks() {
    let site = Site::new();
    tree(&site);
    let few = Options {
        max_nodes_open: 4,
        max_files_open: 16,
        ..options(Containment::Verify)
    };
    let served = Served::fs(LocalFs::open(site.export(""), few).unwrap());
    let mut rounds: Vec<Box<dyn FnMut(u32) + Send>> = Vec::new();
    for _ in 0..3 {
        let mut client = served.session();
        rounds.push(Box::new(move |round| {
            let all: Vec<_> = (0..8).map(|n| (10 + n, n.to_string())).collect();
            for (fid, name) in &all {
                client.walk(0, *fid, &["a", name, "f"]).unwrap();
                client.lopen(*fid, RDONLY).unwrap();
            }
            for (fid, name) in &all {
                assert_eq!(client.read(*fid, 0, 10).unwrap(), name.as_bytes());
            }
            // In another order, all in one go.
            let mut frames = Frames::new();
            for at in 0..8 {
                let fid = all[(at + round as usize) % 8].0;
                frames.add(at as u16, Tclunk { fid });
            }
            client.send_frames(&frames);
            for reply in client.receive_many(8) {
                assert_eq!(reply.kind, kind::RCLUNK);
            }
        }));
    }
    race(rounds);
}
