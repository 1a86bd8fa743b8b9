//! How many bytes are used, of how many.

use crate::Errno;

/// Bytes that an inode costs beside what it holds.
pub(super) const INODE: u64 = 512;
/// Bytes that an entry or an extended attribute costs beside its bytes.
const RECORD: u64 = 192;

/// What an entry costs; its name is kept twice.
pub(super) fn entry_cost(name: &[u8]) -> u64 {
    RECORD + 2 * name.len() as u64
}

pub(super) fn xattr_cost(name: &[u8], value: &[u8]) -> u64 {
    RECORD + (name.len() + value.len()) as u64
}

#[derive(Debug)]
pub(super) struct Budget {
    used: u64,
    limit: u64,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self { used: 0, limit }
    }

    /// Takes that many bytes; `ENOSPC` if they are not there.
    pub(super) fn charge(&mut self, bytes: u64) -> Result<(), Errno> {
        if bytes > self.free() {
            return Err(Errno::ENOSPC);
        }
        self.used += bytes;
        Ok(())
    }

    /// Takes them even if they are not there: for what exists before any limit, the root.
    pub(super) fn charge_anyway(&mut self, bytes: u64) {
        self.used += bytes;
    }

    pub(super) fn refund(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
    }

    pub(super) fn free(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }
}
