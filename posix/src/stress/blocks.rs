//! Blocks that tell whether they are where they were written, and whole: each names its file, its
//! place and its write, and the rest follows from these.

use crate::rng::Rng;

pub(crate) const BLOCK: usize = 512;

/// The blocks of a write at `offset`, a multiple of [`BLOCK`], of file number `file`.
pub(crate) fn make(file: u64, offset: u64, count: u64, write: u64) -> Vec<u8> {
    let first = offset / BLOCK as u64;
    (first..first + count)
        .flat_map(|place| block(file, place, write))
        .collect()
}

/// What is wrong with bytes read at `offset`, a multiple of [`BLOCK`]: each block must be one that
/// was written there, up to any byte (a truncation), and zeros from there on.
pub(crate) fn check(file: u64, offset: u64, bytes: &[u8]) -> Option<String> {
    let first = offset / BLOCK as u64;
    for (place, found) in (first..).zip(bytes.chunks(BLOCK)) {
        let data = found.len() - found.iter().rev().take_while(|byte| **byte == 0).count();
        if data == 0 {
            continue;
        }
        let field = |at: usize| {
            let bytes = found.get(at..at + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        // If the cut is in the head, all that can be said is which file and place it is of.
        let expected = block(file, place, field(16).unwrap_or_default());
        let known = if data <= 24 { data.min(16) } else { data };
        if found[..known] != expected[..known] {
            return Some(format!(
                "file {file:#x}, block {place}: {data} bytes that say file {:#x}, block {}",
                field(0).unwrap_or_default(),
                field(8).unwrap_or_default()
            ));
        }
    }
    None
}

fn block(file: u64, place: u64, write: u64) -> Vec<u8> {
    let mut bytes = [file, place, write].map(u64::to_le_bytes).concat();
    let mut rng = Rng::new(file ^ place.rotate_left(20) ^ write.rotate_left(40));
    bytes.extend(rng.bytes(BLOCK - bytes.len()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: u64 = 5 * BLOCK as u64;

    #[test]
    fn what_was_written_is_right_wherever_it_is_cut() {
        let bytes = make(7, PLACE, 3, 1);
        for length in 0..bytes.len() {
            assert_eq!(check(7, PLACE, &bytes[..length]), None, "{length}");
            let mut cut = bytes.clone();
            cut[length..].fill(0);
            assert_eq!(check(7, PLACE, &cut), None, "{length}");
        }
    }

    #[test]
    fn another_place_another_file_and_a_changed_byte_are_wrong() {
        let mut bytes = make(7, PLACE, 3, 1);
        assert!(check(7, PLACE + BLOCK as u64, &bytes).is_some());
        assert!(check(8, PLACE, &bytes).is_some());
        bytes[700] ^= 1;
        assert!(check(7, PLACE, &bytes).is_some());
    }

    #[test]
    fn two_writes_of_one_block_mixed_are_wrong() {
        let (a, b) = (make(7, PLACE, 1, 1), make(7, PLACE, 1, 2));
        assert!(check(7, PLACE, &[&a[..256], &b[256..]].concat()).is_some());
    }
}
