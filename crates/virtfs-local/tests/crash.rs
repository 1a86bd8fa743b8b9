//! `mapped-file`: a server that is killed between any two system calls of a change leaves the old
//! values or the new ones, under every name of the file, to whoever reads them.
//!
//! The test forks, so it is the only one of its program.

mod common;

use std::fs;
use std::path::Path;

use common::{Export, cx};
use virtfs_local::{Options, SecurityModel};
use virtfs_vfs::{FileSystem, Node, SetAttr};

fn options() -> Options {
    Options {
        model: SecurityModel::MappedFile,
        ..Options::default()
    }
}

/// Owner, group and mode.
type Seen = (u32, u32, u32);

/// A file with two names, and what its metadata says (`None`: there is none).
struct Case {
    before: Option<&'static str>,
    change: SetAttr,
}

const NOTHING: SetAttr = SetAttr {
    mode: None,
    uid: None,
    gid: None,
    size: None,
    atime: None,
    mtime: None,
    ctime: false,
};

/// Values that become longer, shorter, more; what a hand has written; and none at all.
fn cases() -> Vec<Case> {
    let owner = |uid, gid| SetAttr {
        uid: Some(uid),
        gid: Some(gid),
        ..NOTHING
    };
    let mode = |mode| SetAttr {
        mode: Some(mode),
        ..NOTHING
    };
    let both = |mode, uid| SetAttr {
        mode: Some(mode),
        uid: Some(uid),
        ..NOTHING
    };
    let usual = "virtfs.uid=1000\nvirtfs.gid=1000\nvirtfs.mode=33188\n";
    let foreign =
        "# by hand\nvirtfs.mode=33188\nother=1\nvirtfs.gid=00000007\nvirtfs.uid=0000000009\n";
    [
        (Some(usual), owner(5, 1234567)),
        (Some(usual), owner(7, 6)),
        (Some(usual), mode(0o755)),
        (Some("virtfs.uid=1\n"), both(0o4711, 1000)),
        (Some(foreign), owner(1, 2)),
        (Some(foreign), mode(0o640)),
        (Some(""), owner(1, 2)),
        (None, mode(0o640)),
        (None, owner(1, 2)),
    ]
    .into_iter()
    .map(|(before, change)| Case { before, change })
    .collect()
}

fn prepare(dir: &Path, before: Option<&str>) {
    fs::write(dir.join("one"), "content").unwrap();
    fs::hard_link(dir.join("one"), dir.join("two")).unwrap();
    let folder = dir.join(".virtfs_metadata");
    fs::create_dir(&folder).unwrap();
    if let Some(text) = before {
        fs::write(folder.join("one"), text).unwrap();
        fs::hard_link(folder.join("one"), folder.join("two")).unwrap();
    }
}

/// As virtfs sees a name.
fn by_virtfs(dir: &Path, name: &str) -> Seen {
    let fs = virtfs_local::LocalFs::open(dir, options()).unwrap();
    let (root, _) = fs.attach(&cx()).unwrap();
    let node = walk(&fs, &root, name);
    let attr = fs.stat(&cx(), &node, None, Default::default()).unwrap();
    (attr.uid, attr.gid, attr.mode)
}

fn walk(fs: &virtfs_local::LocalFs, root: &Node, name: &str) -> Node {
    let mut qids = virtfs_vfs::Qids::new();
    fs.walk(&cx(), root, &[common::name(name)], &mut qids)
        .unwrap()
}

/// As QEMU sees a name: `fgets` into 100 bytes, `strncmp` of the key, `atoi` behind the sign.
fn by_qemu(dir: &Path, name: &str) -> Seen {
    use std::os::unix::fs::MetadataExt;
    let host = fs::metadata(dir.join(name)).unwrap();
    let mut seen = (host.uid(), host.gid(), host.mode());
    let text = fs::read(dir.join(".virtfs_metadata").join(name)).unwrap_or_default();
    for line in text
        .split_inclusive(|b| *b == b'\n')
        .flat_map(|l| l.chunks(99))
    {
        let line = String::from_utf8_lossy(line).into_owned();
        let value = |key: &str| {
            let rest = line.strip_prefix(key)?.get(1..)?.trim_start();
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-');
            Some(rest[..end.unwrap_or(rest.len())].parse().unwrap_or(0))
        };
        seen.0 = value("virtfs.uid").unwrap_or(seen.0);
        seen.1 = value("virtfs.gid").unwrap_or(seen.1);
        seen.2 = value("virtfs.mode").unwrap_or(seen.2);
    }
    seen
}

fn change(dir: &Path, change: &SetAttr, ready: impl FnOnce()) {
    let fs = virtfs_local::LocalFs::open(dir, options()).unwrap();
    let (root, _) = fs.attach(&cx()).unwrap();
    let node = walk(&fs, &root, "one");
    ready();
    fs.set(&cx(), &node, None, change).unwrap();
}

/// Makes the change in a process that is killed at its nth stop: before and after each system
/// call. Whether it came that far.
fn killed_at(stop: usize, dir: &Path, attributes: &SetAttr) -> bool {
    // SAFETY: the child calls nothing but this crate and ends by `_exit`; no other thread of this
    // program holds a lock that it needs, for this test is the only one.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        // SAFETY: no pointers are passed.
        let done = std::panic::catch_unwind(|| unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            change(dir, attributes, || {
                libc::raise(libc::SIGSTOP);
            });
        });
        // SAFETY: ends the process, without what is to be done only once.
        unsafe { libc::_exit(i32::from(done.is_err())) }
    }
    let wait = || {
        let mut status = 0;
        // SAFETY: the kernel writes one integer.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        status
    };
    // SAFETY: no pointers are passed.
    let trace = |request, data: libc::c_long| unsafe {
        assert_eq!(libc::ptrace(request, child, 0_usize, data), 0);
    };
    assert!(libc::WIFSTOPPED(wait()), "the child did not get ready");
    trace(
        libc::PTRACE_SETOPTIONS,
        libc::c_long::from(libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL),
    );
    for _ in 0..stop {
        trace(libc::PTRACE_SYSCALL, 0);
        let status = wait();
        if libc::WIFEXITED(status) {
            assert_eq!(libc::WEXITSTATUS(status), 0, "the child failed");
            return false;
        }
        assert_eq!(libc::WSTOPSIG(status), libc::SIGTRAP | 0x80);
    }
    // SAFETY: no pointers are passed.
    assert_eq!(unsafe { libc::kill(child, libc::SIGKILL) }, 0);
    assert!(libc::WIFSIGNALED(wait()));
    true
}

#[test]
fn a_server_killed_at_any_system_call_leaves_old_or_new_values() {
    for (at, case) in cases().iter().enumerate() {
        let whole = Export::with(options());
        prepare(whole.dir.path(), case.before);
        let host = by_qemu(whole.dir.path(), "two");
        let old = by_virtfs(whole.dir.path(), "one");
        change(whole.dir.path(), &case.change, || {});
        let new = by_virtfs(whole.dir.path(), "one");
        assert_ne!(old, new);
        let mut seen = Vec::new();
        for stop in 0.. {
            let dir = tempfile::tempdir().unwrap();
            prepare(dir.path(), case.before);
            let killed = killed_at(stop, dir.path(), &case.change);
            // A name that shared no metadata before does not do so after.
            let names: &[_] = if case.before.is_some() {
                &["one", "two"]
            } else {
                &["one"]
            };
            let found = by_virtfs(dir.path(), "one");
            assert!(found == old || found == new, "{at}, {stop}: {found:?}");
            for name in names {
                assert_eq!(by_virtfs(dir.path(), name), found, "{at}, {stop}");
                assert_eq!(by_qemu(dir.path(), name), found, "{at}, {stop}");
            }
            if case.before.is_none() {
                assert_eq!(by_qemu(dir.path(), "two"), host);
            }
            seen.push(found);
            if !killed {
                break;
            }
        }
        assert_eq!((seen[0], seen[seen.len() - 1]), (old, new));
        assert!(seen.is_sorted_by_key(|found| *found == new), "{at}");
    }
}
