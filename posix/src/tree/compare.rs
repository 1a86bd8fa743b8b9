//! How two trees differ.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use super::snapshot::{Entry, Snapshot, shown, take};
use crate::failure::{Result, fail};

/// What two trees must agree in, beside names, kinds, modes, owners, sizes and contents of files,
/// links, devices, times of modification and extended attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compared {
    /// It is one tree, seen twice: sizes of directories too.
    OneTree,
    /// A copy: times of access of regular files (looking at others changes theirs), and no more
    /// blocks than the first tree's.
    Copy,
}

/// Fails if the trees at two paths differ. Gives the number of entries.
pub(crate) fn same(first: &Path, second: &Path, compared: Compared) -> Result<usize> {
    same_as(&take(first)?, second, compared).map(|found| found.len())
}

/// Fails if the tree at a path differs from what was seen before. Gives what is there.
pub(crate) fn same_as(first: &Snapshot, second: &Path, compared: Compared) -> Result<Snapshot> {
    let there = take(second)?;
    let found = differences(first, &there, compared);
    if found.is_empty() {
        return Ok(there);
    }
    fail(format!(
        "{} differs in {} places:\n{}",
        second.display(),
        found.len(),
        found[..found.len().min(20)].join("\n")
    ))
}

/// A line for each difference.
fn differences(a: &Snapshot, b: &Snapshot, compared: Compared) -> Vec<String> {
    let mut found = Vec::new();
    for (path, entry) in a {
        match b.get(path) {
            None => found.push(format!("{}: only in the first", shown(path))),
            Some(other) => compare(path, entry, other, compared, &mut found),
        }
    }
    for path in b.keys().filter(|path| !a.contains_key(*path)) {
        found.push(format!("{}: only in the second", shown(path)));
    }
    found
}

fn compare(path: &Path, a: &Entry, b: &Entry, compared: Compared, found: &mut Vec<String>) {
    use rustix::fs::FileType;

    let directory = a.kind == FileType::Directory;
    let mut field = |name: &str, a: &dyn Debug, b: &dyn Debug, equal: bool| {
        if !equal {
            let short =
                |value: &dyn Debug| format!("{value:?}").chars().take(200).collect::<String>();
            found.push(format!(
                "{}: {name} {} and {}",
                shown(path),
                short(a),
                short(b)
            ));
        }
    };
    macro_rules! equal {
        ($($name:ident)*) => {$(
            field(stringify!($name), &a.$name, &b.$name, a.$name == b.$name);
        )*};
    }
    equal!(kind owner links device modified content same_as);
    field(
        "xattrs",
        &Attributes(&a.xattrs),
        &Attributes(&b.xattrs),
        a.xattrs == b.xattrs,
    );
    field("mode", &Octal(a.mode), &Octal(b.mode), a.mode == b.mode);
    let (x, y) = (&a.target, &b.target);
    field("target", &x.escape_ascii(), &y.escape_ascii(), x == y);
    if !directory || compared == Compared::OneTree {
        equal!(size);
    }
    if compared == Compared::Copy && a.kind == FileType::RegularFile {
        equal!(accessed);
        field("blocks", &a.blocks, &b.blocks, b.blocks <= a.blocks);
    }
}

struct Attributes<'a>(&'a BTreeMap<Vec<u8>, Vec<u8>>);

impl Debug for Attributes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in self.0 {
            let start = &value[..value.len().min(8)];
            write!(f, "{}={}… ", name.escape_ascii(), start.escape_ascii())?;
        }
        Ok(())
    }
}

struct Octal(u32);

impl Debug for Octal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::tree::make;

    /// What is done to one of two equal trees, and the word by which the difference is known.
    type Change = (&'static str, fn(&Path));

    const CHANGES: [Change; 7] = [
        ("only in the second", |root| {
            fs::write(root.join("new"), "").unwrap()
        }),
        ("only in the first", |root| {
            fs::remove_file(root.join("a")).unwrap()
        }),
        ("content", |root| {
            let time = fs::metadata(root.join("a")).unwrap().modified().unwrap();
            fs::write(root.join("a"), "ONE").unwrap();
            let file = fs::File::options()
                .write(true)
                .open(root.join("a"))
                .unwrap();
            file.set_modified(time).unwrap();
        }),
        ("mode", |root| {
            let mode = fs::Permissions::from_mode(0o4711);
            fs::set_permissions(root.join("a"), mode).unwrap();
        }),
        ("modified", |root| {
            let file = fs::File::options()
                .write(true)
                .open(root.join("a"))
                .unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        }),
        ("target", |root| {
            fs::remove_file(root.join("l")).unwrap();
            symlink("b", root.join("l")).unwrap();
        }),
        ("links", |root| {
            fs::hard_link(root.join("a"), root.join("z")).unwrap()
        }),
    ];

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir_in("/var/tmp").unwrap();
        fs::write(root.path().join("a"), "one").unwrap();
        symlink("a", root.path().join("l")).unwrap();
        fs::create_dir(root.path().join("d")).unwrap();
        root
    }

    #[test]
    fn a_tree_equals_itself() {
        let root = tree();
        same(root.path(), root.path(), Compared::OneTree).unwrap();
        same(root.path(), root.path(), Compared::Copy).unwrap();
    }

    #[test]
    fn every_kind_of_change_is_seen() {
        for (word, change) in CHANGES {
            let root = tree();
            let before = take(root.path()).unwrap();
            change(root.path());
            let found = differences(&before, &take(root.path()).unwrap(), Compared::OneTree);
            assert!(
                found.iter().any(|line| line.contains(word)),
                "{word}: {found:?}"
            );
        }
    }

    #[test]
    fn a_copy_with_more_blocks_than_its_source_is_seen() {
        let root = tree();
        let a = take(root.path()).unwrap();
        let mut b = a.clone();
        b.get_mut(Path::new("a")).unwrap().blocks += 8;
        assert!(differences(&a, &b, Compared::OneTree).is_empty());
        assert_eq!(differences(&a, &b, Compared::Copy).len(), 1);
        assert!(differences(&b, &a, Compared::Copy).is_empty());
    }

    #[test]
    fn a_hole_equals_written_zeros() {
        let (a, b) = (
            tempfile::tempdir_in("/var/tmp").unwrap(),
            tempfile::tempdir().unwrap(),
        );
        let hole = fs::File::create(a.path().join("f")).unwrap();
        hole.set_len(1 << 20).unwrap();
        fs::write(b.path().join("f"), vec![0; 1 << 20]).unwrap();
        let content = |root: &Path| take(root).unwrap()[Path::new("f")].content;
        assert_eq!(content(a.path()), content(b.path()));
        fs::write(b.path().join("f"), [vec![0; 5000], vec![1]].concat()).unwrap();
        assert_ne!(content(a.path()), content(b.path()));
    }

    #[test]
    fn a_seed_determines_the_tree() {
        let trees = [1, 1, 2].map(|seed| {
            let root = tempfile::tempdir_in("/var/tmp").unwrap();
            make(&root.path().join("t"), 300, seed).unwrap();
            root
        });
        let [a, b, c] = trees
            .each_ref()
            .map(|root| take(&root.path().join("t")).unwrap());
        assert!(a.len() >= 300);
        let found = differences(&a, &b, Compared::Copy);
        assert!(
            found.iter().all(|line| line.contains(": blocks ")),
            "{found:?}"
        );
        assert!(!differences(&a, &c, Compared::OneTree).is_empty());
    }
}
