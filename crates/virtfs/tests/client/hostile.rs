//! `get` from a server that wants to do harm: what it makes up leads nowhere else.

use std::fs;

use crate::harm::{File, get};

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["", "../out/new", "a/b", "/etc/new", "..", "."] {
        let (dir, done) = get(move |_, path, _| match path {
            "" => Some(File::Directory(vec![name])),
            _ => Some(File::Regular("text")),
        });
        // What directories list of themselves is passed over; the rest breaks the protocol.
        let passed_over = matches!(name, "." | "..");
        assert_eq!(
            done.code,
            Some(if passed_over { 0 } else { 1 }),
            "{}",
            done.err
        );
        assert_eq!(fs::read_dir(dir.path().join("in")).unwrap().count(), 0);
    }
}

#[test]
fn a_link_made_before_is_not_followed_by_a_directory_of_its_name() {
    let (_dir, done) = get(|out, path, count| match path {
        "" => Some(File::Directory(vec!["evil", "evil", "evil"])),
        "/evil" if count % 2 == 1 => Some(File::Link(out.to_str()?.into())),
        "/evil" => Some(File::Directory(vec!["file", "planted"])),
        _ => Some(File::Regular("evil")),
    });
    done.failed();
}

#[test]
fn a_link_made_before_is_not_followed_by_a_file_of_its_name() {
    for first in 0..2 {
        let (dir, _) = get(move |out, path, count| match path {
            "" => Some(File::Directory(vec!["evil", "evil"])),
            "/evil" if count % 2 == first => Some(File::Link(out.join("file").to_str()?.into())),
            _ => Some(File::Regular("evil")),
        });
        assert_eq!(fs::read_dir(dir.path().join("in")).unwrap().count(), 1);
    }
}

#[test]
fn a_tree_without_a_bottom_is_given_up() {
    let (_dir, done) = get(|_, _, _| Some(File::Directory(vec!["loop"])));
    let err = done.failed();
    assert!(err.ends_with("loop: it is too deep\n"), "{err}");
}

#[test]
fn a_file_that_turns_into_a_directory_fails_alone() {
    let (dir, done) = get(|_, path, count| match path {
        "" => Some(File::Directory(vec!["x", "good"])),
        "/good" => Some(File::Regular("text")),
        _ if count < 3 => Some(File::Directory(vec!["x"])),
        _ => None,
    });
    done.failed();
    assert!(dir.path().join("in/good").exists());
}
