//! Handles of others, failures without a trace, and the whole file system's state.

use std::sync::Arc;

use super::ops::{RDWR, READ, fails, name};
use super::{Fixture, SliceRequest, VecReply};
use crate::{
    Attr, DirEntry, Errno, Make, Node, Open, OpenFlags, Place, Qids, Removal, SetAttr, StatWant,
    XattrPut,
};

const EBADF: &[Errno] = &[Errno::EBADF];

pub(super) fn a_foreign_node_is_refused(t: &Fixture) {
    let node = Node::new(Arc::new(0_u8));
    let node = &node;
    let (fs, cx, root, called) = (t.fs(), t.cx(), t.root(), name("x"));
    t.file(root, "f", b"");
    fails(fs.walk(&cx, node, &[], &mut Qids::new()), EBADF);
    fails(fs.walk(&cx, node, &[called], &mut Qids::new()), EBADF);
    fails(fs.stat(&cx, node, None, StatWant::all()), EBADF);
    let mode = SetAttr {
        mode: Some(0),
        ..SetAttr::default()
    };
    fails(fs.set(&cx, node, None, &mode), EBADF);
    fails(fs.open(&cx, node, READ), EBADF);
    fails(fs.create(&cx, node, called, RDWR, 0o644, t.gid()), EBADF);
    let dir = Make::Directory { mode: 0o755 };
    fails(fs.make(&cx, node, called, dir, t.gid()), EBADF);
    fails(fs.link(&cx, node, root, called), EBADF);
    fails(fs.link(&cx, &t.at("f"), node, called), EBADF);
    fails(fs.rename(&cx, Place::Node(node), root, called), EBADF);
    fails(
        fs.rename(&cx, Place::Entry(node, called), root, called),
        EBADF,
    );
    let from = Place::Entry(root, name("f"));
    fails(fs.rename(&cx, from, node, called), EBADF);
    fails(fs.remove(&cx, Place::Node(node), Removal::Either), EBADF);
    let entry = Place::Entry(node, called);
    fails(fs.remove(&cx, entry, Removal::Either), EBADF);
    fails(fs.statfs(&cx, node), EBADF);
    fails(fs.readlink(&cx, node), EBADF);
    assert_eq!(t.names(root), [b"f"]);
}

pub(super) fn a_foreign_open_file_is_refused(t: &Fixture) {
    let open = Open::new(Arc::new(0_u8));
    let (fs, cx) = (t.fs(), t.cx());
    fails(fs.read(&cx, &open, 0, &mut VecReply::new(9)), EBADF);
    let mut body = SliceRequest::new(b"x");
    fails(fs.write(&cx, &open, 0, &mut body), EBADF);
    let mut take = |_: &DirEntry<'_>| true;
    fails(fs.list(&cx, &open, 0, &mut take), EBADF);
    fails(fs.sync(&cx, &open, false), EBADF);
}

/// All that can be seen of a tree, but access times.
fn snapshot(t: &Fixture) -> Vec<(String, Attr, Vec<u8>)> {
    let mut out = Vec::new();
    let mut left = vec![(String::new(), t.root().clone())];
    while let Some((path, dir)) = left.pop() {
        for called in t.names(&dir) {
            let called = String::from_utf8(called).unwrap();
            let node = t.walk(&dir, &called).unwrap();
            let path = format!("{path}/{called}");
            let mut attr = t.stat(&node);
            let content = match attr.mode & 0o170000 {
                0o100000 => t.content(&node),
                0o120000 => t.readlink(&node).unwrap(),
                _ => Vec::new(),
            };
            attr.atime = Default::default();
            out.push((path.clone(), attr, content));
            if attr.mode & 0o170000 == 0o040000 {
                left.push((path, node));
            }
        }
    }
    out
}

pub(super) fn what_fails_leaves_everything_as_it_was(t: &Fixture) {
    let d = t.dir(t.root(), "d");
    let f = t.file(&d, "f", b"content");
    t.dir(&d, "empty");
    t.symlink(&d, "l", b"f");
    let gone = t.removed_dir();
    let before = snapshot(t);
    let exclusive = RDWR | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE;
    assert!(t.create(&d, "f", exclusive, 0o600).is_err());
    assert!(
        t.create(&d, "l", RDWR | OpenFlags::TRUNCATE, 0o600)
            .is_err()
    );
    assert!(t.create(&f, "x", RDWR, 0o600).is_err());
    assert!(t.make(&d, "f", Make::Directory { mode: 0o700 }).is_err());
    assert!(t.make(&d, "empty", Make::Symlink { target: b"x" }).is_err());
    assert!(t.make(&gone, "x", Make::Directory { mode: 0o700 }).is_err());
    assert!(t.link(&f, &d, "l").is_err());
    assert!(t.link(&d, t.root(), "e").is_err());
    assert!(t.rename((t.root(), "d"), (&d, "x")).is_err());
    assert!(t.rename((&d, "empty"), (&d, "f")).is_err());
    assert!(t.rename((&d, "f"), (&d, "empty")).is_err());
    assert!(t.rename((&d, "f"), (&gone, "f")).is_err());
    assert!(t.rename((&d, "missing"), (&d, "f")).is_err());
    assert!(t.remove(t.root(), "d", Removal::Either).is_err());
    assert!(t.remove(&d, "f", Removal::Directory).is_err());
    assert!(t.remove(&d, "empty", Removal::File).is_err());
    assert!(
        t.open(&f, RDWR | OpenFlags::DIRECTORY | OpenFlags::TRUNCATE)
            .is_err()
    );
    let (fs, cx) = (t.fs(), t.cx());
    let replaced = fs.xattr_put(&cx, &f, None, b"user.a", b"", XattrPut::Replace);
    assert!(replaced.is_err());
    assert_eq!(snapshot(t), before);
}

pub(super) fn the_state_of_the_whole_is_sane(t: &Fixture) {
    let file = t.file(t.root(), "f", b"");
    for node in [t.root(), &file] {
        let state = t.fs().statfs(&t.cx(), node).unwrap();
        assert_eq!(state.namelen, 255);
        assert!(state.bsize > 0);
        assert!(state.blocks > 0);
        assert!(state.bavail <= state.bfree && state.bfree <= state.blocks);
        assert!(state.ffree <= state.files);
    }
}
