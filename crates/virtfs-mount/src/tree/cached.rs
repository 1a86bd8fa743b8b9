//! Whether what the page cache holds of a file is still the file's content.

use std::time::{Duration, Instant};

use virtfs_client::Timespec;

/// A change within the same tick of the server's clock leaves no trace; ticks are shorter.
const TICK: Duration = Duration::from_millis(50);

/// What a file was like when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// The qid's; 0: never cache.
    pub(crate) qid: u32,
    pub(crate) size: u64,
    pub(crate) mtime: Timespec,
}

/// Of which version of a file the pages in the page cache are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cached {
    version: Version,
    since: Instant,
    /// The pages were read when the version was older than a tick: another change gives another.
    settled: bool,
}

impl Cached {
    /// A file is opened: the next state, and whether the kernel may keep its pages.
    pub(crate) fn opened(before: Option<Self>, version: Version, now: Instant) -> (Self, bool) {
        match before {
            Some(same) if same.version == version && version.qid != 0 => {
                let settled = same.settled || now.duration_since(same.since) > TICK;
                (Self { settled, ..same }, same.settled)
            }
            _ => {
                let cached = Self {
                    version,
                    since: now,
                    settled: false,
                };
                (cached, false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(qid: u32, size: u64) -> Version {
        let mtime = Timespec::default();
        Version { qid, size, mtime }
    }

    #[test]
    fn pages_are_kept_only_if_a_change_would_have_been_seen() {
        let start = Instant::now();
        let open = |before, version, after: u64| {
            Cached::opened(before, version, start + Duration::from_millis(after))
        };
        let (first, keep) = open(None, version(1, 1), 0);
        assert!(!keep);
        // Within the tick in which the version was first seen: it may have changed since.
        let (second, keep) = open(Some(first), version(1, 1), 10);
        assert!(!keep);
        let (third, keep) = open(Some(second), version(1, 1), 100);
        assert!(!keep, "what was read before may be of the same tick");
        let (fourth, keep) = open(Some(third), version(1, 1), 101);
        assert!(keep);
        for other in [version(2, 1), version(1, 2), version(0, 1)] {
            assert!(!open(Some(fourth), other, 200).1);
        }
    }

    #[test]
    fn a_file_without_versions_is_never_cached() {
        let mut cached = None;
        for after in 0..5 {
            let now = Instant::now() + Duration::from_secs(after);
            let (next, keep) = Cached::opened(cached, version(0, 1), now);
            assert!(!keep);
            cached = Some(next);
        }
    }
}
