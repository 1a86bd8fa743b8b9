//! Trees that are made to hurt whoever looks at them.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, XattrFlags, fsetxattr, mkdirat, mkfifoat, openat, unlinkat,
};

use crate::site::{MODE, Site, command};

/// All paths of a tree.
fn paths(dir: &Path) -> Vec<PathBuf> {
    let mut all = vec![dir.to_owned()];
    let mut next = 0;
    while let Some(path) = all.get(next) {
        if fs::symlink_metadata(path).unwrap().is_dir() {
            let entries = fs::read_dir(path).unwrap();
            all.extend(entries.map(|e| e.unwrap().path()).collect::<Vec<_>>());
        }
        next += 1;
    }
    all.sort();
    all
}

/// What the kernel tells of a file, the time of its last access included.
fn state(path: &Path) -> String {
    let m = fs::symlink_metadata(path).unwrap();
    let times = [m.atime(), m.mtime(), m.ctime()];
    let parts = [m.atime_nsec(), m.mtime_nsec(), m.ctime_nsec()];
    let mut names = vec![0; 4096];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap_or(0);
    names.truncate(length);
    let (ino, mode, links, size) = (m.ino(), m.mode(), m.nlink(), m.size());
    format!("{path:?} {ino} {mode:o} {links} {size} {times:?} {parts:?} {names:?}")
}

#[test]
fn nothing_is_changed() {
    let site = Site::new();
    site.mapped("link", 0o120_777, b"target\0\0");
    site.mapped("d/bad", 0o644, b"content");
    site.xattr("d", MODE, b"1");
    site.file("d/.virtfs_metadata/bad", "virtfs.uid=x\n");
    site.file("d/.virtfs_metadata/gone", "");
    fs::create_dir(site.path(".virtfs_metadata")).unwrap();
    symlink("/etc", site.path("out")).unwrap();
    let all = paths(site.dir.path());
    // So that a read would move the time of access, whatever the mount's rule is.
    for path in all.iter().filter(|path| !path.is_symlink()) {
        let file = fs::File::open(path).unwrap();
        let old = UNIX_EPOCH + Duration::from_secs(1);
        file.set_times(fs::FileTimes::new().set_accessed(old))
            .unwrap();
    }
    let before: Vec<_> = all.iter().map(|path| state(path)).collect();
    let said = site.check(&[]);
    assert_eq!(said.status, Some(1));
    let after: Vec<_> = all.iter().map(|path| state(path)).collect();
    assert_eq!(after, before);
    assert_eq!(paths(site.dir.path()), all);
}

#[test]
fn names_of_odd_bytes_leave_one_plain_line_for_each_finding() {
    let site = Site::new();
    let names: [&[u8]; 5] = [
        b"a\nb: error: c",
        b"\x1b[2J\x07",
        b"\xff\xfe",
        b"\r",
        "\u{202e}x".as_bytes(),
    ];
    for name in names {
        let path = site.dir.path().join(OsStr::from_bytes(name));
        fs::write(&path, "").unwrap();
        rustix::fs::setxattr(&path, MODE, b"123", XattrFlags::empty()).unwrap();
    }
    let metadata = site.path(".virtfs_metadata");
    fs::create_dir(&metadata).unwrap();
    fs::write(metadata.join(OsStr::from_bytes(b"\x1b]0;x\x07")), "").unwrap();
    site.xattr("", "user.virtfs.\x1b[2J", b"");
    let said = site.check(&["-q"]);
    assert_eq!(said.status, Some(1));
    assert!(
        said.out
            .chars()
            .all(|c| c == '\n' || !c.is_control() && c != '\u{202e}')
    );
    assert_eq!(said.out.lines().count(), names.len() + 1);
    assert!(said.out.contains("/\\x1b[2J\\x07: error: "), "{}", said.out);
}

#[test]
fn links_are_not_followed_and_fifos_not_opened() {
    let site = Site::new();
    let outside = Site::new();
    outside.file("f", "");
    outside.xattr("f", MODE, b"123");
    symlink(outside.dir.path(), site.path("dir")).unwrap();
    symlink(outside.path("f"), site.path("file")).unwrap();
    symlink(".", site.path("loop")).unwrap();
    mkfifoat(CWD, site.path("fifo"), Mode::RUSR).unwrap();
    site.file("d/f", "");
    symlink(outside.dir.path(), site.path("d/.virtfs_metadata")).unwrap();
    let said = site.check(&[]);
    let findings = said.findings(&site);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].starts_with("d/.virtfs_metadata: error: a symbolic link in the place"));
}

/// Makes a chain of directories, whose last one has a wrong attribute.
fn chain(top: &Path, levels: usize) {
    let open = |dir: &OwnedFd, name: &str| {
        openat(dir, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
    };
    let mut dir = openat(CWD, top, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    for level in 0..levels {
        mkdirat(&dir, "d", Mode::RWXU).unwrap();
        // Something to come back for.
        if level % 1000 == 0 {
            mkdirat(&dir, "e", Mode::RWXU).unwrap();
            let e = open(&dir, "e");
            fsetxattr(&e, MODE, b"123", XattrFlags::empty()).unwrap();
        }
        dir = open(&dir, "d");
    }
    fsetxattr(&dir, MODE, b"123", XattrFlags::empty()).unwrap();
}

/// Removes it, which nobody else does without recursion.
fn clear(top: &Path, levels: usize) {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let mut dir = openat(CWD, top, flags, Mode::empty()).unwrap();
    for _ in 0..levels {
        dir = openat(&dir, "d", flags, Mode::empty()).unwrap();
    }
    for _ in 0..levels {
        dir = openat(&dir, "..", flags, Mode::empty()).unwrap();
        for name in ["d", "e"] {
            let _ = unlinkat(&dir, name, AtFlags::REMOVEDIR);
        }
    }
}

#[test]
fn a_tree_of_100000_levels_takes_few_descriptors_and_little_stack() {
    const LEVELS: usize = 100_000;
    let site = Site::in_memory();
    chain(site.dir.path(), LEVELS);
    let mut command = std::process::Command::new("sh");
    let limited = "ulimit -n 40 && ulimit -s 1024 && exec \"$0\" check \"$1\"";
    command.args(["-c", limited, env!("CARGO_BIN_EXE_virtfs")]);
    let output = command.arg(site.dir.path()).output().unwrap();
    clear(site.dir.path(), LEVELS);
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    let mode = "error: user.virtfs.mode has a length of 3";
    assert_eq!(out.matches(mode).count(), LEVELS / 1000 + 1, "{err}");
    // Of paths of 200,000 bytes not all is shown.
    assert!(out.len() < 1 << 20);
}

#[test]
fn a_tree_that_changes_meanwhile_harms_nobody() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let site = Site::new();
    for dir in 0..40 {
        site.file(&format!("a/{dir}/1/2/3/f"), "");
        site.file(&format!("a/{dir}/.virtfs_metadata/1"), "virtfs.uid=1\n");
    }
    fs::create_dir(site.path("b")).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for dir in 0..40 {
                    let [a, b] = ["a", "b"].map(|top| site.path(&format!("{top}/{dir}")));
                    fs::rename(&a, &b).unwrap();
                    fs::rename(b.join("1"), b.join("x")).unwrap();
                    fs::rename(b.join("x"), b.join("1")).unwrap();
                    fs::rename(&b, &a).unwrap();
                }
            }
        });
        for _ in 0..20 {
            let status = command(site.dir.path()).output().unwrap().status;
            assert!(matches!(status.code(), Some(0..=2)), "{status:?}");
        }
        over.store(true, Ordering::Relaxed);
    });
}
