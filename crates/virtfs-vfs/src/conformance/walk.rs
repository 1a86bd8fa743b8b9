//! Walks.

use super::Fixture;
use super::ops::{fails, name};
use crate::{Errno, FileKind, Name, Node, Qids};

/// The qids of a walk, whatever became of it.
fn steps(t: &Fixture, from: &Node, names: &[&str]) -> (Result<Node, Errno>, Qids) {
    let names: Vec<Name<'_>> = names.iter().map(|n| name(*n)).collect();
    let mut qids = Qids::new();
    (t.fs().walk(&t.cx(), from, &names, &mut qids), qids)
}

pub(super) fn a_walk_without_names_stays(t: &Fixture) {
    let file = t.file(t.root(), "f", b"x");
    let (same, qids) = steps(t, &file, &[]);
    assert!(qids.is_empty());
    assert_eq!(t.stat(&same.unwrap()).qid.path, t.stat(&file).qid.path);
}

pub(super) fn sixteen_names_are_walked_at_once(t: &Fixture) {
    let all = [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f",
    ];
    let mut dir = t.root().clone();
    let mut paths = Vec::new();
    for called in all {
        dir = t.dir(&dir, called);
        paths.push(t.stat(&dir).qid.path);
    }
    let (last, qids) = steps(t, t.root(), &all);
    assert_eq!(t.stat(&last.unwrap()).qid.path, paths[15]);
    assert_eq!(qids.iter().map(|qid| qid.path).collect::<Vec<_>>(), paths);
    assert!(qids.iter().all(|qid| qid.kind == Some(FileKind::Directory)));
}

pub(super) fn a_missing_name_ends_a_walk_behind_what_was_there(t: &Fixture) {
    let a = t.dir(t.root(), "a");
    t.dir(&a, "b");
    let (end, qids) = steps(t, t.root(), &["a", "b", "missing", "c"]);
    fails(end, &[Errno::ENOENT]);
    assert_eq!(qids.len(), 2);
    let (end, qids) = steps(t, t.root(), &["missing"]);
    fails(end, &[Errno::ENOENT]);
    assert!(qids.is_empty());
}

pub(super) fn dotdot_at_the_root_stays(t: &Fixture) {
    let (end, qids) = steps(t, t.root(), &["..", "..", ".."]);
    assert_eq!(t.stat(&end.unwrap()).qid.path, t.root_qid().path);
    assert_eq!(qids.len(), 3);
    assert!(qids.iter().all(|qid| qid.path == t.root_qid().path));
    t.dir(t.root(), "d");
    let (end, _) = steps(t, t.root(), &["d", "..", "..", "d"]);
    assert_eq!(t.stat(&end.unwrap()).qid.path, t.stat(&t.at("d")).qid.path);
}

pub(super) fn dotdot_leads_to_the_parent(t: &Fixture) {
    let a = t.dir(t.root(), "a");
    let b = t.dir(&a, "b");
    let up = t.walk(&b, "..").unwrap();
    assert_eq!(t.stat(&up).qid.path, t.stat(&a).qid.path);
    let top = t.walk(&up, "..").unwrap();
    assert_eq!(t.stat(&top).qid.path, t.root_qid().path);
}

pub(super) fn dotdot_follows_a_directory_that_moved(t: &Fixture) {
    let (a, b) = (t.dir(t.root(), "a"), t.dir(t.root(), "b"));
    let moved = t.dir(&a, "moved");
    let below = t.dir(&moved, "below");
    t.rename((&a, "moved"), (&b, "there")).unwrap();
    let up = t.walk(&moved, "..").unwrap();
    assert_eq!(t.stat(&up).qid.path, t.stat(&b).qid.path);
    let up = t.walk(&below, "../..").unwrap();
    assert_eq!(t.stat(&up).qid.path, t.stat(&b).qid.path);
}

pub(super) fn dot_stays(t: &Fixture) {
    let a = t.dir(t.root(), "a");
    let (end, qids) = steps(t, t.root(), &[".", "a", "."]);
    assert_eq!(t.stat(&end.unwrap()).qid.path, t.stat(&a).qid.path);
    assert_eq!(qids.len(), 3);
    assert_eq!(qids[0].path, t.root_qid().path);
    assert_eq!(qids[1].path, qids[2].path);
}

pub(super) fn nothing_is_below_a_file(t: &Fixture) {
    t.file(t.root(), "f", b"");
    let (end, qids) = steps(t, t.root(), &["f", "x"]);
    fails(end, &[Errno::ENOTDIR]);
    assert_eq!(qids.len(), 1);
    assert_eq!(qids[0].kind, Some(FileKind::Regular));
}

pub(super) fn a_walk_reaches_a_symlink_and_not_its_target(t: &Fixture) {
    let d = t.dir(t.root(), "d");
    t.file(&d, "f", b"");
    t.symlink(t.root(), "link", b"d");
    let (end, qids) = steps(t, t.root(), &["link"]);
    assert_eq!(qids[0].kind, Some(FileKind::Symlink));
    let attr = t.stat(&end.unwrap());
    assert_eq!(FileKind::from_mode(attr.mode), Some(FileKind::Symlink));
    let (end, qids) = steps(t, t.root(), &["link", "f"]);
    fails(end, &[Errno::ENOTDIR]);
    assert_eq!(qids.len(), 1);
}

pub(super) fn qid_paths_tell_files_apart(t: &Fixture) {
    let f = t.file(t.root(), "f", b"");
    t.link(&f, t.root(), "same").unwrap();
    t.file(t.root(), "g", b"");
    t.dir(t.root(), "d");
    let path = |at: &str| t.stat(&t.at(at)).qid.path;
    assert_eq!(path("f"), path("same"));
    let mut all = vec![path("f"), path("g"), path("d"), t.root_qid().path];
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 4);
}

pub(super) fn the_root_is_a_directory(t: &Fixture) {
    assert_eq!(t.root_qid().kind, Some(FileKind::Directory));
    let attr = t.stat(t.root());
    assert_eq!(FileKind::from_mode(attr.mode), Some(FileKind::Directory));
    assert_eq!(attr.qid.path, t.root_qid().path);
}

pub(super) fn a_path_longer_than_path_max_is_walked(t: &Fixture) {
    let called = "n".repeat(255);
    let mut dir = t.root().clone();
    for _ in 0..20 {
        dir = t.dir(&dir, &called);
    }
    t.file(&dir, "bottom", b"deep");
    let path = [called.as_str(); 20].join("/");
    let bottom = t.at(&format!("{path}/bottom"));
    assert_eq!(t.content(&bottom), b"deep");
    t.remove_node(&bottom, crate::Removal::File).unwrap();
    assert!(t.names(&dir).is_empty());
}
