//! Which bytes of a file are locked, and by whom.

use crate::{Errno, LockHolder, LockKind, LockRange};

/// The most records of one file; a lock that would need more answers `ENOLCK`.
const MAX_RECORDS: usize = 4096;

/// The locks of one file. Those of an owner never overlap, and touch only if they differ in kind.
#[derive(Debug, Default)]
pub(super) struct LockTable {
    held: Vec<Held>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    owner: u64,
    kind: LockKind,
    range: LockRange,
}

impl LockTable {
    /// Takes, changes or releases a range; `false` if another owner is in the way.
    pub(super) fn set(
        &mut self,
        owner: u64,
        kind: LockKind,
        range: LockRange,
    ) -> Result<bool, Errno> {
        check(range)?;
        if self.test(owner, kind, range)?.is_some() {
            return Ok(false);
        }
        let mut whole = range;
        let mut held = Vec::with_capacity(self.held.len() + 2);
        for &old in &self.held {
            if old.owner != owner || !touch(old.range, range) {
                held.push(old);
            } else if old.kind == kind {
                whole.start = whole.start.min(old.range.start);
                whole.last = whole.last.max(old.range.last);
            } else {
                let left = before(old.range, range).into_iter();
                held.extend(
                    left.chain(behind(old.range, range))
                        .map(|range| Held { range, ..old }),
                );
            }
        }
        if kind != LockKind::Unlock {
            held.push(Held {
                owner,
                kind,
                range: whole,
            });
        }
        if held.len() > MAX_RECORDS.max(self.held.len()) {
            return Err(Errno::ENOLCK);
        }
        self.held = held;
        Ok(true)
    }

    /// The first lock in the way of this one.
    pub(super) fn test(
        &self,
        owner: u64,
        kind: LockKind,
        range: LockRange,
    ) -> Result<Option<LockHolder>, Errno> {
        check(range)?;
        let in_the_way = self.held.iter().filter(|held| {
            held.owner != owner && overlap(held.range, range) && exclude(held.kind, kind)
        });
        let first = in_the_way.min_by_key(|held| held.range.start);
        Ok(first.map(|held| LockHolder {
            kind: held.kind,
            range: held.range,
            pid: None,
        }))
    }

    /// Releases all that an owner holds.
    pub(super) fn forget(&mut self, owner: u64) {
        self.held.retain(|held| held.owner != owner);
    }
}

fn check(range: LockRange) -> Result<(), Errno> {
    if range.start > range.last || range.last > LockRange::MAX {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

fn exclude(held: LockKind, wanted: LockKind) -> bool {
    wanted != LockKind::Unlock && (held == LockKind::Write || wanted == LockKind::Write)
}

fn overlap(a: LockRange, b: LockRange) -> bool {
    a.start <= b.last && b.start <= a.last
}

/// Whether they overlap or lie side by side.
fn touch(a: LockRange, b: LockRange) -> bool {
    a.start <= b.last.saturating_add(1) && b.start <= a.last.saturating_add(1)
}

/// What of `range` lies before `cut`.
fn before(range: LockRange, cut: LockRange) -> Option<LockRange> {
    (range.start < cut.start).then(|| LockRange {
        start: range.start,
        last: range.last.min(cut.start - 1),
    })
}

/// What of `range` lies behind `cut`.
fn behind(range: LockRange, cut: LockRange) -> Option<LockRange> {
    (range.last > cut.last).then(|| LockRange {
        start: range.start.max(cut.last + 1),
        last: range.last,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u64 = 1;
    const B: u64 = 2;

    fn range(start: u64, last: u64) -> LockRange {
        LockRange { start, last }
    }

    /// What `owner` holds, by start.
    fn held(table: &LockTable, owner: u64) -> Vec<(u64, u64, LockKind)> {
        let mut of: Vec<_> = table
            .held
            .iter()
            .filter(|held| held.owner == owner)
            .map(|held| (held.range.start, held.range.last, held.kind))
            .collect();
        of.sort_by_key(|held| held.0);
        of
    }

    #[test]
    fn a_release_in_the_middle_splits() {
        let mut table = LockTable::default();
        assert_eq!(table.set(A, LockKind::Write, LockRange::WHOLE), Ok(true));
        assert_eq!(table.set(A, LockKind::Unlock, range(10, 19)), Ok(true));
        assert_eq!(
            held(&table, A),
            [
                (0, 9, LockKind::Write),
                (20, LockRange::MAX, LockKind::Write)
            ]
        );
        assert_eq!(table.set(B, LockKind::Write, range(10, 19)), Ok(true));
        assert_eq!(table.set(B, LockKind::Read, range(9, 9)), Ok(false));
        assert_eq!(table.set(B, LockKind::Read, range(20, 20)), Ok(false));
    }

    #[test]
    fn neighbours_of_one_kind_become_one() {
        let mut table = LockTable::default();
        for (start, last) in [(0, 4), (10, 14), (5, 9)] {
            assert_eq!(table.set(A, LockKind::Read, range(start, last)), Ok(true));
        }
        assert_eq!(held(&table, A), [(0, 14, LockKind::Read)]);
        assert_eq!(table.set(A, LockKind::Write, range(15, 20)), Ok(true));
        assert_eq!(held(&table, A).len(), 2);
    }

    #[test]
    fn an_upgrade_of_a_part_keeps_the_rest() {
        let mut table = LockTable::default();
        assert_eq!(table.set(A, LockKind::Read, range(0, 9)), Ok(true));
        assert_eq!(table.set(A, LockKind::Write, range(3, 5)), Ok(true));
        assert_eq!(
            held(&table, A),
            [
                (0, 2, LockKind::Read),
                (3, 5, LockKind::Write),
                (6, 9, LockKind::Read)
            ]
        );
        assert_eq!(table.set(B, LockKind::Read, range(0, 2)), Ok(true));
        assert_eq!(table.set(A, LockKind::Write, range(0, 9)), Ok(false));
        assert_eq!(held(&table, A).len(), 3);
    }

    #[test]
    fn the_first_lock_in_the_way_is_named() {
        let mut table = LockTable::default();
        assert_eq!(table.set(A, LockKind::Write, range(50, 59)), Ok(true));
        assert_eq!(table.set(A, LockKind::Read, range(5, 9)), Ok(true));
        let found = table.test(B, LockKind::Write, LockRange::WHOLE).unwrap();
        assert_eq!(found.map(|held| held.range), Some(range(5, 9)));
        let found = table.test(B, LockKind::Read, LockRange::WHOLE).unwrap();
        assert_eq!(found.map(|held| held.range), Some(range(50, 59)));
        assert_eq!(table.test(A, LockKind::Write, LockRange::WHOLE), Ok(None));
    }

    #[test]
    fn records_are_bounded_and_a_release_is_still_possible() {
        let mut table = LockTable::default();
        for at in 0..MAX_RECORDS as u64 {
            assert_eq!(
                table.set(A, LockKind::Read, range(at * 4, at * 4 + 2)),
                Ok(true)
            );
        }
        let far = range(1 << 40, 1 << 41);
        assert_eq!(table.set(A, LockKind::Read, far), Err(Errno::ENOLCK));
        assert_eq!(
            table.set(A, LockKind::Unlock, range(1, 1)),
            Err(Errno::ENOLCK)
        );
        assert_eq!(table.set(A, LockKind::Unlock, LockRange::WHOLE), Ok(true));
        assert!(table.held.is_empty());
    }

    #[test]
    fn a_range_that_is_none_is_refused() {
        let mut table = LockTable::default();
        for bad in [range(2, 1), range(0, u64::MAX)] {
            assert_eq!(table.set(A, LockKind::Read, bad), Err(Errno::EINVAL));
        }
    }
}
