//! One owner of locks of an inode: a file of its own, and what it holds.

use virtfs_vfs::{Errno, LockFile, LockKind, LockRange, LockSet};

use super::held::Held;
use super::records::Record;
use super::{OpenId, OwnerKey, Taken};
use crate::shares::Part;

pub(super) struct Owner {
    pub(super) key: OwnerKey,
    pub(super) file: Box<dyn LockFile>,
    pub(super) held: Held,
    /// What it takes of its session's share of the records.
    pub(super) records: Part,
}

impl Owner {
    /// Takes, changes or releases a range; and where that can let somebody else in. `ENOLCK` if
    /// it would take more records than there are.
    pub(super) fn change(
        &mut self,
        key: &OwnerKey,
        new: Record,
    ) -> Result<(Taken, Option<LockRange>), Errno> {
        let held = self.held.changed(new, key.is_fcntl());
        if !self.records.grow_to(held.len()) {
            return Err(Errno::ENOLCK);
        }
        let outcome = if held.is_like(&self.held) {
            Ok(LockSet::Done)
        } else if self.file.whole_file_only() {
            self.file.set(held.strongest(), LockRange::WHOLE)
        } else {
            self.file.set(new.kind, new.range)
        };
        let freed = self.held.weakened_by(new.kind, new.range);
        let freed = freed.then(|| self.extent(new.range));
        let outcome = match outcome {
            Ok(LockSet::Done) => {
                self.key = key.clone();
                self.held = held;
                Ok((Taken::Granted, freed))
            }
            Ok(LockSet::Refused) => Ok((Taken::HeldByHost, None)),
            Ok(LockSet::Lost) => {
                self.held = Held::default();
                Ok((Taken::HeldByHost, Some(LockRange::WHOLE)))
            }
            Err(errno) => Err(errno),
        };
        self.records.shrink_to(self.held.len());
        outcome
    }

    /// Releases what was locked through an open file; where, if anything was. The owner of
    /// nothing is to be dropped.
    pub(super) fn release(&mut self, open: OpenId) -> Option<LockRange> {
        let mut left = self.held.without(open);
        let mut freed = None;
        if !left.is_like(&self.held) {
            freed = self.held.extent().map(|range| self.extent(range));
            // Dropping the file releases all that an owner has.
            if !left.is_empty() && !self.let_go(&left) {
                left = Held::default();
            }
        }
        self.held = left;
        self.records.shrink_to(self.held.len());
        freed
    }

    /// Lets the host have all but what is left of a lock; whether that is still held.
    fn let_go(&self, left: &Held) -> bool {
        if self.file.whole_file_only() {
            let set = self.file.set(left.strongest(), LockRange::WHOLE);
            return !matches!(set, Ok(LockSet::Lost));
        }
        for gone in &self.held.records {
            let same = left
                .records
                .binary_search_by_key(&gone.range.start, |r| r.range.start);
            if same.ok().and_then(|at| left.records.get(at)) != Some(gone) {
                // Nothing can be done about a failure.
                let _ = self.file.set(LockKind::Unlock, gone.range);
            }
        }
        true
    }

    /// How much of the file a lock of this range takes.
    fn extent(&self, range: LockRange) -> LockRange {
        if self.file.whole_file_only() {
            LockRange::WHOLE
        } else {
            range
        }
    }
}

/// Whose lock of ours keeps an owner (the one `at` this place, if any) from a range.
pub(super) fn in_the_way(
    owners: &[Owner],
    at: Option<usize>,
    kind: LockKind,
    range: LockRange,
) -> Option<(&Owner, &Record)> {
    if kind == LockKind::Unlock {
        return None;
    }
    let others = owners.iter().enumerate();
    let mut others = others.filter(|(other, _)| Some(*other) != at);
    others.find_map(|(_, owner)| {
        let whole = owner.file.whole_file_only();
        let mut records = owner.held.records.iter();
        let record = records.find(|record| record.excludes(kind, range, whole))?;
        Some((owner, record))
    })
}
