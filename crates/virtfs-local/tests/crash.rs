//! `mapped-file`: a server that is killed between any two system calls of a change leaves the old
//! values or the new ones, under every name of the file, to whoever reads them.
//!
//! The test forks, so it is the only one of its program.

mod common;
#[path = "common/killed.rs"]
mod killed;

use std::fs;
use std::path::Path;

use common::{Export, cx};
use killed::{by_qemu, by_virtfs, killed_at, options, walk};
use virtfs_vfs::{FileSystem, SetAttr};

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

fn change(dir: &Path, change: &SetAttr, ready: &dyn Fn()) {
    let fs = virtfs_local::LocalFs::open(dir, options()).unwrap();
    let (root, _) = fs.attach(&cx()).unwrap();
    let node = walk(&fs, &root, "one");
    ready();
    fs.set(&cx(), &node, None, change).unwrap();
}

#[test]
fn a_server_killed_at_any_system_call_leaves_old_or_new_values() {
    for (at, case) in cases().iter().enumerate() {
        let whole = Export::with(options());
        prepare(whole.dir.path(), case.before);
        let host = by_qemu(whole.dir.path(), "two");
        let old = by_virtfs(whole.dir.path(), "one");
        change(whole.dir.path(), &case.change, &|| {});
        let new = by_virtfs(whole.dir.path(), "one");
        assert_ne!(old, new);
        let mut seen = Vec::new();
        for stop in 0.. {
            let dir = tempfile::tempdir().unwrap();
            prepare(dir.path(), case.before);
            let killed = killed_at(stop, |ready| change(dir.path(), &case.change, ready));
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
