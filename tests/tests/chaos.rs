//! Random requests, flushes and versions on a file system that is slow in every way: every tag is
//! answered as often as it must be, and in the order that it must be.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use virtfs_proto::{NOTAG, Tflush, Tversion, kind};
use virtfs_tests::{Frames, Hooked, Model, Raw, Rng, Served, Tree};
use virtfs_vfs::synth::{File, Synth};
use virtfs_vfs::{Cx, Errno};

/// Sometimes waits, announced or not, interruptible or not.
fn dawdle(number: u64, cx: &Cx<'_>) -> Result<(), Errno> {
    let mut rng = Rng::new(number);
    let how = rng.below(10);
    if how < 5 {
        return Ok(());
    }
    if how.is_multiple_of(2) {
        cx.about_to_block();
    }
    let until = Instant::now() + Duration::from_micros(rng.below(1500));
    while Instant::now() < until {
        if how != 5 && cx.interrupted() {
            return Err(Errno::EINTR);
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    Ok(())
}

fn served() -> Served {
    let synth = Tree::files().fold(Synth::new(), |synth, (path, content)| {
        synth.file(path, File::bytes(content))
    });
    let calls = AtomicU64::new(0);
    Served::fs(Hooked::new(synth, move |_, cx| {
        dawdle(calls.fetch_add(1, Ordering::Relaxed), cx)
    }))
}

/// Requests of the model, with flushes strewn in: which tag each flush names.
fn strewn(rng: &mut Rng) -> (Frames, HashSet<u16>, HashMap<u16, u16>) {
    let (mut frames, mut model) = (Frames::new(), Model::new());
    let mut flushes = HashMap::new();
    let mut count: u16 = 0;
    for flush in 1000..1000 + 8 + rng.index(30) as u16 {
        // One at least, so that a flush names what was sent before it.
        for _ in 0..1 + rng.index(4) {
            let burst = model.burst(rng, 5, &mut frames, count);
            count += burst.len() as u16;
        }
        let flushed_before = flushes.len() as u16;
        let oldtag = match rng.below(8) {
            0 if flushed_before > 0 => 1000 + rng.below(flushed_before.into()) as u16,
            _ => count - 1 - rng.below(count.min(6).into()) as u16,
        };
        frames.add(flush, Tflush { oldtag });
        flushes.insert(flush, oldtag);
    }
    (frames, (0..count).collect(), flushes)
}

/// Reads until nothing is owed any more.
fn settle(client: &mut Raw, mut owed: HashSet<u16>, flushes: &HashMap<u16, u16>, what: &str) {
    let mut unanswered: HashSet<u16> = flushes.keys().copied().collect();
    while !(owed.is_empty() && unanswered.is_empty()) {
        let reply = client.receive();
        if let Some(oldtag) = flushes.get(&reply.tag) {
            assert_eq!(reply.kind, kind::RFLUSH, "{what}");
            assert!(
                unanswered.remove(&reply.tag),
                "{what}: two answers to a flush"
            );
            // Whatever it was, its tag is free now: nothing may come for it.
            owed.remove(oldtag);
            assert!(
                !unanswered.contains(oldtag),
                "{what}: before the flush that it names"
            );
        } else {
            assert!(
                owed.remove(&reply.tag),
                "{what}: tag {} too late or twice",
                reply.tag
            );
        }
    }
}

#[test]
fn flushes_strewn_at_random_leave_nothing_owed() {
    let served = served();
    for seed in 0..150 {
        let mut client = served.session();
        let (frames, owed, flushes) = strewn(&mut Rng::new(seed));
        client.send_frames(&frames);
        settle(&mut client, owed, &flushes, &format!("seed {seed}"));
        assert_eq!(client.flush(7), Ok(()), "nothing else comes");
    }
}

#[test]
fn a_version_in_the_middle_ends_all_that() {
    let served = served();
    let mut client = served.session();
    for seed in 0..80 {
        let (frames, ..) = strewn(&mut Rng::new(1000 + seed));
        client.send_frames(&frames);
        let version = b"9P2000.L";
        client.send(
            NOTAG,
            Tversion {
                msize: 65536,
                version,
            },
        );
        while client.receive().kind != kind::RVERSION {}
        let reply = client.call(Tflush { oldtag: 3 });
        assert_eq!(reply.kind, kind::RFLUSH, "seed {seed}");
        client.attach(0, "").unwrap();
    }
}

#[test]
fn a_hang_up_in_the_middle_ends_all_that() {
    let served = served();
    for seed in 0..80 {
        let (mut client, handle) = served.session_with_handle();
        let (frames, ..) = strewn(&mut Rng::new(2000 + seed));
        client.send_frames(&frames);
        drop(client);
        handle.wait();
    }
}
