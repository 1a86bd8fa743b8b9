//! The bytes of a regular file: pages, and holes where nothing was written.

use std::collections::BTreeMap;

use super::budget::Budget;
use crate::Errno;

/// Bytes in a page, the unit in which memory is used.
pub(super) const PAGE: usize = 4096;

/// The longest file, as on Linux.
pub(super) const MAX_SIZE: u64 = i64::MAX as u64;

#[derive(Debug, Default)]
pub(super) struct Bytes {
    size: u64,
    /// By number. What a page holds beyond the size is zero.
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
}

impl Bytes {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn pages(&self) -> u64 {
        self.pages.len() as u64
    }

    /// What lies from `offset` on, at most `count` bytes; empty at the end.
    pub(super) fn read(&self, offset: u64, count: usize) -> Vec<u8> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut out = Vec::new();
        for span in spans(offset, left.min(count)) {
            match self.pages.get(&span.page) {
                Some(page) => out.extend_from_slice(&page[span.from..span.to]),
                None => out.resize(out.len() + (span.to - span.from), 0),
            }
        }
        out
    }

    /// Writes as many of the bytes as there is memory for: at least one, if there are any.
    pub(super) fn write(
        &mut self,
        offset: u64,
        bytes: &[u8],
        budget: &mut Budget,
    ) -> Result<usize, Errno> {
        let Some(room) = MAX_SIZE.checked_sub(offset).filter(|&room| room > 0) else {
            return Err(Errno::EFBIG);
        };
        let count = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        let mut rest = bytes;
        for span in spans(offset, count) {
            let page = match self.pages.get_mut(&span.page) {
                Some(page) => page,
                None => match budget.charge(PAGE as u64) {
                    Ok(()) => self.pages.entry(span.page).or_insert(Box::new([0; PAGE])),
                    Err(error) if rest.len() == bytes.len() => return Err(error),
                    Err(_) => break,
                },
            };
            let (now, later) = rest.split_at(span.to - span.from);
            page[span.from..span.to].copy_from_slice(now);
            rest = later;
        }
        let written = bytes.len() - rest.len();
        if written > 0 {
            self.size = self.size.max(offset + written as u64);
        }
        Ok(written)
    }

    /// Cuts or extends by a hole.
    pub(super) fn resize(&mut self, size: u64, budget: &mut Budget) {
        if size < self.size {
            let whole = size.div_ceil(PAGE as u64);
            let cut = self.pages.split_off(&whole);
            budget.refund(cut.len() as u64 * PAGE as u64);
            let kept = (size % PAGE as u64) as usize;
            if kept > 0
                && let Some(last) = self.pages.get_mut(&(size / PAGE as u64))
            {
                last[kept..].fill(0);
            }
        }
        self.size = size;
    }
}

/// A part of a page, not empty.
struct Span {
    page: u64,
    from: usize,
    to: usize,
}

/// The parts of pages that lie between `offset` and `offset + count`.
fn spans(offset: u64, count: usize) -> impl Iterator<Item = Span> {
    let end = offset.saturating_add(count as u64);
    let mut at = offset;
    std::iter::from_fn(move || {
        (at < end).then(|| {
            let from = (at % PAGE as u64) as usize;
            let to = PAGE.min(from.saturating_add(usize::try_from(end - at).unwrap_or(PAGE)));
            let page = at / PAGE as u64;
            at += (to - from) as u64;
            Span { page, from, to }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_reads_as_zeros_and_uses_nothing() {
        let mut budget = Budget::new(1 << 20);
        let mut bytes = Bytes::default();
        assert_eq!(bytes.write(3 * PAGE as u64 - 1, b"ab", &mut budget), Ok(2));
        assert_eq!(bytes.pages(), 2);
        assert_eq!(budget.free(), (1 << 20) - 2 * PAGE as u64);
        assert_eq!(bytes.read(3 * PAGE as u64 - 3, 10), b"\0\0ab");
    }

    #[test]
    fn what_was_cut_off_does_not_come_back() {
        let mut budget = Budget::new(1 << 20);
        let mut bytes = Bytes::default();
        bytes.write(0, &[7; 2 * PAGE], &mut budget).unwrap();
        bytes.resize(10, &mut budget);
        bytes.resize(PAGE as u64 * 2, &mut budget);
        assert_eq!(bytes.pages(), 1);
        assert!(bytes.read(10, 2 * PAGE).iter().all(|&b| b == 0));
        assert_eq!(budget.free(), (1 << 20) - PAGE as u64);
    }

    #[test]
    fn a_write_ends_where_memory_does() {
        let mut budget = Budget::new(PAGE as u64);
        let mut bytes = Bytes::default();
        assert_eq!(bytes.write(1, &[7; 2 * PAGE], &mut budget), Ok(PAGE - 1));
        assert_eq!(
            bytes.write(PAGE as u64, b"x", &mut budget),
            Err(Errno::ENOSPC)
        );
        assert_eq!(bytes.size(), PAGE as u64);
    }

    #[test]
    fn a_write_ends_where_files_do() {
        let mut budget = Budget::new(1 << 20);
        let mut bytes = Bytes::default();
        assert_eq!(bytes.write(MAX_SIZE - 1, b"xy", &mut budget), Ok(1));
        for past in [MAX_SIZE, u64::MAX] {
            assert_eq!(bytes.write(past, b"x", &mut budget), Err(Errno::EFBIG));
        }
        assert_eq!(bytes.read(u64::MAX, 5), b"");
    }
}
