//! The bytes of a file. A large one is copied in segments by several threads, so that reading and
//! writing overlap.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::super::pool::Pool;
use super::copier::{Copier, Place, Step};
use super::tree::{Details, Source, Target};
use super::zeros::{self, BLOCK, HOLE};

/// The length of a segment, a multiple of every [`BLOCK`].
const SEGMENT: u64 = 16 << 20;

/// A file that is being copied.
pub(crate) struct Copying<S: Source, T: Target> {
    source: S::File,
    target: T::File,
    place: Place<S, T>,
    details: Details,
    /// Up to where the source has been seen to reach.
    end: AtomicU64,
    /// Up to where something was written.
    written: AtomicU64,
    /// Where a read found the end: nothing is behind it, whatever the size says.
    limit: AtomicU64,
    failed: AtomicBool,
}

impl<S: Source, T: Target> Copying<S, T> {
    pub(super) fn new(
        source: S::File,
        target: T::File,
        place: Place<S, T>,
        details: Details,
    ) -> Self {
        Self {
            source,
            target,
            place,
            details,
            end: AtomicU64::new(0),
            written: AtomicU64::new(0),
            limit: AtomicU64::new(u64::MAX),
            failed: AtomicBool::new(false),
        }
    }

    /// Whether something may be found there, and is still wanted.
    fn goes_on(&self, at: u64) -> bool {
        at < self.limit.load(Ordering::Relaxed) && !self.failed.load(Ordering::Relaxed)
    }
}

/// Copies a file, giving segments of a large one to other threads.
pub(super) fn copy<S: Source, T: Target>(
    copying: Copying<S, T>,
    pool: &Pool<'_, Step<S, T>>,
    scratch: &mut Vec<u8>,
) {
    let copying = Arc::new(copying);
    let size = copying.details.meta.size;
    let mut next = SEGMENT;
    while next < size && !pool.stopped() && copying.goes_on(next) {
        let Some(from) = segment_with_data(pool.shared, &copying, next) else {
            break;
        };
        pool.give(Step::Segment(copying.clone(), from), scratch);
        next = from.saturating_add(SEGMENT);
    }
    segment(copying, 0, pool, scratch);
}

/// The next segment that is not one hole, if there is any: a file may have more segments than
/// anybody can wait for.
fn segment_with_data<S: Source, T: Target>(
    copier: &Copier<S, T>,
    copying: &Copying<S, T>,
    from: u64,
) -> Option<u64> {
    let size = copying.details.meta.size;
    // An error is met again, and told, where the segment is copied.
    let data = copier.source.data(&copying.source, from..size);
    let data = data.unwrap_or(from..size);
    if data.is_empty() {
        copying.end.fetch_max(data.start, Ordering::Relaxed);
    }
    let to = data.start / SEGMENT * SEGMENT;
    let hole = to.min(size).saturating_sub(from);
    copier.progress.bytes.fetch_add(hole, Ordering::Relaxed);
    (!data.is_empty()).then_some(to.max(from))
}

/// Copies the segment that begins there; the last one to the end of the file, wherever that is.
pub(super) fn segment<S: Source, T: Target>(
    copying: Arc<Copying<S, T>>,
    from: u64,
    pool: &Pool<'_, Step<S, T>>,
    scratch: &mut Vec<u8>,
) {
    let copier = pool.shared;
    if !copying.failed.load(Ordering::Relaxed)
        && let Err(error) = bytes(copier, &copying, from, pool, scratch)
        && !copying.failed.swap(true, Ordering::Relaxed)
    {
        copier.report.failed(&copying.place.path(), &error);
    }
    // The last thread that had a part of it finishes it.
    if let Some(copying) = Arc::into_inner(copying) {
        finish(copier, copying, pool.stopped());
    }
}

fn bytes<S: Source, T: Target>(
    copier: &Copier<S, T>,
    copying: &Copying<S, T>,
    from: u64,
    pool: &Pool<'_, Step<S, T>>,
    scratch: &mut Vec<u8>,
) -> io::Result<()> {
    let Copying { source, target, .. } = copying;
    let meta = &copying.details.meta;
    let shortest = if meta.sparse { BLOCK } else { HOLE };
    let to = match from.checked_add(SEGMENT) {
        Some(to) if to < meta.size => to,
        _ => u64::MAX,
    };
    // One byte more than there should be: coming short, it tells the end.
    let whole = meta.size.min(SEGMENT) as usize + 1;
    let piece = copier.options.piece.min(whole.next_multiple_of(BLOCK));
    if scratch.len() < piece {
        scratch.resize(piece, 0);
    }
    let buf = scratch.get_mut(..piece).unwrap_or_default();
    let mut at = from;
    while at < to && !pool.stopped() && copying.goes_on(at) {
        // Some files that have no size have contents, as in /proc.
        let data = match meta.size {
            0 => at..to,
            _ => copier.source.data(source, at..to)?,
        };
        let hole = data.start.min(meta.size).saturating_sub(at);
        copier.progress.bytes.fetch_add(hole, Ordering::Relaxed);
        if data.is_empty() {
            // A hole to the end of the segment, or of the file.
            copying.end.fetch_max(data.start, Ordering::Relaxed);
            return Ok(());
        }
        at = data.start;
        let room = usize::try_from(data.end - at).unwrap_or(usize::MAX);
        let length = room.min(buf.len());
        let part = buf.get_mut(..length).unwrap_or_default();
        let count = copier.source.read_at(source, part, at)?;
        // A reply may be short for other reasons, such as an error that the next read tells.
        let ended = count == 0 || count < length && at + count as u64 == meta.size;
        let part = part.get(..count).unwrap_or_default();
        let mut write = |stretch: std::ops::Range<usize>| {
            let end = at + stretch.end as u64;
            let bytes = part.get(stretch.clone()).unwrap_or_default();
            copier
                .target
                .write_at(target, bytes, at + stretch.start as u64)?;
            copying.written.fetch_max(end, Ordering::Relaxed);
            Ok(())
        };
        match copier.source.hides_holes() {
            true => zeros::stretches(part, shortest, (at > 0, !ended), &mut write)?,
            false if count > 0 => write(0..count)?,
            false => {}
        }
        let read = count as u64;
        at += read;
        copier.progress.bytes.fetch_add(read, Ordering::Relaxed);
        if count > 0 {
            copying.end.fetch_max(at, Ordering::Relaxed);
        }
        if ended {
            copying.limit.fetch_min(at, Ordering::Relaxed);
            return Ok(());
        }
        // It may have grown; or it is a server's bottomless file.
        if meta.size > 0 && at > meta.size && at > copier.source.size_of_file(source)? {
            return Err(io::Error::other("it has more contents than its size says"));
        }
    }
    Ok(())
}

fn finish<S: Source, T: Target>(copier: &Copier<S, T>, copying: Copying<S, T>, stopped: bool) {
    let Copying {
        target,
        place,
        details,
        ..
    } = copying;
    let (end, written) = (copying.end.into_inner(), copying.written.into_inner());
    if !stopped && !copying.failed.into_inner() {
        let done = (|| {
            if written < end {
                copier.target.set_len(&target, end)?;
            }
            let at = copier.at(&place);
            copier
                .target
                .finish_file(target, at, place.name()?, &details)
        })();
        match done {
            Ok(()) => copier.copied(),
            Err(error) => copier.report.failed(&place.path(), &error),
        }
    }
    copier.leave(place);
}
