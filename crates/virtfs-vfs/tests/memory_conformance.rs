//! The suite over the file system in memory.

use virtfs_vfs::conformance::{Fixture, Has};
use virtfs_vfs::memory::MemoryFs;

fn fresh() -> Fixture {
    Fixture::new(MemoryFs::new(), Has::all())
}

virtfs_vfs::conformance_suite!(fresh);
