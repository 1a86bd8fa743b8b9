//! Whether source and destination are one file: the server may serve what is local here.
//!
//! Neither side can name the other's files, so a mark is set on one and looked for on the other:
//! a time of last access that nobody else has.

use std::io;

use rustix::fs::Timespec;

use super::tree::{Existing, Meta};

/// A time of last access that no file has: far in the past, and picked at random.
pub(super) fn mark() -> Timespec {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(0);
    Timespec {
        // 1970 to 2004: every file system can store it.
        tv_sec: (random & 0x3fff_ffff) as i64,
        tv_nsec: ((random >> 32) % 1_000_000_000) as i64,
    }
}

/// Refuses if the file that is about to be emptied is the one that is to be copied.
pub(super) fn refuse_same(
    source: &Meta,
    source_atime: impl Fn() -> io::Result<Timespec>,
    existing: Existing<'_>,
) -> io::Result<()> {
    let target = existing.meta;
    let alike = target.size == source.size
        && target.mtime == source.mtime
        && target.ctime == source.ctime
        && target.kind == source.kind;
    if !alike {
        return Ok(());
    }
    let mark = mark();
    let marked = (existing.touch)(mark).and_then(|()| source_atime());
    match marked {
        // Not the mark itself: a file system may store less than it was given.
        Ok(atime) if atime == source.atime => Ok(()),
        // The same; or it cannot be found out, and then it looks the same.
        _ => {
            // Only the time is lost if this fails.
            let _ = (existing.touch)(target.atime);
            Err(io::Error::other("source and destination are the same file"))
        }
    }
}
