//! What it refuses, and how it says so.

use std::path::Path;
use std::process::Command;

use crate::running::{Running, serve};

fn refused(command: &mut Command, status: i32, hint: &str) {
    let (is, text) = Running::start(command).failure();
    assert_eq!(is, Some(status), "{text}");
    assert!(text.contains(hint), "{text}");
}

#[test]
fn a_directory_that_cannot_be_served_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let listen = ["--listen", "tcp:127.0.0.1:0"];
    refused(
        serve(Path::new("/nowhere")).args(listen),
        1,
        "/nowhere: there is no such directory",
    );
    refused(serve(&file).args(listen), 1, "not a directory");
}

#[test]
fn without_an_address_it_says_which_there_are() {
    let dir = tempfile::tempdir().unwrap();
    refused(&mut serve(dir.path()), 2, "--listen unix:");
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_2() {
    let dir = tempfile::tempdir().unwrap();
    for (flags, hint) in [
        (&["--listen", "5640"][..], "tcp:HOST:PORT"),
        (&["--listen", "stdio", "--msize", "1"], "4096"),
        (
            &["--listen", "stdio", "--security-model", "mapped-"],
            "passthrough",
        ),
        (&["--listen", "stdio", "--export", "x"], "NAME=DIR"),
        (&["--listen", "stdio", "--unknown"], "--unknown"),
    ] {
        refused(serve(dir.path()).args(flags), 2, hint);
    }
}
