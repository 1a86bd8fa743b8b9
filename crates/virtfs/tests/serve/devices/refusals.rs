//! What it refuses, and how it says so.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use super::{device, spec, start};
use crate::inherited::on_fd_3;
use crate::running::{Running, serve};

fn refused(command: &mut Command, status: i32, hint: &str) {
    let (is, text) = Running::start(command).failure();
    assert_eq!(is, Some(status), "{text}");
    assert!(text.contains(hint), "{text}");
}

#[test]
fn what_makes_no_sense_ends_with_2_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let typed = path.to_str().unwrap();
    let long = "t".repeat(255);
    for (flags, hint) in [
        (
            &["--socket-path", typed, "--fd", "3"][..],
            "cannot be used with",
        ),
        (&["--socket-path", typed, "--tag", &long], "254 bytes"),
        (&["--socket-path", typed, "--tag", ""], "at least one byte"),
        (
            &["--socket-path", typed, "--tag", "a\nb"],
            "control characters",
        ),
        (
            &["--listen", "tcp:127.0.0.1:0", "--tag", "t"],
            "--socket-path",
        ),
        (&["--listen", "tcp:127.0.0.1:0", "--once"], "--socket-path"),
        (&["--vhost-user", typed], "SOCK,tag=TAG"),
        (
            &["--vhost-user", &format!("{typed},tag=t,export=x")],
            "--export NAME=DIR",
        ),
        (
            &[
                "--export",
                "y=/",
                "--vhost-user",
                &format!("{typed},tag=t,export=x"),
            ],
            "no export is called 'x': there is y",
        ),
        (
            &["--socket-path", typed, "--vhost-user", &spec(&path, "t")],
            "each needs its own",
        ),
        (&["--fd", "1"], "1 is not in 3.."),
        (&["--listen", "fd:3", "--fd", "3"], "same descriptor"),
        (
            &["--listen", "tcp:127.0.0.1:0", "--socket-group", "0"],
            "no socket to give",
        ),
    ] {
        refused(serve(dir.path()).args(flags), 2, hint);
    }
    assert!(!path.exists());
}

#[test]
fn a_socket_that_another_server_has_is_an_error_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let _first = start(&mut device(dir.path(), &path));
    let hint = "a program listens there already";
    refused(&mut device(dir.path(), &path), 1, hint);
    UnixStream::connect(&path).unwrap();
}

#[test]
fn a_failed_start_removes_the_sockets_that_it_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let mut command = device(dir.path(), &path);
    command.args(["--vhost-user", &spec(Path::new("/nowhere/vm"), "t")]);
    refused(&mut command, 1, "no directory /nowhere");
    assert!(!path.exists());
}

#[test]
fn an_unknown_group_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let mut command = device(dir.path(), &path);
    command.args(["--socket-group", "no-such-group"]);
    refused(&mut command, 1, "no-such-group: there is no such group");
    assert!(!path.exists());
}

#[test]
fn a_descriptor_that_is_no_listening_unix_socket_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let hint = "not a Unix stream socket that listens";
    let connected: OwnedFd = UnixStream::pair().unwrap().0.into();
    let internet: OwnedFd = TcpListener::bind("127.0.0.1:0").unwrap().into();
    let file: OwnedFd = std::fs::File::open("/etc/passwd").unwrap().into();
    for fd in [connected, internet, file] {
        refused(&mut on_fd_3(dir.path(), fd, ["--fd", "3"]), 1, hint);
    }
    refused(
        serve(dir.path()).args(["--fd", "77"]),
        1,
        "does not pass on",
    );
}

#[test]
fn a_descriptor_is_served_and_its_socket_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let listener = UnixListener::bind(&path).unwrap();
    let mut command = on_fd_3(dir.path(), listener.into(), ["--fd", "3"]);
    let mut server = start(&mut command);
    super::guest::guest(&path).mkdir(1, "made", 0o755).unwrap();
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.end().code(), Some(0));
    assert!(path.exists(), "it belongs to another program");
    let stdout = server.stdout();
    assert!(
        stdout.contains(&format!("path={} ", path.display())),
        "{stdout}"
    );
}
