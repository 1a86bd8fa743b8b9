//! Nodes keep their file, and entries their truth, when files are moved by the host or by us.

mod common;

use std::fs;

use common::{Export, cx, ino, name};
use virtfs_vfs::{Errno, FileSystem};

#[test]
fn a_node_keeps_its_file_when_the_host_moves_it() {
    let export = Export::new();
    fs::create_dir_all(export.host("a/b")).unwrap();
    export.host_write("a/b/file", "content");
    let (dir, file) = (export.walk("a/b"), export.walk("a/b/file"));
    fs::rename(export.host("a/b"), export.host("c")).unwrap();
    export.host_write("c/late", "late");
    assert_eq!(export.content(&file), "content");
    assert_eq!(export.stat(&dir).qid.path, ino(&export.host("c")));
    // What lies below a moved directory is still reached from it.
    let late = export.try_walk_from(&dir, "late").unwrap().0;
    assert_eq!(export.content(&late), "late");
    // But the way up is not where it was.
    assert_eq!(export.try_walk_from(&dir, "..").unwrap_err(), Errno::ESTALE);
    // A walk to the new place puts that right: a directory has one place only.
    export.walk("c");
    let up = export.try_walk_from(&dir, "..").unwrap().1;
    assert_eq!(up, export.stat(&export.root).qid);
    export.remove_node(&file).unwrap();
    assert!(!export.host("c/file").exists());
}

#[test]
fn a_directory_that_the_host_moved_inside_the_export_can_be_filled() {
    let export = Export::new();
    fs::create_dir_all(export.host("a/b")).unwrap();
    let dir = export.walk("a/b");
    fs::rename(export.host("a"), export.host("c")).unwrap();
    export.mkdir(&dir, "made").unwrap();
    assert!(export.host("c/b/made").is_dir());
    export
        .rename((&dir, "made"), (&export.root, "moved"))
        .unwrap();
    assert!(export.host("moved").is_dir());
}

#[test]
fn an_entry_that_the_host_took_is_not_removed_by_its_node() {
    let export = Export::new();
    export.host_write("a", "mine");
    let node = export.walk("a");
    fs::rename(export.host("a"), export.host("b")).unwrap();
    assert_eq!(export.remove_node(&node), Err(Errno::ENOENT));
    export.host_write("a", "another");
    assert_eq!(export.remove_node(&node), Err(Errno::ESTALE));
    let moved = export.rename_node(&node, (&export.root, "c"));
    assert_eq!(moved, Err(Errno::ESTALE));
    assert_eq!(export.host_read("a"), "another");
    assert_eq!(export.host_read("b"), "mine");
}

#[test]
fn each_link_of_a_file_is_removed_by_its_own_node() {
    let export = Export::new();
    fs::create_dir(export.host("d")).unwrap();
    fs::create_dir(export.host("e")).unwrap();
    export.host_write("d/one", "content");
    fs::hard_link(export.host("d/one"), export.host("e/two")).unwrap();
    let (one, two) = (export.walk("d/one"), export.walk("e/two"));
    assert_eq!(export.stat(&one).qid, export.stat(&two).qid);
    export.remove_node(&two).unwrap();
    assert!(export.host("d/one").exists() && !export.host("e/two").exists());
    assert_eq!(export.remove_node(&two), Err(Errno::ENOENT));
    export.remove_node(&one).unwrap();
    assert!(!export.host("d/one").exists());
}

#[test]
fn a_rename_takes_nodes_along_and_all_below_them() {
    let export = Export::new();
    fs::create_dir_all(export.host("a/b/c")).unwrap();
    fs::create_dir(export.host("z")).unwrap();
    export.host_write("a/b/c/file", "content");
    let (b, c, file) = (
        export.walk("a/b"),
        export.walk("a/b/c"),
        export.walk("a/b/c/file"),
    );
    let z = export.walk("z");
    export.rename((&export.walk("a"), "b"), (&z, "B")).unwrap();
    assert_eq!(export.host_read("z/B/c/file"), "content");
    let up = export.try_walk_from(&c, "../..").unwrap().1;
    assert_eq!(up.path, export.stat(&z).qid.path);
    export.rename_node(&file, (&b, "FILE")).unwrap();
    assert_eq!(export.host_read("z/B/FILE"), "content");
    export.rename_node(&b, (&export.root, "top")).unwrap();
    export.remove_node(&file).unwrap();
    assert!(!export.host("top/FILE").exists());
    export.mkdir(&c, "new").unwrap();
    assert!(export.host("top/c/new").exists());
}

#[test]
fn a_directory_cannot_be_moved_below_itself() {
    let export = Export::new();
    fs::create_dir_all(export.host("a/b")).unwrap();
    let b = export.walk("a/b");
    let moved = export.rename((&export.root, "a"), (&b, "a"));
    assert_eq!(moved, Err(Errno::EINVAL));
    let up = export.try_walk_from(&b, "..").unwrap().1;
    assert_eq!(up.path, ino(&export.host("a")));
}

#[test]
fn a_rename_between_two_links_of_one_file_leaves_both() {
    let export = Export::new();
    export.host_write("one", "x");
    fs::hard_link(export.host("one"), export.host("two")).unwrap();
    let (one, two) = (export.walk("one"), export.walk("two"));
    export
        .rename((&export.root, "one"), (&export.root, "two"))
        .unwrap();
    assert!(export.host("one").exists() && export.host("two").exists());
    export.remove_node(&one).unwrap();
    assert!(!export.host("one").exists() && export.host("two").exists());
    export.remove_node(&two).unwrap();
    assert!(!export.host("two").exists());
}

#[test]
fn dot_dot_of_the_root_is_the_root() {
    let export = Export::below(Default::default());
    let root = export.stat(&export.root).qid;
    assert_eq!(export.qid(".."), root);
    assert_eq!(export.qid("../../."), root);
    let list = export.list(&export.root);
    let names: Vec<_> = list.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, [".", ".."]);
    assert!(list.iter().all(|(_, qid)| qid.path == root.path));
    let outside = export.mkdir(&export.walk(".."), "inside").unwrap();
    assert_eq!(outside.path, ino(&export.host("export/inside")));
}

/// Two clients rename back and forth and at once; afterwards no node has lost its way, and no
/// chain of parents has closed to a ring.
#[test]
fn racing_renames_leave_entries_right() {
    let export = Export::new();
    for dir in ["a", "b", "a/x"] {
        fs::create_dir(export.host(dir)).unwrap();
    }
    let (a, b, x) = (export.walk("a"), export.walk("b"), export.walk("a/x"));
    std::thread::scope(|scope| {
        let mover = |from: &'static str| {
            let (export, a, b) = (&export, &a, &b);
            move || {
                for _ in 0..500 {
                    let (from, to) = if from == "a" { (a, b) } else { (b, a) };
                    let _ = export.rename((from, "x"), (to, "x"));
                    let _ = export.rename((&export.root, "a"), (b, "a"));
                    let _ = export.rename((b, "a"), (&export.root, "a"));
                }
            }
        };
        scope.spawn(mover("a"));
        scope.spawn(mover("b"));
        for _ in 0..500 {
            let _ = export.try_walk("b/a/x");
            let _ = export.try_walk_from(&x, "..");
        }
    });
    let made = export.fs.make(
        &cx(),
        &x,
        name("mark"),
        virtfs_vfs::Make::Directory { mode: 0o755 },
        u32::MAX,
    );
    made.unwrap();
    let places = ["a/x/mark", "b/x/mark", "b/a/x/mark"];
    let found = places.iter().filter(|p| export.host(p).exists());
    assert_eq!(found.count(), 1);
}
