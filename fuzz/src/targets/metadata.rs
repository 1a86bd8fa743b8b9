//! What lies beside files where owners are mapped, whoever put it there: `.virtfs_metadata` files
//! and extended attributes. A server meets it with some of every operation, and the check of
//! metadata looks at it before and after.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{XattrFlags, lsetxattr};
use virtfs_local::check::{Check, Finding, Watch};
use virtfs_local::{Options, SecurityModel};
use virtfs_tests::Rng;

use super::Target;
use super::deeds::DEEDS;
use super::local::{directory, serve};
use crate::mutate;

pub(super) const TARGET: Target = Target {
    name: "metadata",
    run,
    mutate,
};

/// The attributes that `mapped-xattr` keeps, and what clients have of their own.
const NAMES: [&str; 8] = [
    "user.virtfs.uid",
    "user.virtfs.gid",
    "user.virtfs.mode",
    "user.virtfs.rdev",
    "user.virtfs.system.posix_acl_access",
    "user.virtfs.system.posix_acl_default",
    "user.virtfs.security.selinux",
    "user.mine",
];

/// What stands in contents for the number of the inode of `e`, which no input can know.
const INODE: &[u8] = b"INODE";

/// The first byte chooses the model, the rest are contents.
fn run(input: &[u8]) {
    let Some((like, content)) = input.split_first() else {
        return;
    };
    let dir = directory();
    let root = dir.path();
    fs::create_dir(root.join("d")).expect("a directory");
    for file in ["f", "e", "n", "d/g"] {
        fs::write(root.join(file), b"../target").expect("a file");
    }
    fs::hard_link(root.join("f"), root.join("h")).expect("a link");
    let mapped_file = like & 1 == 0;
    let model = if mapped_file {
        put_texts(root, &numbered(root, content));
        SecurityModel::MappedFile
    } else {
        put_attributes(root, content);
        SecurityModel::MappedXattr
    };
    check(root);
    let options = Options {
        model,
        readonly: like & 2 != 0,
        ..Options::default()
    };
    serve(root, options, &DEEDS);
    check(root);
}

fn numbered(root: &Path, content: &[u8]) -> Vec<u8> {
    let of_e = fs::metadata(root.join("e")).expect("it was made");
    let number = of_e.ino().to_string();
    let mut all = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some((byte, behind)) = rest.split_first() {
        rest = match rest.strip_prefix(INODE) {
            Some(behind) => {
                all.extend(number.bytes());
                behind
            }
            None => {
                all.push(*byte);
                behind
            }
        };
    }
    all
}

/// Files of metadata: the first half is that of `f`, `h` and the root, the second that of all others
/// but `n`, which has none.
fn put_texts(root: &Path, content: &[u8]) {
    let (first, second) = content.split_at(content.len() / 2);
    let texts = [
        (".virtfs_metadata/f", first),
        (".virtfs_metadata/d", second),
        (".virtfs_metadata/e", second),
        (".virtfs_metadata_root", first),
        ("d/.virtfs_metadata/g", second),
        ("d/.virtfs_metadata/gone", second),
    ];
    for folder in [".virtfs_metadata", "d/.virtfs_metadata"] {
        fs::create_dir(root.join(folder)).expect("a folder of metadata");
    }
    for (path, text) in texts {
        fs::write(root.join(path), text).expect("a file of metadata");
    }
    let [f, h] = [".virtfs_metadata/f", ".virtfs_metadata/h"];
    fs::hard_link(root.join(f), root.join(h)).expect("a link");
}

/// Attributes: a byte that says which and of what, a length, a value, and so on.
fn put_attributes(root: &Path, mut content: &[u8]) {
    while let [which, length, rest @ ..] = content {
        let (value, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        let path = ["f", "d", "d/g", "."][usize::from(which >> 3) % 4];
        let name = NAMES[usize::from(which % 8)];
        // The file system may have no room for it, or none at all.
        let _ = lsetxattr(root.join(path), name, value, XattrFlags::empty());
        content = rest;
    }
}

struct Told;

impl Watch for Told {
    fn found(&mut self, finding: &Finding<'_>) -> ControlFlow<()> {
        let _ = format!("{finding:?}");
        ControlFlow::Continue(())
    }
}

fn check(root: &Path) {
    let outcome = Check::default().run(root, &mut Told);
    outcome.expect("the directory can be looked at");
}

/// What metadata is made of.
const WORDS: [&[u8]; 16] = [
    INODE,
    b"\nsuccessor=INODE uid=7 mode=33188\n",
    b"virtfs.uid=",
    b"virtfs.gid=0\n",
    b"virtfs.mode=",
    b"virtfs.rdev=",
    b"\nsuccessor=",
    b" uid=7",
    b" gid=7",
    b"33188",
    b"41471\n",
    b"24992",
    b"4294967295",
    b"18446744073709551616",
    b"-1",
    b"\n",
];

fn mutate(input: &mut Vec<u8>, random: &mut Rng, limit: usize) {
    for _ in 0..=random.below(3) {
        if random.below(2) == 0 {
            let at = random.index(input.len() + 1);
            let word = WORDS[random.index(WORDS.len())];
            input.splice(at..at, word.iter().copied());
        } else {
            mutate::bytes(input, random);
        }
    }
    input.truncate(limit);
}
