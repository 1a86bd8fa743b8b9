//! Directories in pieces.

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{Export, READ, cx};
use virtfs_vfs::{Errno, FileSystem, Open};

/// As many entries as there is room for, as (cookie, name).
fn piece(export: &Export, open: &Open, cookie: u64, room: usize) -> Vec<(u64, Vec<u8>)> {
    let mut got = Vec::new();
    export
        .fs
        .list(&cx(), open, cookie, &mut |entry| {
            if got.len() == room {
                return false;
            }
            assert_ne!(entry.next, 0);
            got.push((entry.next, entry.name.to_vec()));
            true
        })
        .unwrap();
    got
}

fn full(count: usize) -> (Export, Open) {
    let export = Export::new();
    for i in 0..count {
        export.host_write(&format!("a rather long name to fill buffers with {i}"), "");
    }
    let open = export.open(&export.root, READ);
    (export, open)
}

#[test]
fn a_big_directory_is_listed_whole_in_tiny_pieces() {
    let (export, open) = full(3000);
    for room in [1, 7, 5000] {
        let mut cookie = 0;
        let mut seen = BTreeSet::new();
        loop {
            let got = piece(&export, &open, cookie, room);
            let Some((last, _)) = got.last() else { break };
            cookie = *last;
            for (_, name) in got {
                assert!(seen.insert(name), "twice");
            }
        }
        assert_eq!(seen.len(), 3002);
        assert!(seen.contains(&b"."[..]) && seen.contains(&b".."[..]));
    }
}

#[test]
fn any_cookie_goes_on_behind_its_entry() {
    let (export, open) = full(700);
    let all = piece(&export, &open, 0, 1000);
    for i in [0, 699, 5, 350, 349, 351, 350] {
        let rest = piece(&export, &open, all[i].0, 3);
        let expected: Vec<_> = all.iter().skip(i + 1).take(3).cloned().collect();
        assert_eq!(rest, expected, "{i}");
    }
    assert_eq!(piece(&export, &open, all[701].0, 10), []);
    assert_eq!(piece(&export, &open, 0, 1000), all);
}

#[test]
fn a_list_from_the_start_sees_what_is_new() {
    let (export, open) = full(3);
    assert_eq!(piece(&export, &open, 0, 100).len(), 5);
    export.host_write("new", "");
    assert_eq!(piece(&export, &open, 0, 100).len(), 6);
    fs::remove_file(export.host("new")).unwrap();
    assert_eq!(piece(&export, &open, 0, 2).len(), 2);
    assert_eq!(piece(&export, &open, 0, 100).len(), 5);
}

#[test]
fn a_removed_directory_is_empty() {
    let export = Export::new();
    export.mkdir(&export.root, "d").unwrap();
    let dir = export.walk("d");
    let open = export.open(&dir, READ);
    export.remove_node(&dir).unwrap();
    assert_eq!(piece(&export, &open, 0, 10), []);
}

#[test]
fn only_directories_are_listed_and_only_files_read() {
    let export = Export::new();
    let (_, file) = export.create("f");
    let dir = export.open(&export.root, READ);
    let listed = export.fs.list(&cx(), &file, 0, &mut |_| true);
    assert_eq!(listed, Err(Errno::ENOTDIR));
    assert_eq!(export.read(&dir, 0, 10), Err(Errno::EISDIR));
}
