//! Random pipelined requests, flushes and endings: every request is answered or flushed, in
//! order, and nothing is left. `VIRTFS_STORM_SEEDS` runs more than the usual few.

mod common;

use std::collections::HashMap;
use std::sync::atomic::Ordering::SeqCst;

use common::*;
use virtfs_server::Limits;

/// xorshift64*: the same requests for the same seed.
struct Rng(u64);

impl Rng {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

#[test]
fn every_request_of_a_storm_is_answered_or_flushed_and_nothing_is_left() {
    let seeds = std::env::var("VIRTFS_STORM_SEEDS").ok();
    let seeds = seeds.and_then(|seeds| seeds.parse().ok()).unwrap_or(60);
    for seed in 1..=seeds {
        within_a_minute(move || storm(seed));
    }
}

/// What is sent and not yet done: the kind, and for a flush what it is to flush.
type Sent = HashMap<u16, (u8, u16)>;

fn storm(seed: u64) {
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut limits = Limits::default();
    limits.requests = 4 + rng.below(60) as usize;
    let (server, gates) = server(limits);
    let (mut client, handle) = Client::new(&server);
    let mut sent = Sent::new();
    let mut next = 10u16;
    for _ in 0..40 {
        let mut frames = Vec::new();
        for _ in 0..1 + rng.below(20) {
            let fid = rng.below(6) as u32;
            let tag = next;
            next += 1;
            let (frame, old) = match rng.below(16) {
                0..5 => {
                    let names = [
                        &["nap"][..],
                        &["doze"],
                        &[],
                        &["a", "nap"],
                        &["a", "no"],
                        &["no"],
                    ];
                    let names = names[rng.below(6) as usize];
                    (walk(tag, fid, rng.below(6) as u32, names), 0)
                }
                5 => (open(tag, fid), 0),
                6 => (read(tag, fid, rng.below(100_000) as u32), 0),
                7..9 => (getattr(tag, fid), 0),
                9..12 => (clunk(tag, fid), 0),
                12 => (attach(tag, fid), 0),
                _ => {
                    let old = next - 1 - rng.below(12).min(u64::from(next) - 10) as u16;
                    (flush(tag, old), old)
                }
            };
            sent.insert(tag, (frame[4], old));
            frames.extend(frame);
        }
        client.send(&frames);
        // Sometimes all that is due is waited for, sometimes one reply.
        let wait = match rng.below(3) {
            0 => sent.len(),
            _ => rng.below(4) as usize,
        };
        for _ in 0..wait {
            if sent.is_empty() {
                break;
            }
            settle(&mut client, &mut sent, seed);
        }
    }
    match rng.below(4) {
        0 => handle.abort(),
        1 => drop(client),
        2 => {
            while !sent.is_empty() {
                settle(&mut client, &mut sent, seed);
            }
            client.send(&[version(), attach(1, 0)].concat());
            assert_eq!([client.receive().0, client.receive().0], [101, 105]);
            client.send(&[3, 0, 0, 0, 0, 0, 0]);
            assert_eq!(client.try_receive(), None);
        }
        _ => {
            client.0.shutdown(std::net::Shutdown::Write).unwrap();
            while client.try_receive().is_some() {}
        }
    }
    handle.wait();
    assert_eq!(gates.live.load(SeqCst), 0, "seed {seed}");
}

/// Takes a reply, and what it settles out of what was sent.
fn settle(client: &mut Client, sent: &mut Sent, seed: u64) {
    let (kind, tag) = client.receive();
    let Some((asked, old)) = sent.remove(&tag) else {
        panic!("seed {seed}: a second reply, or one after its flush, to tag {tag}");
    };
    assert!(
        kind == asked + 1 || kind == 7,
        "seed {seed}: {kind} answers {asked}"
    );
    if asked == 108 {
        assert_eq!(kind, 109);
        // No reply may follow to what it flushed, nor to a flush of that.
        if let Some((flushed, _)) = sent.get(&old)
            && *flushed != 108
        {
            sent.remove(&old);
        }
    }
}
