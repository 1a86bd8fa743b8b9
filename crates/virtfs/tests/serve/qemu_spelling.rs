//! `-fsdev`, `-device` and `-virtfs`, as QEMU's users have them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::ordinary::attach;
use crate::running::{Running, unix};
use crate::work::{EROFS, REGULAR, create, refused, seen};

fn serve(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_virtfs"));
    command.arg("serve").args(flags).stdin(Stdio::null());
    command
}

/// A directory with a comma in its name, as QEMU spells it.
fn comma(dir: &Path) -> String {
    fs::create_dir(dir.join("a,b")).unwrap();
    format!("{}/a,,b", dir.display())
}

#[test]
fn shares_have_models_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = comma(dir.path());
    let plain = dir.path().join("plain");
    fs::create_dir(&plain).unwrap();
    let socket = dir.path().join("9p");
    let mapped = format!(
        "local,path={path},mount_tag=home,security_model=mapped-xattr,fmode=0640,dmode=0750"
    );
    let other = format!(
        "local,id=tools,path={},mount_tag=t t,security_model=none,readonly=on,multidevs=forbid",
        plain.display()
    );
    // With one dash, too.
    let flags = [
        "-virtfs",
        &mapped,
        "--virtfs",
        &other,
        "--listen",
        &unix(&socket),
    ];
    let server = Running::start(&mut serve(&flags));
    let models = server.line("security model ");
    assert!(models.starts_with("mapped-xattr and none;"), "{models}");
    server.line("listening on ");

    // The first is what clients reach who name none.
    for aname in ["", "home"] {
        let root = attach(&socket, aname, 5);
        let name = format!("file{aname}");
        create(&root, &name, 0o604, 6).unwrap();
        assert_eq!(seen(&root, &name), (5, 6, REGULAR | 0o604));
        let host = fs::metadata(dir.path().join("a,b").join(name)).unwrap();
        assert_eq!(host.mode() & 0o7777, 0o640);
    }
    let tools = attach(&socket, "tools", 5);
    assert_eq!(refused(create(&tools, "file", 0o600, 6)), EROFS);
}

#[test]
fn the_device_of_a_share_has_its_mount_tag() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("vm.sock");
    let fsdev = format!(
        "local,id=fs0,path={},security_model=mapped",
        comma(dir.path())
    );
    let device = "virtio-9p-pci,id=dev0,fsdev=fs0,mount_tag=home,bus=pci.0,addr=0x4";
    let path = socket.to_str().unwrap();
    let flags = ["--fsdev", &fsdev, "--device", device, "--socket-path", path];
    let server = Running::start(&mut serve(&flags));
    server.line(&format!("device home listens for VMMs at {path}"));
}

#[track_caller]
fn fails(flags: &[&str], status: i32, hint: &str) {
    let (is, text) = Running::start(&mut serve(flags)).failure();
    assert_eq!(is, Some(status), "{text}");
    assert!(text.contains(hint), "{text}");
}

#[test]
fn a_directory_that_cannot_be_served_is_named_in_qemus_words() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    for (name, why) in [
        ("no", "No such file or directory"),
        ("file", "Not a directory"),
    ] {
        let path = dir.path().join(name);
        let fsdev = format!("local,id=a,path={},security_model=none", path.display());
        let text = format!(
            "cannot initialize fsdev 'a': failed to open '{}': {why}",
            path.display()
        );
        fails(
            &["--fsdev", &fsdev, "--listen", "tcp:127.0.0.1:0"],
            1,
            &text,
        );
    }
}

#[test]
fn what_is_not_understood_ends_with_2() {
    for (flags, hint) in [
        (
            &["--fsdev", "local,id=a,path=/,bogus=1"][..],
            "Invalid parameter 'bogus'",
        ),
        (
            &["--fsdev", "local,id=a,path=/,throttling.iops-total=9"],
            "virtfs does not limit rates",
        ),
        (
            &["--fsdev", "local,id=a,path=/,throttling.iops-total=x"],
            "Parameter 'throttling.iops-total' expects a number",
        ),
        (
            &["--virtfs", "local,path=/"],
            "Usage: -virtfs fsdriver,mount_tag=tag",
        ),
        (
            &["-fsdev", "proxy,id=a,socket=/s", "--listen", "stdio"],
            "fsdev: fsdriver proxy not found",
        ),
        (
            &["--fsdev", "local,id=a,path=/", "--listen", "stdio"],
            "security_model property not set",
        ),
    ] {
        fails(flags, 2, hint);
    }
}

#[test]
fn maps_that_overlap_are_refused_with_both_ranges() {
    let flags = [
        "--shared-dir",
        "/",
        "--listen",
        "stdio",
        "--uid-map",
        "0:1:10,50:60:1",
    ];
    let both = [&flags[..], &["--uid-map", "5:100:1"]].concat();
    fails(
        &both,
        2,
        "--uid-map: two ranges of ids have a number in common: 0:1:10 and 5:100:1",
    );
    let wrong = [&flags[..], &["--gid-map", "5:100"]].concat();
    fails(&wrong, 2, "GUEST:HOST:COUNT");
}

/// The calls are what can be seen of it: what is on its way to a disk is the kernel's affair.
#[test]
fn writeout_immediate_sends_each_write_on_its_way() {
    let dir = tempfile::tempdir().unwrap();
    let (export, trace) = (dir.path().join("export"), dir.path().join("trace"));
    fs::create_dir(&export).unwrap();
    let socket = dir.path().join("9p");
    let share = format!(
        "local,id=a,path={},security_model=none,writeout=immediate",
        export.display()
    );
    let mut command = Command::new("strace");
    // -D: the process that is started is the server.
    command.args(["-D", "-f", "-e", "trace=sync_file_range", "-o"]);
    command.arg(&trace).arg(env!("CARGO_BIN_EXE_virtfs"));
    command.args(["serve", "-fsdev", &share, "--listen", &unix(&socket)]);
    let mut server = Running::start(command.stdin(Stdio::null()));
    server.line("listening on ");
    let file = create(&attach(&socket, "a", 0), "f", 0o600, 0).unwrap();
    file.write_at(&[7; 8192], 4096).unwrap();
    drop(file);
    let pid = server.pid().as_raw_nonzero();
    server.signal(Signal::TERM);
    assert!(server.end().success());
    // The number is padded.
    let ended = |line: &str| {
        let rest = line.strip_prefix(&format!("{pid} "));
        rest.is_some_and(|rest| rest.trim_start().starts_with("+++ exited"))
    };
    let told = (0..2000).find_map(|_| {
        thread::sleep(Duration::from_millis(10));
        let told = fs::read_to_string(&trace).ok()?;
        told.lines().any(ended).then_some(told)
    });
    let told = told.expect("strace says that the server has ended");
    let call = ", 4096, 8192, SYNC_FILE_RANGE_WAIT_BEFORE|SYNC_FILE_RANGE_WRITE) = 0";
    assert_eq!(told.matches(call).count(), 1, "{told}");
}
