//! The ranges that one owner holds of a file, as `fcntl` cuts and joins them.

use virtfs_vfs::{LockKind, LockRange};

use super::OpenId;

/// A range that an owner holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub(super) range: LockRange,
    pub(super) kind: LockKind,
    /// The fid that it was taken through.
    pub(super) open: OpenId,
}

impl Record {
    /// Whether this keeps another owner from taking a range; `whole`: the file has but one.
    pub(super) fn excludes(&self, kind: LockKind, range: LockRange, whole: bool) -> bool {
        (whole || overlap(self.range, range)) && self.conflicts(kind)
    }

    /// Whether one of the two is exclusive.
    pub(super) fn conflicts(&self, kind: LockKind) -> bool {
        kind == LockKind::Write || self.kind == LockKind::Write
    }

    /// Which lock it is, whoever took it.
    pub(super) fn what(&self) -> (LockRange, LockKind) {
        (self.range, self.kind)
    }
}

pub(super) fn overlap(a: LockRange, b: LockRange) -> bool {
    a.start <= b.last && b.start <= a.last
}

/// Puts a record over what was in its range: neighbours are cut, an unlock leaves a gap.
pub(super) fn put(records: &mut Vec<Record>, new: Record) {
    let mut after = Vec::with_capacity(records.len() + 2);
    for old in records.drain(..) {
        if !overlap(old.range, new.range) {
            after.push(old);
            continue;
        }
        if old.range.start < new.range.start {
            let range = LockRange {
                start: old.range.start,
                last: new.range.start - 1,
            };
            after.push(Record { range, ..old });
        }
        if old.range.last > new.range.last {
            let range = LockRange {
                start: new.range.last + 1,
                last: old.range.last,
            };
            after.push(Record { range, ..old });
        }
    }
    if new.kind != LockKind::Unlock {
        after.push(new);
    }
    after.sort_by_key(|record| record.range.start);
    // Neighbours of one kind, taken through one fid, are one.
    for record in after {
        match records.last_mut() {
            Some(last)
                if last.kind == record.kind
                    && last.open == record.open
                    && last.range.last.checked_add(1) == Some(record.range.start) =>
            {
                last.range.last = record.range.last;
            }
            _ => records.push(record),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(start: u64, last: u64, kind: LockKind, open: OpenId) -> Record {
        Record {
            range: LockRange { start, last },
            kind,
            open,
        }
    }

    #[test]
    fn a_lock_in_the_middle_splits_what_was_there() {
        let (a, b) = (OpenId::new(), OpenId::new());
        let mut records = vec![record(0, 99, LockKind::Read, a)];
        put(&mut records, record(10, 19, LockKind::Write, b));
        assert_eq!(
            records,
            [
                record(0, 9, LockKind::Read, a),
                record(10, 19, LockKind::Write, b),
                record(20, 99, LockKind::Read, a),
            ]
        );
        put(&mut records, record(5, 24, LockKind::Unlock, a));
        assert_eq!(
            records,
            [
                record(0, 4, LockKind::Read, a),
                record(25, 99, LockKind::Read, a)
            ]
        );
        put(&mut records, record(5, 24, LockKind::Read, a));
        assert_eq!(records, [record(0, 99, LockKind::Read, a)]);
        put(&mut records, record(0, LockRange::MAX, LockKind::Unlock, a));
        assert_eq!(records, []);
    }
}
