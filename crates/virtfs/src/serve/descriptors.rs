//! How many descriptors there may be, and who gets how many.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::failure::{Doing, Failure};

/// As many as the server asks for itself: each directory and inode that it keeps open is memory
/// of the kernel.
const PLENTY: u64 = 1 << 20;

/// Below this a few clients use up everything.
const SCARCE: u64 = 1024;

/// Raises the limit as far as it goes, or sets it to what the user wants; what it is then.
pub(super) fn raise_limit(wanted: Option<u64>) -> Result<u64, Failure> {
    let limit = getrlimit(Resource::Nofile);
    let soft = limit.current.unwrap_or(PLENTY);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    let target = wanted.unwrap_or(soft.max(hard.min(PLENTY)));
    let new = Rlimit {
        current: Some(target),
        maximum: limit.maximum.map(|hard| hard.max(target)),
    };
    match setrlimit(Resource::Nofile, new) {
        Ok(()) => {}
        // Not asked for, so only an offer.
        Err(_) if wanted.is_none() => return Ok(soft),
        Err(error) => {
            return Err(error).doing(|| {
                format!(
                    "--rlimit-nofile {target}: the hard limit is {hard} (ulimit -Hn), and only \
                     root may raise that"
                )
            });
        }
    }
    if target < SCARCE {
        warn!("only {target} descriptors may be open: clients may run out of open files");
    }
    Ok(target)
}

/// What becomes of the descriptors. The sum stays below the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// Connections.
    pub(super) sessions: usize,
    /// Files that clients have open, in each export.
    pub(super) files: usize,
    /// Files that clients know, in each export.
    pub(super) nodes: usize,
}

impl Shares {
    /// For listeners, signals, roots, and the descriptors that a request holds while it runs.
    const RESERVE: u64 = 64;

    /// Splits a limit among exports. Three quarters are for open files: they cost more to close
    /// and to open again, when they were not used lately, than nodes do.
    pub(super) fn of(limit: u64, exports: usize) -> Self {
        let limit = limit.min(PLENTY);
        let exports = exports as u64;
        let sessions = (limit / 16).clamp(1, 256);
        // Each export holds its root and the mount it is on.
        let left = limit.saturating_sub(Self::RESERVE + sessions + 2 * exports);
        let files = left / 4 * 3;
        let nodes = left - files;
        let each = |share: u64| (share / exports.max(1)).max(16) as usize;
        Self {
            sessions: sessions as usize,
            files: each(files),
            nodes: each(nodes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shares_together_leave_a_reserve() {
        for limit in [256, 1024, 4096, 20_000, 1 << 20] {
            for exports in [1, 2, 5] {
                let shares = Shares::of(limit, exports);
                let sum = shares.sessions + exports * (shares.files + shares.nodes);
                assert!(
                    sum as u64 + 64 <= limit || shares.nodes == 16,
                    "{limit} {shares:?}"
                );
                assert!(exports * shares.files > sum / 2, "{limit} {shares:?}");
            }
        }
    }

    #[test]
    fn hardly_any_descriptors_still_make_a_server() {
        let shares = Shares::of(8, 1);
        assert!(shares.sessions > 0 && shares.files > 0 && shares.nodes > 0);
    }
}
