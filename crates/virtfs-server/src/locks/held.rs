//! What one owner holds of a file: ranges, as `fcntl` cuts and joins them, and what may be `flock`.
//!
//! A client of Linux sends both in the same words, and where they differ the stricter reading holds:
//! a lock of the whole file may belong to the open file that it was taken through, so that the end
//! of another does not release it. A part can be locked by `fcntl` alone.

use virtfs_vfs::{LockKind, LockRange};

use super::OpenId;
use super::records::{Record, overlap, put};

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Held {
    /// Disjoint, in order.
    pub(super) records: Vec<Record>,
    /// The other fids through which a shared lock of the whole file was taken.
    also: Vec<OpenId>,
    /// Something was asked for that `flock` cannot.
    by_fcntl: bool,
}

impl Held {
    /// How many records it takes.
    pub(super) fn len(&self) -> usize {
        self.records.len() + self.also.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether the host's locks are the same for both.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.records.iter(), other.records.iter());
        ours.map(Record::what).eq(theirs.map(Record::what))
    }

    /// What is held after a change, if it is granted. `by_fcntl`: the client says that it is.
    pub(super) fn changed(&self, new: Record, by_fcntl: bool) -> Self {
        if let Some(old) = self.whole()
            && new.range == LockRange::WHOLE
            && !by_fcntl
            && !self.by_fcntl
        {
            match (old.kind, new.kind) {
                (_, LockKind::Unlock) => return self.without(new.open),
                (LockKind::Read, LockKind::Read) => {
                    let mut with = self.clone();
                    if old.open != new.open && !with.also.contains(&new.open) {
                        with.also.push(new.open);
                    }
                    return with;
                }
                _ => {}
            }
        }
        let mut records = self.records.clone();
        put(&mut records, new);
        // Of two open files of one process, `flock` lets one exclude the other.
        let converted = |old: &Record| old.open != new.open && new.kind != LockKind::Unlock;
        Self {
            by_fcntl: by_fcntl
                || self.by_fcntl
                || new.range != LockRange::WHOLE
                || self.whole().is_some_and(converted),
            records,
            also: Vec::new(),
        }
    }

    /// What is left when a fid ends, or its open file's `flock` does.
    pub(super) fn without(&self, open: OpenId) -> Self {
        let mut left = self.clone();
        left.also.retain(|other| *other != open);
        if let [only] = left.records.as_mut_slice()
            && only.open == open
            && let Some(next) = left.also.pop()
        {
            only.open = next;
        }
        left.records.retain(|record| record.open != open);
        left
    }

    /// Whether this is an open file's `flock`, for all one can see, of another process than the
    /// one that now changes it through that open file.
    pub(super) fn yields_to(&self, new: &Record) -> bool {
        let flock = |held: &Record| held.open == new.open && held.conflicts(new.kind);
        !self.by_fcntl
            && self.also.is_empty()
            && new.range == LockRange::WHOLE
            && self.whole().is_some_and(flock)
    }

    /// Whether a change by this owner can let somebody else in.
    pub(super) fn weakened_by(&self, kind: LockKind, range: LockRange) -> bool {
        self.records.iter().any(|held| {
            overlap(held.range, range)
                && match kind {
                    LockKind::Unlock => true,
                    LockKind::Read => held.kind == LockKind::Write,
                    LockKind::Write => false,
                }
        })
    }

    /// The lock that a file has which can only be locked whole.
    pub(super) fn strongest(&self) -> LockKind {
        if self.records.iter().any(|held| held.kind == LockKind::Write) {
            LockKind::Write
        } else if self.records.is_empty() {
            LockKind::Unlock
        } else {
            LockKind::Read
        }
    }

    /// The least range that has all of it.
    pub(super) fn extent(&self) -> Option<LockRange> {
        let (first, last) = (self.records.first()?, self.records.last()?);
        Some(LockRange {
            start: first.range.start,
            last: last.range.last,
        })
    }

    fn whole(&self) -> Option<&Record> {
        match self.records.as_slice() {
            [only] if only.range == LockRange::WHOLE => Some(only),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(range: LockRange, kind: LockKind, open: OpenId) -> Record {
        Record { range, kind, open }
    }

    fn whole(kind: LockKind, open: OpenId) -> Record {
        record(LockRange::WHOLE, kind, open)
    }

    /// What is held after these changes.
    fn after(changes: impl IntoIterator<Item = Record>) -> Held {
        let change = |held: Held, new| held.changed(new, false);
        changes.into_iter().fold(Held::default(), change)
    }

    #[test]
    fn of_two_shared_locks_of_the_whole_one_stays_when_the_other_goes() {
        let (a, b) = (OpenId::new(), OpenId::new());
        let both = after([whole(LockKind::Read, a), whole(LockKind::Read, b)]);
        assert_eq!(both.len(), 2);
        for (gone, left) in [(a, b), (b, a)] {
            let one = both.changed(whole(LockKind::Unlock, gone), false);
            assert_eq!(one.records, [whole(LockKind::Read, left)]);
            assert_eq!(one, both.without(gone));
            let none = one.changed(whole(LockKind::Unlock, left), false);
            assert!(none.is_empty());
        }
    }

    #[test]
    fn a_lock_of_the_whole_outlives_another_open_file_unless_it_is_fcntl_s() {
        let (a, b) = (OpenId::new(), OpenId::new());
        let held = after([whole(LockKind::Write, a)]);
        let closed = whole(LockKind::Unlock, b);
        assert_eq!(held.changed(closed, false), held);
        assert!(held.changed(closed, true).is_empty());
        // Taken through one and changed through another.
        let changed = held.changed(whole(LockKind::Read, b), false);
        assert!(
            changed
                .changed(whole(LockKind::Unlock, a), false)
                .is_empty()
        );
        // Or in part.
        let part = LockRange { start: 5, last: 9 };
        let cut = held.changed(record(part, LockKind::Unlock, b), false);
        assert_eq!(cut.records.len(), 2);
        assert!(cut.changed(closed, false).is_empty());
    }

    #[test]
    fn a_part_is_released_through_any_open_file() {
        let (a, b) = (OpenId::new(), OpenId::new());
        let part = LockRange { start: 5, last: 9 };
        let held = after([record(part, LockKind::Write, a)]);
        assert!(held.changed(whole(LockKind::Unlock, b), false).is_empty());
        assert_eq!(held.without(b), held);
        assert!(held.without(a).is_empty());
    }

    #[test]
    fn an_open_file_s_lock_yields_to_whoever_converts_it_through_that_open_file() {
        let (a, b) = (OpenId::new(), OpenId::new());
        let held = after([whole(LockKind::Read, a)]);
        assert!(held.yields_to(&whole(LockKind::Write, a)));
        assert!(!held.yields_to(&whole(LockKind::Write, b)));
        // There is nothing to convert.
        assert!(!held.yields_to(&whole(LockKind::Read, a)));
        let part = LockRange { start: 5, last: 9 };
        assert!(!held.yields_to(&record(part, LockKind::Write, a)));
        assert!(!after([record(part, LockKind::Write, a)]).yields_to(&whole(LockKind::Write, a)));
    }
}
