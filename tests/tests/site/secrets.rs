//! A tree outside of the export, and proof that nobody was there.

use std::fs;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::{Site, Snapshot, Watch};

/// What every file of it holds.
pub const SECRET: &str = "secret";

/// A tree outside with the names that the export has too, so that whoever gets out finds them.
pub fn put_secrets(site: &Site) {
    fs::create_dir_all(site.path("outside/sub/deep")).unwrap();
    for path in ["outside/file", "outside/secret", "outside/sub/file"] {
        fs::write(site.path(path), SECRET).unwrap();
        let past = Timespec {
            tv_sec: 1_000_000_000,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: past,
            last_modification: past,
        };
        utimensat(CWD, site.path(path), &times, AtFlags::empty()).unwrap();
    }
}

/// Runs `f`, which is not to be noticed outside.
pub fn unnoticed<T>(site: &Site, f: impl FnOnce() -> T) -> T {
    let outside = site.path("outside");
    let before = Snapshot::of(&outside);
    let watch = Watch::tree(&outside);
    let result = f();
    watch.assert_silent();
    assert_eq!(Snapshot::of(&outside), before);
    result
}
