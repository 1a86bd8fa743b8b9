//! A directory that is served and one beside it that is not; ways to see whether anything outside
//! was touched.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each suite uses its own part"
)]

mod mover;
mod secrets;
mod snapshot;
mod watch;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::TempDir;
use virtfs_local::{Containment, LocalFs, Options, SecurityModel};
use virtfs_proto::SetattrMask;
use virtfs_server::Export;
use virtfs_tests::errno::{ENOENT, ESTALE};
use virtfs_tests::{PATIENCE, Raw, Served, SetAttr};

pub use mover::{Mover, for_each_mover};
pub use secrets::{SECRET, put_secrets, unnoticed};
pub use snapshot::Snapshot;
pub use watch::Watch;

/// `Tlopen` and `Tlcreate` flags, as Linux numbers them.
pub const RDONLY: u32 = 0;
pub const WRONLY: u32 = 0o1;
pub const RDWR: u32 = 0o2;
pub const EXCL: u32 = 0o200;
pub const TRUNC: u32 = 0o1000;
pub const APPEND: u32 = 0o2000;
pub const DIRECTORY: u32 = 0o200000;
/// `AT_REMOVEDIR` of `Tunlinkat`.
pub const REMOVEDIR: u32 = 0x200;

/// What a test's own file holds.
pub const OLD: &str = "the old file";
/// What a file holds that came later.
pub const NEW: &str = "the new file";

/// `export/` is served, `outside/` is not, both in one fresh directory.
pub struct Site {
    dir: TempDir,
}

impl Site {
    /// Where temporary files go.
    pub fn new() -> Self {
        Self::over(tempfile::tempdir().unwrap())
    }

    /// One there, and one in memory where there is such a place.
    pub fn each() -> Vec<Self> {
        let memory = Path::new("/dev/shm");
        let memory = tempfile::tempdir_in(memory).ok().map(Self::over);
        [Some(Self::new()), memory].into_iter().flatten().collect()
    }

    fn over(dir: TempDir) -> Self {
        for name in ["export", "outside"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self { dir }
    }

    /// A path beside the export.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// A path in the export.
    pub fn export(&self, path: &str) -> PathBuf {
        self.path("export").join(path)
    }

    /// Makes directories in the export.
    pub fn mkdir(&self, path: &str) {
        fs::create_dir_all(self.export(path)).unwrap();
    }

    /// Writes a file in the export.
    pub fn put(&self, path: &str, content: &str) {
        fs::write(self.export(path), content).unwrap();
    }

    /// What a file in the export holds.
    pub fn get(&self, path: &str) -> String {
        fs::read_to_string(self.export(path)).unwrap()
    }

    /// Whether there is something, be it a symbolic link that leads nowhere.
    pub fn has(&self, path: &str) -> bool {
        self.export(path).symlink_metadata().is_ok()
    }

    /// The inode number, which is the path of a qid where it is small.
    pub fn ino(&self, path: &str) -> u64 {
        self.export(path).symlink_metadata().unwrap().ino()
    }

    /// Renames in the export behind the server's back.
    pub fn host_rename(&self, from: &str, to: &str) {
        fs::rename(self.export(from), self.export(to)).unwrap();
    }

    /// A file system over a directory beside or above the export.
    pub fn fs(&self, path: &str, options: Options) -> Arc<LocalFs> {
        Arc::new(LocalFs::open(self.path(path), options).unwrap())
    }

    /// Serves `export/` as `root`, and once more, by a file system of its own, as `again`.
    pub fn serve(&self) -> Served {
        let export = |name| Export::new(name, self.fs("export", options(Containment::Verify)));
        Served::exports(vec![export("root"), export("again")])
    }
}

/// The defaults, with the host's own users and groups where the tests may give files away.
pub fn options(containment: Containment) -> Options {
    let model = if rustix::process::geteuid().is_root() {
        SecurityModel::Passthrough
    } else {
        SecurityModel::None
    };
    Options {
        model,
        containment,
        ..Options::default()
    }
}

/// A session in the export of this name.
pub fn session(served: &Served, aname: &str) -> Raw {
    let mut client = served.connect();
    client.start();
    client.attach(0, aname).unwrap();
    client
}

/// Walks from the root, along a path of any length.
pub fn walk(client: &mut Raw, newfid: u32, path: &str) -> Result<(), u32> {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let walked = client.walk(0, newfid, &names)?;
    assert_eq!(walked.len(), names.len(), "{path} exists");
    Ok(())
}

/// Opens a clone of a fid and reads the beginning of the file.
pub fn content(client: &mut Raw, fid: u32) -> Result<String, u32> {
    const SPARE: u32 = 0xffff;
    client.walk(fid, SPARE, &[])?;
    let read = client
        .lopen(SPARE, RDONLY)
        .and_then(|_| client.read(SPARE, 0, 4096));
    client.clunk(SPARE).unwrap();
    read.map(|bytes| String::from_utf8(bytes).unwrap())
}

/// Sets an extended attribute through a clone of a fid.
pub fn xattr_put(client: &mut Raw, fid: u32, name: &str, value: &str) -> Result<(), u32> {
    const SPARE: u32 = 0xfffe;
    client.walk(fid, SPARE, &[])?;
    let written = client
        .xattrcreate(SPARE, name, value.len() as u64, 0)
        .and_then(|()| client.write(SPARE, 0, value.as_bytes()));
    let set = client.clunk(SPARE);
    written.and(set)
}

/// The value of an extended attribute.
pub fn xattr_get(client: &mut Raw, fid: u32, name: &str) -> Result<String, u32> {
    const SPARE: u32 = 0xfffd;
    let length = client.xattrwalk(fid, SPARE, name)?;
    let value = client.read(SPARE, 0, 4096).unwrap();
    client.clunk(SPARE).unwrap();
    assert_eq!(value.len() as u64, length);
    Ok(String::from_utf8(value).unwrap())
}

/// A change of the size alone.
pub fn size(size: u64) -> SetAttr {
    SetAttr {
        valid: SetattrMask::SIZE,
        size,
        ..SetAttr::default()
    }
}

/// A change of the mode alone.
pub fn mode(mode: u32) -> SetAttr {
    SetAttr {
        valid: SetattrMask::MODE,
        mode,
        ..SetAttr::default()
    }
}

/// A change of owner, group and times.
pub fn owner(uid: u32) -> SetAttr {
    SetAttr {
        valid: SetattrMask::UID | SetattrMask::GID | SetattrMask::MTIME | SetattrMask::ATIME,
        uid,
        gid: uid,
        ..SetAttr::default()
    }
}

/// Whether an errno says that a file, or its entry, is not there any more.
pub fn gone(error: u32) -> bool {
    matches!(error, ESTALE | ENOENT)
}

/// Ends the test, loudly, where it could only pass by not testing.
pub fn need_root() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test needs root: without it nothing would be tested"
    );
}

/// Exchanges two entries over and over while `f` runs.
pub fn exchanging<T>(a: &Path, b: &Path, f: impl FnOnce() -> T) -> T {
    use std::sync::atomic::{AtomicBool, Ordering};
    let stop = AtomicBool::new(false);
    let exchange = || renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE);
    exchange().expect("the file system exchanges entries");
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // A client that unlinks takes one of them away; it comes back.
                let _ = exchange();
            }
        });
        // Also when `f` panics: the scope waits for the thread.
        let _stop = Stop(&stop);
        f()
    })
}

/// Repeats until `done` has seen enough, and `at_least` times; fails if it never has.
pub fn repeat(at_least: u32, mut round: impl FnMut(u32), done: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    for count in 0.. {
        if count >= at_least && done() {
            return;
        }
        assert!(Instant::now() < until, "the race never showed both sides");
        round(count);
    }
}
