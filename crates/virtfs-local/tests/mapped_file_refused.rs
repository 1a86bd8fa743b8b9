//! `mapped-file`: what is refused leaves nothing behind.

mod common;

use std::fs;

use common::mapped_file::*;
use common::{Export, cx, name};
use virtfs_vfs::{Errno, FileSystem, Node};

/// The host's tree, the server's own files included.
fn tree(export: &Export) -> Vec<String> {
    let mut left = vec![export.dir.path().to_owned()];
    let mut found = Vec::new();
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            }
            found.push(entry.path().display().to_string());
        }
    }
    found.sort();
    found
}

fn link(export: &Export, node: &Node, dir: &Node, to: &str) -> Result<(), Errno> {
    export.fs.link(&cx(), node, dir, name(to))
}

#[test]
fn a_refused_rename_leaves_no_folder_of_metadata() {
    let export = export();
    let root = &export.root;
    for dir in ["d", "full"] {
        export.mkdir(root, dir).unwrap();
    }
    create(&export, root, "f", 7);
    export.host_write("full/host", "");
    let (d, full) = (export.walk("d"), export.walk("full"));
    let before = tree(&export);
    // Below itself.
    assert_eq!(export.rename((root, "d"), (&d, "e")), Err(Errno::EINVAL));
    // Below what is no directory, and over one that is not empty.
    let f = export.walk("f");
    assert_eq!(export.rename((root, "d"), (&f, "e")), Err(Errno::ENOTDIR));
    export.mkdir(&full, "below").unwrap();
    fs::remove_dir_all(export.host("full/.virtfs_metadata")).unwrap();
    export.host_write("full/below/host", "");
    let below = tree(&export);
    let refused = export.rename((root, "d"), (&full, "below"));
    assert!(matches!(refused, Err(Errno::ENOTEMPTY | Errno::EEXIST)));
    assert_eq!(tree(&export), below);
    fs::remove_dir_all(export.host("full/below")).unwrap();
    assert_eq!(tree(&export), before);
    // A file over a directory: what was noted in the metadata of that one is gone again.
    let text = metadata(&export, "d").unwrap();
    assert_eq!(export.rename((root, "f"), (root, "d")), Err(Errno::EISDIR));
    assert_eq!(metadata(&export, "d").unwrap(), text);
    assert_eq!(tree(&export), before);
}

#[test]
fn a_refused_link_leaves_no_metadata_and_no_folder() {
    let export = export();
    let root = &export.root;
    for path in ["host", "there"] {
        export.host_write(path, "");
    }
    for dir in ["d", "e"] {
        fs::create_dir(export.host(dir)).unwrap();
        export.host_write(&format!("{dir}/host"), "");
    }
    let before = tree(&export);
    let host = export.walk("host");
    assert_eq!(link(&export, &host, root, "there"), Err(Errno::EEXIST));
    let d = export.walk("d");
    assert_eq!(link(&export, &host, &d, "host"), Err(Errno::EEXIST));
    let theirs = export.walk("d/host");
    assert_eq!(link(&export, &theirs, root, "there"), Err(Errno::EEXIST));
    let e = export.walk("e");
    assert_eq!(link(&export, &theirs, &e, "host"), Err(Errno::EEXIST));
    assert_eq!(tree(&export), before);
    // Metadata that were there stay.
    create(&export, root, "f", 7);
    let before = tree(&export);
    let f = export.walk("f");
    assert_eq!(link(&export, &f, &d, "host"), Err(Errno::EEXIST));
    assert_eq!(link(&export, &host, root, "f"), Err(Errno::EEXIST));
    assert_eq!(tree(&export), before);
    assert_eq!(metadata(&export, "f").unwrap(), USER_7);
}
