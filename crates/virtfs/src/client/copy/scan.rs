//! Looking ahead: what a local tree comes to, for the progress of a copy that has begun.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};

use super::progress::Progress;
use super::tree::Source;
use super::{LocalSource, MAX_DEPTH};

/// Counts in a thread of its own, which nobody waits for, unless the copy is over soon.
pub(crate) fn scan(sources: &[OsString], progress: &Arc<Progress>) {
    let (sources, progress) = (sources.to_vec(), progress.clone());
    let count = move || {
        thread::sleep(Duration::from_millis(500));
        let source = LocalSource::new();
        let mut sum = Sum::default();
        for typed in sources {
            let Ok((item, meta)) = source.start(&typed) else {
                continue;
            };
            sum.add(meta.size, meta.kind);
            if meta.is_dir()
                && let Ok((dir, _)) = source.enter(item, false)
            {
                sum.below(&dir, 1);
            }
        }
        progress.bytes_total.store(sum.bytes, Ordering::Relaxed);
        progress.total.store(sum.entries, Ordering::Relaxed);
    };
    // Without it the total is not shown.
    let _ = thread::Builder::new()
        .name("scan".into())
        .stack_size(16 << 20)
        .spawn(count);
}

#[derive(Default)]
struct Sum {
    entries: u64,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, size: u64, kind: FileType) {
        self.entries += 1;
        if kind == FileType::RegularFile {
            self.bytes = self.bytes.saturating_add(size);
        }
    }

    /// What cannot be read is not counted.
    fn below(&mut self, dir: &OwnedFd, depth: usize) {
        let Ok(entries) = Dir::read_from(dir) else {
            return;
        };
        for entry in entries.map_while(Result::ok) {
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(stat) = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let kind = FileType::from_raw_mode(stat.st_mode);
            self.add(stat.st_size as u64, kind);
            if kind == FileType::Directory && depth < MAX_DEPTH {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                if let Ok(dir) = openat(dir, name, flags, Mode::empty()) {
                    self.below(&dir, depth + 1);
                }
            }
        }
    }
}
