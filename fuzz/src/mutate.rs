//! Changes inputs, with an eye for frames: whole frames come, go and change places, numbers break
//! at their edges, and sizes are put right again, so that a change leads past the first check.

use virtfs_tests::Rng;

use crate::frames::{HEADER, ranges};

/// Numbers at which lengths, counts and offsets break.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    7,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_fffe,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];

/// Changes an input that is made of frames behind `head` bytes of its own. `samples` are frames
/// that may be put in, whole; `limit` is the most bytes that it may have then.
pub fn frames(
    input: &mut Vec<u8>,
    head: usize,
    samples: &[Vec<u8>],
    random: &mut Rng,
    limit: usize,
) {
    let at = head.min(input.len());
    let rest = input.split_off(at);
    let mut frames: Vec<Vec<u8>> = ranges(&rest)
        .into_iter()
        .filter_map(|range| rest.get(range).map(<[u8]>::to_vec))
        .collect();
    if !input.is_empty() && random.below(16) == 0 {
        bytes(input, random);
        input.resize(head, 0);
    }
    for _ in 0..=random.below(3) {
        change(&mut frames, samples, random);
    }
    input.extend(frames.into_iter().flatten());
    input.truncate(limit);
}

fn change(frames: &mut Vec<Vec<u8>>, samples: &[Vec<u8>], random: &mut Rng) {
    let sample = |random: &mut Rng| match samples.is_empty() {
        true => Vec::new(),
        false => samples[random.index(samples.len())].clone(),
    };
    if frames.is_empty() {
        frames.push(sample(random));
        return;
    }
    let at = random.index(frames.len());
    match random.below(12) {
        0 => drop(frames.remove(at)),
        1 => frames.insert(at, frames[at].clone()),
        2 => {
            let other = random.index(frames.len());
            frames.swap(at, other);
        }
        3 | 4 => frames.insert(at, sample(random)),
        5 => frames.push(sample(random)),
        6 => {
            // A frame once more, somewhere else.
            let to = random.index(frames.len() + 1);
            frames.insert(to, frames[at].clone());
        }
        // Names and fids of others are those that mean something.
        7 => {
            let other = frames[random.index(frames.len())].clone();
            overlay(&mut frames[at], &other, random);
        }
        _ => {
            let frame = &mut frames[at];
            for _ in 0..=random.below(2) {
                body(frame, random);
            }
            if random.below(16) != 0 {
                put_size(frame);
            }
        }
    }
}

/// Writes a piece of one frame's body into another's, at the same place or elsewhere.
fn overlay(frame: &mut [u8], other: &[u8], random: &mut Rng) {
    if frame.len() <= HEADER || other.len() <= HEADER {
        return;
    }
    let from = HEADER + random.index(other.len() - HEADER);
    let to = match random.below(2) {
        0 => from,
        _ => HEADER + random.index(frame.len() - HEADER),
    };
    let count = [1, 2, 4, 4, 8][random.index(5)];
    for (to, from) in frame.iter_mut().skip(to).zip(&other[from..]).take(count) {
        *to = *from;
    }
}

/// Changes a frame behind its size.
fn body(frame: &mut Vec<u8>, random: &mut Rng) {
    if frame.len() > HEADER && random.below(8) != 0 {
        let mut body = frame.split_off(HEADER);
        bytes(&mut body, random);
        frame.extend(body);
        return;
    }
    let (at, value) = match random.below(3) {
        0 => (4, random.next_u64() as u8),
        1 => (5, random.below(8) as u8),
        _ => (4 + random.index(3), random.next_u64() as u8),
    };
    if let Some(byte) = frame.get_mut(at) {
        *byte = value;
    }
}

/// Makes the size in a frame's header right.
pub fn put_size(frame: &mut [u8]) {
    let size = (frame.len() as u32).to_le_bytes();
    if let Some(to) = frame.first_chunk_mut::<4>() {
        *to = size;
    }
}

/// Changes bytes that have no form.
pub fn bytes(bytes: &mut Vec<u8>, random: &mut Rng) {
    let at = random.index(bytes.len() + 1);
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, random.next_u64() as u8),
        2 => {
            let end = (at + random.index(9)).min(bytes.len());
            bytes.drain(at..end);
        }
        3 => {
            let count = 1 + random.index(8);
            let piece: Vec<u8> = bytes.iter().skip(at).take(count).copied().collect();
            bytes.splice(at..at, piece);
        }
        4 | 5 => {
            let width = [1, 2, 4, 8][random.index(4)];
            let edge = random.pick(&EDGES).to_le_bytes();
            for (to, from) in bytes.iter_mut().skip(at).zip(edge).take(width) {
                *to = from;
            }
        }
        6 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.next_u64() as u8;
            }
        }
    }
}
