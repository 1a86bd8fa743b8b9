//! Mounts of a part of a file system, as bind mounts are: what the host moves out of that part has left
//! the mount, and Landlock (from Linux 6.19 on, and where that was taken over) takes it for what is at
//! the mount's root.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, StatxFlags, statx};

/// Whether a directory is known to lie on a mount of a whole file system. To be asked while `/proc` can
/// be read.
pub(super) fn lies_on_a_whole_file_system(dir: BorrowedFd<'_>) -> bool {
    let Ok(stat) = statx(dir, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID) else {
        return false;
    };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    shows_all(&mounts, stat.stx_mnt_id)
}

/// What proc_pid_mountinfo(5) says of the mount of this number.
fn shows_all(mounts: &str, number: u64) -> bool {
    let shown = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let is_it = fields.next()?.parse() == Ok(number);
        is_it.then(|| fields.nth(2)).flatten()
    });
    shown == Some("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_mount_shows_a_part() {
        let mounts = "\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 254:0 /srv/a /mnt rw,relatime - ext4 /dev/vda rw
";
        assert!(shows_all(mounts, 22));
        for other in [23, 24] {
            assert!(!shows_all(mounts, other), "{other}");
        }
    }
}
