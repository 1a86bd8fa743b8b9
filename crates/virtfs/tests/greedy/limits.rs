//! The limits that the tests fill: small, so that it is soon done, and in the proportions of the
//! defaults.

use virtfs_server::Limits;

pub(crate) const SESSIONS: usize = 24;

/// What the program itself takes, debug build and allocator included.
pub(crate) const PROGRAM: usize = 64 << 20;

/// The address space of a thread's stack, most of which is never used.
const STACK: usize = 512 << 10;

pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.msize = 256 << 10;
    limits.sessions = SESSIONS;
    limits.fids = 20_000;
    limits.all_fids = 40_000;
    limits.open_files = 2_000;
    limits.xattr_bytes = 4 << 20;
    limits.all_xattr_bytes = 8 << 20;
    limits.requests = 32;
    limits.request_bytes = 4 << 20;
    limits.buffer_bytes = 16 << 20;
    limits.threads = 96;
    limits.lock_records = 2_000;
    limits
}

/// What requests and replies may take of it, however many clients take none. Without a budget of all
/// sessions together it would be twice as much.
pub(crate) fn most_in_buffers() -> usize {
    let limits = limits();
    limits.buffer_bytes + limits.sessions * 3 * (512 << 10) + (32 << 20)
}

/// The memory that a server may have in use.
pub(crate) fn most_in_use() -> usize {
    limits().most_memory() + PROGRAM
}

/// What the kernel lets it have of writable private memory, used or not.
pub(crate) fn most_data() -> usize {
    let limits = limits();
    most_in_use() + (limits.sessions + limits.threads) * STACK
}
