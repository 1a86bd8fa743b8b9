//! Runs of zeros in what was read, which become holes.

use std::ops::Range;

/// Holes begin and end at multiples of this.
pub(super) const BLOCK: usize = 4096;
/// A run of zeros is a hole from this length on.
pub(super) const HOLE: usize = 64 << 10;

/// Tells the stretches of `buf` that have to be written. `shortest` is how many bytes of zeros
/// make a hole; a run at the start or end of `buf` is one however short, if the file goes on
/// there with what is read separately.
pub(super) fn stretches(
    buf: &[u8],
    shortest: usize,
    (goes_on_before, goes_on_after): (bool, bool),
    mut write: impl FnMut(Range<usize>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut written = 0;
    let mut zeros: Option<usize> = None;
    let blocks = buf.chunks(BLOCK).enumerate();
    for (number, block) in blocks {
        let at = number * BLOCK;
        if is_zero(block) {
            zeros.get_or_insert(at);
            continue;
        }
        if let Some(start) = zeros.take() {
            let open = start == 0 && goes_on_before;
            if open || at - start >= shortest {
                if written < start {
                    write(written..start)?;
                }
                written = at;
            }
        }
    }
    let mut end = buf.len();
    // A block that the file's end cuts short takes as much of the disk.
    let blocks = |from: usize| (end - from).next_multiple_of(BLOCK);
    if let Some(start) = zeros
        && (goes_on_after || start == 0 && goes_on_before || blocks(start) >= shortest)
    {
        end = start;
    }
    if written < end {
        write(written..end)?;
    }
    Ok(())
}

fn is_zero(block: &[u8]) -> bool {
    let (words, rest) = block.as_chunks::<16>();
    // Most blocks are decided by their beginning.
    words.chunks(16).all(|words| {
        let any = words
            .iter()
            .fold(0, |any, word| any | u128::from_ne_bytes(*word));
        any == 0
    }) && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "they are lists of ranges")]
mod tests {
    use super::*;

    fn found(buf: &[u8], shortest: usize, edges: (bool, bool)) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        stretches(buf, shortest, edges, |range| {
            found.push(range);
            Ok(())
        })
        .unwrap();
        found
    }

    fn buf(len: usize, data: &[Range<usize>]) -> Vec<u8> {
        let mut buf = vec![0; len];
        for range in data {
            buf[range.clone()].fill(7);
        }
        buf
    }

    const ALONE: (bool, bool) = (false, false);

    #[test]
    fn data_is_written_whole() {
        let all = buf(10_000, &[0..10_000]);
        assert_eq!(found(&all, HOLE, ALONE), vec![0..10_000]);
        assert_eq!(found(&[], HOLE, (true, true)), vec![]);
    }

    #[test]
    fn long_runs_are_left_out_and_short_ones_are_not() {
        let data = buf(1 << 20, &[100..200, 60_000..60_001, 500_000..500_001]);
        let holes = found(&data, HOLE, ALONE);
        assert_eq!(holes, vec![0..61_440, 499_712..503_808]);
        let apart = found(&data, BLOCK, ALONE);
        assert_eq!(apart, vec![0..4096, 57_344..61_440, 499_712..503_808]);
    }

    #[test]
    fn a_run_at_an_edge_counts_if_the_file_goes_on_there() {
        let data = buf(3 * BLOCK + 5, &[BLOCK..BLOCK + 1]);
        assert_eq!(found(&data, HOLE, ALONE), vec![0..data.len()]);
        assert_eq!(found(&data, HOLE, (true, false)), vec![BLOCK..data.len()]);
        assert_eq!(found(&data, HOLE, (true, true)), vec![BLOCK..2 * BLOCK]);
        let zeros = buf(BLOCK, &[]);
        assert_eq!(found(&zeros, HOLE, ALONE), vec![0..BLOCK]);
        assert_eq!(found(&zeros, HOLE, (false, true)), vec![]);
    }

    #[test]
    fn a_last_block_that_is_short_is_a_block() {
        let data = buf(BLOCK + 57, &[0..1]);
        assert_eq!(found(&data, BLOCK, ALONE), vec![0..BLOCK]);
        assert_eq!(found(&data, HOLE, ALONE), vec![0..data.len()]);
    }

    #[test]
    fn a_single_byte_anywhere_in_a_block_is_seen() {
        for at in [0, 1, 255, 256, 4000, 4095] {
            let data = buf(BLOCK, &[at..at + 1]);
            assert_eq!(found(&data, BLOCK, (true, true)), vec![0..BLOCK], "{at}");
        }
    }
}
