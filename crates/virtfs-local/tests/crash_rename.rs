//! `mapped-file`: a server that is killed between any two system calls of a rename leaves each file
//! with its own owner and mode, and each other name of it.
//!
//! The test forks, so it is the only one of its program.

mod common;
#[path = "common/killed.rs"]
mod killed;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use common::cx;
use killed::{Seen, by_qemu, by_virtfs, killed_at, options, walk};
use virtfs_vfs::{FileSystem, Place, SetAttr};

/// The metadata of the file that is moved, and of the one in its way, if there is one.
struct Case {
    moved: Option<&'static str>,
    replaced: Option<Option<&'static str>>,
    /// Whether both have a second name.
    linked: bool,
    to_dir: &'static str,
}

const ONE: &str = "virtfs.uid=1000\nvirtfs.gid=1000\nvirtfs.mode=33188\n";
const TWO: &str = "virtfs.uid=2\nvirtfs.gid=2222222\nvirtfs.mode=35309\n";
/// As a hand may have written it.
const UNENDED: &str = "virtfs.uid=7";

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for to_dir in ["", "d/"] {
        for (moved, replaced) in [
            (Some(ONE), Some(Some(TWO))),
            (Some(ONE), Some(Some(UNENDED))),
            (Some(UNENDED), Some(Some(ONE))),
            (Some(ONE), Some(None)),
            (Some(ONE), None),
            (None, Some(Some(TWO))),
            (None, Some(None)),
            (None, None),
        ] {
            for linked in [false, true] {
                if !to_dir.is_empty() && (moved, replaced) != (Some(ONE), Some(Some(TWO))) {
                    continue; // Enough of two directories.
                }
                cases.push(Case {
                    moved,
                    replaced,
                    linked,
                    to_dir,
                });
            }
        }
    }
    cases
}

/// Makes a file, with its metadata, and its second name.
fn file(dir: &Path, path: &str, metadata: Option<&str>, second: Option<&str>) {
    fs::write(dir.join(path), path).unwrap();
    let folder = dir.join(path).with_file_name(".virtfs_metadata");
    let of = |path: &str| folder.join(Path::new(path).file_name().unwrap());
    if let Some(text) = metadata {
        fs::create_dir_all(&folder).unwrap();
        fs::write(of(path), text).unwrap();
    }
    if let Some(second) = second {
        let second = Path::new(path).with_file_name(second);
        let second = second.to_str().unwrap();
        fs::hard_link(dir.join(path), dir.join(second)).unwrap();
        if metadata.is_some() {
            fs::hard_link(of(path), of(second)).unwrap();
        }
    }
}

fn prepare(dir: &Path, case: &Case) {
    fs::create_dir(dir.join("d")).unwrap();
    file(dir, "from", case.moved, case.linked.then_some("from2"));
    if let Some(metadata) = case.replaced {
        let to = format!("{}to", case.to_dir);
        file(dir, &to, metadata, case.linked.then_some("to2"));
    }
}

fn rename(dir: &Path, case: &Case, ready: &dyn Fn()) {
    let fs = virtfs_local::LocalFs::open(dir, options()).unwrap();
    let (root, _) = fs.attach(&cx()).unwrap();
    let to = match case.to_dir {
        "" => root.clone(),
        _ => walk(&fs, &root, "d"),
    };
    ready();
    let from = Place::Entry(&root, common::name("from"));
    fs.rename(&cx(), from, &to, common::name("to")).unwrap();
}

/// The names that there are, with the inode of each.
fn inodes(dir: &Path, case: &Case) -> Vec<(String, u64)> {
    ["from", "from2", "to", "to2"]
        .into_iter()
        .map(|name| match name {
            "to" | "to2" => format!("{}{name}", case.to_dir),
            _ => name.to_owned(),
        })
        .filter_map(|name| {
            let ino = fs::symlink_metadata(dir.join(&name)).ok()?.ino();
            Some((name, ino))
        })
        .collect()
}

/// What there is, with what is in it and the number of names; the same for the same state.
fn state(dir: &Path, of: &str) -> BTreeMap<String, (String, u64)> {
    let mut files = BTreeMap::new();
    let meta = |dir: &str| format!("{dir}.virtfs_metadata/");
    for below in ["".to_owned(), "d/".to_owned(), meta(""), meta("d/")] {
        let Ok(entries) = fs::read_dir(dir.join(&below)) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap_or_default();
            let nlink = fs::symlink_metadata(&path).unwrap().nlink();
            // The inode number in it is another one each time.
            files.insert(path.display().to_string(), (text.replace(of, ""), nlink));
        }
    }
    let below = |path: &str| path.strip_prefix(dir.to_str().unwrap()).unwrap().to_owned();
    files
        .into_iter()
        .map(|(path, it)| (below(&path), it))
        .collect()
}

/// As [`by_virtfs`] and [`by_qemu`] see a path of two names.
fn seen(dir: &Path, path: &str, by: fn(&Path, &str) -> Seen) -> Seen {
    match path.split_once('/') {
        Some((below, name)) => by(&dir.join(below), name),
        None => by(dir, path),
    }
}

fn chown(dir: &Path, path: &str, uid: u32) {
    let fs = virtfs_local::LocalFs::open(dir, options()).unwrap();
    let (root, _) = fs.attach(&cx()).unwrap();
    let node = path
        .split('/')
        .fold(root, |dir, name| walk(&fs, &dir, name));
    let change = SetAttr {
        uid: Some(uid),
        ..SetAttr::default()
    };
    fs.set(&cx(), &node, None, &change).unwrap();
}

#[test]
fn a_server_killed_at_any_system_call_of_a_rename_leaves_each_file_its_own_values() {
    for (at, case) in cases().iter().enumerate() {
        let mut met = BTreeSet::new();
        // The calls end at each second stop; between that and the next call nothing happens.
        for stop in (0..).step_by(2) {
            let dir = tempfile::tempdir().unwrap();
            let dir = dir.path();
            prepare(dir, case);
            let before: Vec<_> = inodes(dir, case)
                .into_iter()
                .map(|(name, ino)| (ino, seen(dir, &name, by_virtfs)))
                .collect();
            let of = |ino| before.iter().find(|(i, _)| *i == ino).unwrap().1;
            let killed = killed_at(stop, |ready| rename(dir, case, ready));
            let moved = before[0].0.to_string();
            if killed && !met.insert(state(dir, &moved)) {
                continue;
            }
            let after = inodes(dir, case);
            let to = format!("{}to", case.to_dir);
            for (name, ino) in &after {
                let what = format!("case {at}, stop {stop}, {name}");
                // QEMU first: virtfs mends what it sees.
                let qemu = seen(dir, name, by_qemu);
                if *name == to && killed && !after.iter().any(|(name, _)| name == "from") {
                    // In between, the name still has the values that it had.
                    let old = before.iter().map(|(_, seen)| *seen);
                    assert!(old.into_iter().any(|old| old == qemu), "{what}: {qemu:?}");
                } else {
                    assert_eq!(qemu, of(*ino), "{what}");
                }
                assert_eq!(seen(dir, name, by_virtfs), of(*ino), "{what}");
            }
            // And from then on each is changed alone.
            for (uid, (name, ino)) in (100..).zip(&after) {
                chown(dir, name, uid);
                for (other, inode) in &after {
                    let what = format!("case {at}, stop {stop}, {name}, {other}");
                    let seen = seen(dir, other, by_virtfs);
                    if name == other {
                        assert_eq!(seen.0, uid, "{what}");
                    } else if inode != ino {
                        assert_ne!(seen.0, uid, "{what}");
                    }
                }
            }
            if !killed {
                break;
            }
        }
    }
}
