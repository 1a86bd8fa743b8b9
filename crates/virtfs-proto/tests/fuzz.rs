//! A mutation fuzzer that needs nothing but `cargo test`: changed messages never make the decoder
//! panic, and what still decodes encodes to the same bytes.
//!
//! It runs for a second from a fixed seed, or for `VIRTFS_FUZZ_SECONDS` from a new one. The seed is
//! printed, also with every failure; `VIRTFS_FUZZ_SEED` repeats it. It starts from one message of
//! each kind and from the files in `fuzz/corpus`, each the head of one message.

mod common;

use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant, SystemTime};

use virtfs_proto::{Dialect, DirEntries, Header, Names, Stats, Tmessage, head_len};

/// The fixed seed, chosen without a thought.
const SEED: u64 = 0x9b20_00d0_4c75_0075;

#[test]
fn mutated_messages_are_decoded_faithfully_or_refused() {
    let seconds = number("VIRTFS_FUZZ_SECONDS");
    let seed = number("VIRTFS_FUZZ_SEED").unwrap_or_else(|| match seconds {
        Some(_) => SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(SEED, |now| now.as_nanos() as u64),
        None => SEED,
    });
    println!("VIRTFS_FUZZ_SEED={seed}");

    let mut corpus = corpus();
    let mut random = Random(seed);
    let mut buf = vec![0; 1 << 17];
    let (mut runs, mut decoded) = (0u64, 0u64);
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(1));
    loop {
        for _ in 0..256 {
            let head = mutate(&corpus, &mut random);
            let dialect = Dialect::ALL[random.below(3)];
            let check = || check(dialect, &head, &mut buf);
            match catch_unwind(AssertUnwindSafe(check)) {
                // What still decodes is a step towards what no message of the corpus is.
                Ok(true) => {
                    decoded += 1;
                    if corpus.len() < 4096 && random.below(64) == 0 {
                        corpus.push(head);
                    }
                }
                Ok(false) => {}
                Err(panic) => {
                    eprintln!("VIRTFS_FUZZ_SEED={seed}, run {runs}: {dialect:?} {head:02x?}");
                    resume_unwind(panic);
                }
            }
            runs += 1;
        }
        if Instant::now() >= end {
            break;
        }
    }
    println!("{runs} messages, of which {decoded} decoded");
    assert!(decoded > 0, "the fuzzer only made garbage");
}

fn check(dialect: Dialect, head: &[u8], buf: &mut [u8]) -> bool {
    assert!(DirEntries::new(head).count() <= head.len());
    assert!(Stats::new(dialect, head).count() <= head.len());
    if let Ok(header) = Header::decode(head) {
        assert_eq!(header.encode(), head[..7]);
        assert!(head_len(header.kind, header.size) <= header.size);
    }
    if let Ok((_, Tmessage::Walk(walk))) = Tmessage::decode(dialect, head) {
        let names: Vec<&[u8]> = walk.names.iter().collect();
        assert_eq!(names.len(), walk.names.len());
        assert_eq!(Names::from_slice(&names), walk.names);
    }
    common::decodes_and_encodes_back(dialect, head, buf)
}

/// One head of each kind, and the files of `fuzz/corpus`.
fn corpus() -> Vec<Vec<u8>> {
    let mut corpus: Vec<Vec<u8>> = common::heads().into_iter().map(|(_, head)| head).collect();
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
    if let Ok(entries) = fs::read_dir(directory) {
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        corpus.extend(paths.iter().map(|path| fs::read(path).unwrap()));
    }
    corpus
}

/// A message of the corpus with some changes.
fn mutate(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut head = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(head.len() + 1);
        match random.below(8) {
            0 => head.truncate(at),
            1 => head.insert(at, random.next() as u8),
            2 => drop(head.drain(at..(at + random.below(9)).min(head.len()))),
            3 => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                head.truncate(at);
                head.extend(&other[from..]);
            }
            4 => {
                // Lengths and counts break at their edges.
                let edges = [0, 1, 0x7f, 0x80, 0xff, 0xfffe, 0xffff];
                let value = (edges[random.below(edges.len())] as u16).to_le_bytes();
                head.iter_mut()
                    .skip(at)
                    .zip(value)
                    .for_each(|(byte, value)| *byte = value);
            }
            5 => {
                if let Some(kind) = head.get_mut(4) {
                    *kind = random.next() as u8;
                }
            }
            6 => {
                if let Some(byte) = head.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            _ => {
                if let Some(byte) = head.get_mut(at) {
                    *byte = random.next() as u8;
                }
            }
        }
    }
    head.truncate(1 << 16);
    // A size that is right leads past the first check.
    if head.len() >= 7 && head_len(head[4], u32::MAX) == u32::MAX && random.below(8) != 0 {
        let size = head.len() as u32;
        head[..4].copy_from_slice(&size.to_le_bytes());
    }
    head
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {value}")),
    )
}

/// SplitMix64, a public-domain generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
