//! `virtfs mount`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use rustix::process::Signal;

use crate::running::Running;
use crate::site::{Done, Site, virtfs};

fn needs_fuse() {
    let fuse = File::options().read(true).write(true).open("/dev/fuse");
    assert!(
        rustix::process::geteuid().is_root() && fuse.is_ok(),
        "this test mounts: it needs root and /dev/fuse"
    );
}

#[test]
fn a_mount_says_when_it_is_ready_and_is_gone_after_a_signal() {
    needs_fuse();
    let site = Site::new();
    site.serve("file", "through the kernel");
    for signal in [Signal::TERM, Signal::INT] {
        let mut mount = site.command("mount", &["-o", "ro"]);
        mount.arg(&site.here).stdout(Stdio::piped());
        let mut running = Running::start_with_own_stdout(&mut mount);
        let mut line = String::new();
        let stdout = running.child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert!(line.starts_with("mounted unix:"), "{line}");
        let read = fs::read_to_string(site.here.join("file"));
        assert_eq!(read.unwrap(), "through the kernel");
        running.signal(signal);
        assert_eq!(running.end().code(), Some(0));
        assert_eq!(fs::read_dir(&site.here).unwrap().count(), 0);
    }
}

#[test]
fn a_mount_that_cannot_be_made_is_a_failure() {
    let site = Site::new();
    let done = site.run("mount", &[], &["/no/such/directory"]);
    assert!(done.failed().contains("cannot mount unix:"));
    let output = virtfs("mount").args(["unix:/no/such/socket", "/"]).output();
    assert!(
        Done::of(output.unwrap())
            .failed()
            .contains("cannot connect")
    );
}

/// A server that says `answers` and then nothing more; signalled when it has been asked once more.
fn ends_before_it_is_mounted(answers: &[&[u8]]) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut mount = virtfs("mount");
    mount.arg(format!("unix:{}", socket.display()));
    let running = Running::start(mount.arg(dir.path()));
    let (mut server, _) = listener.accept().unwrap();
    let mut request = [0; 8192];
    for answer in answers {
        assert!(server.read(&mut request).unwrap() > 0);
        server.write_all(answer).unwrap();
    }
    assert!(server.read(&mut request).unwrap() > 0);
    running.signal(Signal::TERM);
    let (code, error) = running.failure();
    assert_eq!((code, error.as_str()), (Some(143), ""));
}

#[test]
fn a_signal_ends_a_mount_whose_server_never_answers() {
    ends_before_it_is_mounted(&[]);
}

#[test]
fn a_signal_ends_a_mount_whose_server_never_lets_it_attach() {
    let version = b"\x15\0\0\0\x65\xff\xff\0\x20\0\0\x08\x009P2000.L";
    ends_before_it_is_mounted(&[version]);
}
