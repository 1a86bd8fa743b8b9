//! How the command ends.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::site::{MODE, Said, Site, command};

#[test]
fn the_status_tells_what_was_found() {
    let site = Site::new();
    let said = site.check(&[]);
    assert_eq!((said.status, &*said.err), (Some(0), ""));
    let none = "1 entry: 0 errors, 0 warnings, 0 notes; no metadata of a mapped model\n";
    assert_eq!(said.out, none);
    assert_eq!(site.check(&["-q"]).out, "");
    fs::create_dir(site.path(".virtfs_metadata")).unwrap();
    let said = site.check(&[]);
    assert!(said.status == Some(0) && said.out.contains(": note: "));
    site.file(".virtfs_metadata/gone", "");
    assert_eq!(site.check(&[]).status, Some(1));
}

#[test]
fn what_cannot_be_checked_is_another_status() {
    let site = Site::new();
    site.file("f", "");
    for (dir, why) in [("nowhere", "No such file"), ("f", "Not a directory")] {
        let said = Said::of(command(&site.path(dir)).output().unwrap());
        assert_eq!(said.status, Some(2));
        assert!(
            said.err.contains("cannot check") && said.err.contains(why),
            "{}",
            said.err
        );
    }
    assert_eq!(site.check(&["--nonsense"]).status, Some(2));
    assert_eq!(
        site.check(&["--security-model", "passthrough"]).status,
        Some(2)
    );
}

#[test]
fn a_place_that_must_not_be_read_is_told() {
    let root = rustix::process::geteuid().is_root();
    assert!(
        root,
        "this test needs root: without it nothing would be tested"
    );
    let site = Site::new();
    site.file("shut/f", "");
    site.file("bad", "");
    site.xattr("bad", MODE, b"123");
    fs::set_permissions(site.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    fs::set_permissions(site.path("shut"), PermissionsExt::from_mode(0o700)).unwrap();
    let program = site.path("virtfs");
    fs::copy(env!("CARGO_BIN_EXE_virtfs"), &program).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new(&program);
    command
        .arg("check")
        .arg(site.dir.path())
        .uid(1000)
        .gid(1000);
    let said = Said::of(command.output().unwrap());
    assert_eq!(said.status, Some(2), "{}", said.err);
    assert!(said.out.contains("shut: not checked: "), "{}", said.out);
    assert!(said.out.contains("as root"), "{}", said.out);
    assert!(said.out.contains("bad: error: "), "{}", said.out);
}

fn many() -> Site {
    let site = Site::new();
    for number in 0..5000 {
        let path = format!("{number}");
        site.file(&path, "");
        site.xattr(&path, MODE, b"123");
    }
    site
}

/// The pipe is full long before the end, so that the program waits for its reader.
#[test]
fn a_signal_ends_it_in_order() {
    let site = many();
    let mut child = command(site.dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut read = vec![0];
    out.read_exact(&mut read).unwrap();
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).unwrap();
    // Until the program has taken it.
    let status = format!("/proc/{pid}/status");
    while fs::read_to_string(&status)
        .unwrap()
        .contains("ShdPnd:\t0000000000000002")
    {
        std::thread::yield_now();
    }
    out.read_to_end(&mut read).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let text = String::from_utf8(read).unwrap();
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("interrupted after "), "{last}");
    assert!(text.lines().count() < 5000);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let site = many();
    let mut child = command(site.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0]).unwrap();
    drop(out);
    let said = Said::of(child.wait_with_output().unwrap());
    assert_eq!((said.status, &*said.err), (Some(1), ""));
}
