//! How far the kernel reads ahead.
//!
//! `INIT` can only lower the kernel's usual 128 KiB, less than one message holds; sysfs can raise it.

use std::fs;
use std::path::Path;

use super::unmount::device_number;

/// Beyond this sequential reads gain little, and each fault of a random mapping brings as much.
const MOST: u32 = 512 << 10;

/// Makes the kernel read ahead further, but no more than one `READ` brings. Only root can, where sysfs
/// is writable: otherwise the kernel's usual must do.
pub(super) fn widen(mountpoint: &Path, max_read: u32) {
    let Some((major, minor)) = device_number(mountpoint) else {
        return;
    };
    let limit = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
    let kib = max_read.min(MOST) / 1024;
    if let Err(error) = fs::write(&limit, kib.to_string()) {
        tracing::debug!(%error, limit, "the kernel's usual read-ahead stays");
    }
}
