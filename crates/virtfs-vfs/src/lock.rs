//! Byte-range locks on the side of the file system.

use crate::Errno;

/// What to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockKind {
    /// Shared.
    Read,
    /// Exclusive.
    Write,
    /// Nothing: release.
    Unlock,
}

/// A range of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LockRange {
    /// The first byte; at most `i64::MAX`.
    pub start: u64,
    /// The last byte, inclusive; `i64::MAX` (as a `u64`) means to the end, however far it grows.
    pub last: u64,
}

impl LockRange {
    /// The last byte that can be locked.
    pub const MAX: u64 = i64::MAX as u64;

    /// The whole file.
    pub const WHOLE: Self = Self {
        start: 0,
        last: Self::MAX,
    };

    /// The range of a `Tlock`, whose length 0 means to the end. `EINVAL` past 2^63.
    pub fn new(start: u64, length: u64) -> Result<Self, Errno> {
        let last = match length {
            0 => Self::MAX,
            _ => start.checked_add(length - 1).ok_or(Errno::EINVAL)?,
        };
        if start > Self::MAX || last > Self::MAX {
            return Err(Errno::EINVAL);
        }
        Ok(Self { start, last })
    }

    /// The length as `fcntl` and `Tgetlock` give it: 0 means to the end.
    pub fn length(self) -> u64 {
        if self.last == Self::MAX {
            0
        } else {
            self.last - self.start + 1
        }
    }
}

/// Who holds a lock that is in the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LockHolder {
    /// What is held.
    pub kind: LockKind,
    /// Where.
    pub range: LockRange,
    /// The holding process of the host, where it has one (not for open-file-description locks).
    pub pid: Option<u32>,
}

/// What became of a try to change a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum LockSet {
    /// It is as it was asked for.
    Done,
    /// Another holds it; what the owner held it holds still.
    Refused,
    /// Another holds it, and what the owner held is gone: `flock` lets go before it takes.
    Lost,
}

/// A file opened to be locked by one owner: its locks conflict with those of every other
/// `LockFile` and with host programs', never with its own, and end when it is dropped.
pub trait LockFile: Send + Sync {
    /// Whether only the whole file can be locked (`flock`): then every call names
    /// [`LockRange::WHOLE`].
    fn whole_file_only(&self) -> bool;

    /// Takes, changes or releases a range, without waiting. After an error the owner holds what it
    /// held.
    fn set(&self, kind: LockKind, range: LockRange) -> Result<LockSet, Errno>;

    /// Who is in the way of taking this range, if anybody.
    fn test(&self, kind: LockKind, range: LockRange) -> Result<Option<LockHolder>, Errno>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_ends_past_what_can_be_locked_is_refused() {
        assert_eq!(LockRange::new(5, 0).unwrap().last, LockRange::MAX);
        assert_eq!(
            LockRange::new(5, 2).unwrap(),
            LockRange { start: 5, last: 6 }
        );
        assert_eq!(LockRange::new(u64::MAX, 1), Err(Errno::EINVAL));
        assert_eq!(LockRange::new(1, u64::MAX), Err(Errno::EINVAL));
        assert_eq!(LockRange::new(1 << 63, 0), Err(Errno::EINVAL));
        assert_eq!(LockRange::new(0, 1 << 63).unwrap(), LockRange::WHOLE);
    }
}
