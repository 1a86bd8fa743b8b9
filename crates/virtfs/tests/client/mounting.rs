//! `virtfs mount`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use rustix::process::Signal;

use crate::running::Running;
use crate::site::{Done, Site, virtfs};

/// Whether mounts can be made here.
fn can_mount() -> bool {
    rustix::process::geteuid().is_root()
        && File::options()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .is_ok()
}

#[test]
fn a_mount_says_when_it_is_ready_and_is_gone_after_a_signal() {
    if !can_mount() {
        return;
    }
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
