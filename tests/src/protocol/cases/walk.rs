//! Walks.

use std::collections::HashSet;

use virtfs_client::{Fid, LopenFlags, QidType};

use super::errno::{ENAMETOOLONG, ENOENT, ENOTDIR};
use super::{ANY, content, fails, mkdir, put};
use crate::protocol::{Has, Site, sample};

cases! {
    ANY =>
        a_walk_without_names_makes_a_clone
        a_clone_outlives_its_original
        an_open_file_leaves_the_fid_that_it_came_from
        a_walk_of_any_length_arrives
        a_walk_is_its_steps
        a_missing_name_ends_a_walk_wherever_it_is
        nothing_is_below_a_file
        dotdot_at_the_root_stays
        dotdot_leads_back
        dot_stays
        bad_names_are_refused
        qids_tell_files_apart;
    Has::WRITE =>
        a_fid_is_its_file_wherever_that_moves
        dotdot_follows_a_directory_that_moved
        a_symlink_is_walked_to_and_not_through;
}

fn clone(fid: &Fid) -> Fid {
    fid.walk::<&[u8]>(&[]).unwrap()
}

fn a_walk_without_names_makes_a_clone(site: &Site) {
    let hello = site.hello();
    let other = clone(&hello);
    assert_eq!(other.qid().path, hello.qid().path);
    assert_ne!(other.number(), hello.number());
    assert_eq!(content(&other), sample::HELLO);
}

fn a_clone_outlives_its_original(site: &Site) {
    let hello = site.hello();
    let other = clone(&hello);
    hello.clunk().unwrap();
    assert_eq!(content(&other), sample::HELLO);
}

fn an_open_file_leaves_the_fid_that_it_came_from(site: &Site) {
    let hello = site.hello();
    let file = hello.open(LopenFlags::RDONLY).unwrap();
    assert_ne!(file.number(), hello.number());
    file.clunk().unwrap();
    let number = hello.number();
    let file = hello.into_open(LopenFlags::RDONLY).unwrap();
    assert_eq!(file.number(), number);
    assert_eq!(super::read(&file, 0, 100), sample::HELLO);
}

fn a_walk_of_any_length_arrives(site: &Site) {
    let names = site.deep();
    for length in [0, 1, 15, 16, 17, 31, 32, 33, sample::DEEP] {
        let there = site.root().walk(&names[..length]).unwrap();
        assert_eq!(there.qid().kind, QidType::DIR);
        // One step further is what tells the place.
        match names.get(length) {
            Some(next) => drop(there.walk(&[next]).unwrap()),
            None => assert!(super::names(&there).is_empty()),
        }
    }
}

fn a_walk_is_its_steps(site: &Site) {
    let names = site.deep();
    let mut at = clone(site.root());
    for (done, name) in names.iter().enumerate() {
        at = at.walk(&[name]).unwrap();
        let walked = site.root().walk(&names[..=done]).unwrap();
        assert_eq!(walked.qid().path, at.qid().path);
    }
}

fn a_missing_name_ends_a_walk_wherever_it_is(site: &Site) {
    for missing in [0, 1, 15, 16, 17, 32, sample::DEEP - 1] {
        let mut names = site.deep();
        names[missing] = "missing".to_owned();
        fails(site.root().walk(&names), &[ENOENT]);
        fails(site.root().stat_at(&names), &[ENOENT]);
    }
    // Nothing was left behind that is in the way.
    site.root().walk(&site.deep()).unwrap();
}

fn nothing_is_below_a_file(site: &Site) {
    let hello = site.hello();
    fails(hello.walk(&["x"]), &[ENOTDIR]);
    fails(hello.walk(&[".."]), &[ENOTDIR]);
    // A walk that got somewhere does not say what ended it.
    fails(site.root().walk(&["hello", "x"]), &[ENOTDIR, ENOENT]);
}

fn dotdot_at_the_root_stays(site: &Site) {
    let root = site.root();
    for names in [&[".."][..], &[".."; 20]] {
        assert_eq!(root.walk(names).unwrap().qid().path, root.qid().path);
    }
    site.hello();
    let hello = root.walk(&["..", "..", "hello"]).unwrap();
    assert_eq!(content(&hello), sample::HELLO);
}

fn dotdot_leads_back(site: &Site) {
    let names = site.deep();
    let end = site.root().walk(&names).unwrap();
    let back = end.walk(&[".."; sample::DEEP - 1]).unwrap();
    let first = site.root().walk(&names[..1]).unwrap();
    assert_eq!(back.qid().path, first.qid().path);
    let around = [&names[0], &names[1], "..", &names[1], &names[2]];
    let around = site.root().walk(&around).unwrap();
    let direct = site.root().walk(&names[..3]).unwrap();
    assert_eq!(around.qid().path, direct.qid().path);
}

fn dot_stays(site: &Site) {
    site.hello();
    let hello = site.root().walk(&[".", ".", "hello"]).unwrap();
    assert_eq!(content(&hello), sample::HELLO);
}

fn bad_names_are_refused(site: &Site) {
    site.hello();
    let root = site.root();
    for name in [&b""[..], b"/", b"hello/", b"./hello", b"hello\0", b"\0"] {
        fails(root.walk(&[name]), &[ENOENT]);
        fails(root.lookup(name), &[ENOENT]);
    }
    fails(root.walk(&[[b'x'; 256]]), &[ENAMETOOLONG]);
    fails(root.walk(&[vec![b'x'; 70_000]]), &[ENAMETOOLONG]);
    fails(root.walk(&[[b'x'; 255]]), &[ENOENT]);
    root.attributes().unwrap();
}

fn qids_tell_files_apart(site: &Site) {
    let many = site.many();
    let names: Vec<_> = super::names(&many);
    let paths: HashSet<u64> = names
        .iter()
        .map(|name| many.walk(&[name]).unwrap().qid().path)
        .collect();
    assert_eq!(paths.len(), sample::MANY);
}

fn a_fid_is_its_file_wherever_that_moves(site: &Site) {
    let root = site.root();
    let (a, b) = (mkdir(root, "a"), mkdir(root, "b"));
    let file = put(&a, b"f", b"moved");
    a.rename_at(b"f", &b, b"g").unwrap();
    root.rename_at(b"b", &a, b"c").unwrap();
    assert_eq!(content(&file), b"moved");
    assert_eq!(content(&root.walk(&["a", "c", "g"]).unwrap()), b"moved");
}

fn dotdot_follows_a_directory_that_moved(site: &Site) {
    let root = site.root();
    let (a, b) = (mkdir(root, "a"), mkdir(root, "b"));
    let moved = mkdir(&a, "d");
    a.rename_at(b"d", &b, b"d").unwrap();
    assert_eq!(moved.walk(&[".."]).unwrap().qid().path, b.qid().path);
}

fn a_symlink_is_walked_to_and_not_through(site: &Site) {
    let root = site.root();
    put(&mkdir(root, "d"), b"f", b"");
    root.symlink(b"link", b"d", 0).unwrap();
    let link = root.walk(&["link"]).unwrap();
    assert_eq!(link.qid().kind, QidType::SYMLINK);
    assert_eq!(link.attributes().unwrap().mode & 0o170000, 0o120000);
    fails(link.walk(&["f"]), &[ENOTDIR]);
}
