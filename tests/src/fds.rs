//! How many descriptors this process has.

use std::time::{Duration, Instant};

/// How many descriptors are open now.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Waits until no more than this many are open; `false` if that never is.
pub fn wait_for_descriptors(at_most: usize) -> bool {
    let until = Instant::now() + crate::PATIENCE;
    while descriptors() > at_most {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}
