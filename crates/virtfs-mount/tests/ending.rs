//! Ends: of the server, of the mount, and of processes while the server is silent.

mod common;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use common::{Mounting, Served, mounted};
use rustix::io::Errno;

#[test]
fn a_mount_that_is_unmounted_is_gone_and_its_threads_end() {
    let (served, mut mount) = mounted("");
    fs::write(mount.path("file"), "x").unwrap();
    assert!(mount.is_mounted());
    let mounted = mount.take();
    mounted.unmounter().unmount().unwrap();
    assert!(!mount.is_mounted());
    mounted.wait().unwrap();
    assert_eq!(fs::read(served.host("file")).unwrap(), b"x");
}

#[test]
fn umount_by_somebody_else_ends_the_wait() {
    let (_served, mut mount) = mounted("");
    let at = mount.at.path().to_owned();
    let mounted = mount.take();
    rustix::mount::unmount(at, rustix::mount::UnmountFlags::empty()).unwrap();
    mounted.wait().unwrap();
}

#[test]
fn a_mount_in_use_can_be_unmounted() {
    let (_served, mut mount) = mounted("");
    fs::write(mount.path("file"), "x").unwrap();
    let file = File::open(mount.path("file")).unwrap();
    let mounted = mount.take();
    mounted.unmounter().unmount().unwrap();
    assert!(!mount.is_mounted());
    drop(file);
    mounted.wait().unwrap();
}

#[test]
fn dropping_a_mount_unmounts_it() {
    let (_served, mut mount) = mounted("");
    drop(mount.take());
    assert!(!mount.is_mounted());
}

#[test]
fn when_the_server_is_gone_everything_fails_at_once_and_unmounting_works() {
    let served = Served::new();
    let connection = served.connect();
    let plug = connection.try_clone().unwrap();
    let mut mount = Mounting::over(connection, "");
    fs::write(mount.path("file"), "x").unwrap();
    let file = File::open(mount.path("file")).unwrap();
    plug.shutdown(Shutdown::Both).unwrap();
    let eio = |error: std::io::Error| {
        assert_eq!(error.raw_os_error(), Some(Errno::IO.raw_os_error()));
    };
    eio(fs::metadata(mount.path("file")).unwrap_err());
    eio(fs::write(mount.path("new"), "").unwrap_err());
    eio(fs::read_dir(mount.at.path()).unwrap_err());
    eio(file.read_at(&mut [0], 0).unwrap_err());
    eio(file.metadata().unwrap_err());
    assert!(mount.client.lost().is_some());
    assert!(mount.is_mounted());
    drop(file);
    let mounted = mount.take();
    mounted.unmounter().unmount().unwrap();
    mounted.wait().unwrap();
    assert!(!mount.is_mounted());
}

/// A wire to a server that can be cut off: nothing comes back until it is let through again.
struct Wire {
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Wire {
    fn new(served: &Served) -> (Self, UnixStream) {
        let server = served.connect();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let gate = Arc::new((Mutex::new(true), Condvar::new()));
        let (from, to) = (theirs.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || relay(from, to, None));
        let held = gate.clone();
        thread::spawn(move || relay(server, theirs, Some(held)));
        (Self { gate }, ours)
    }

    fn set(&self, open: bool) {
        *self.gate.0.lock().unwrap() = open;
        self.gate.1.notify_all();
    }
}

fn relay(mut from: UnixStream, mut to: UnixStream, gate: Option<Arc<(Mutex<bool>, Condvar)>>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if let Some(gate) = &gate {
            let open = gate.0.lock().unwrap();
            drop(gate.1.wait_while(open, |open| !*open).unwrap());
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

#[test]
fn a_process_that_waits_for_a_silent_server_can_be_killed() {
    let served = Served::new();
    let (wire, connection) = Wire::new(&served);
    let mount = Mounting::over(connection, "");
    fs::write(mount.path("file"), "x").unwrap();
    wire.set(false);
    let mut command = Command::new("cat");
    let command = command
        .arg(mount.path("file"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // Wherever it is by now, it cannot be done.
    thread::sleep(Duration::from_millis(100));
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    let ended = (0..1000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        child.try_wait().unwrap().is_some()
    });
    assert!(ended);
    wire.set(true);
    assert_eq!(fs::read(mount.path("file")).unwrap(), b"x");
}

#[test]
fn a_signal_that_does_not_kill_does_not_disturb_a_request() {
    let served = Served::new();
    let (wire, connection) = Wire::new(&served);
    let mount = Mounting::over(connection, "");
    fs::write(mount.path("file"), "x").unwrap();
    // A shell whose handler runs between its commands; each signal interrupts a request or none.
    let script = format!(
        "trap : USR1; echo go; i=0; while [ $i -lt 300 ]; do i=$((i+1)); \
         read x <{0} || [ -n \"$x\" ] || exit 1; done; echo done",
        mount.path("file").display()
    );
    let mut command = Command::new("sh");
    let mut child = command
        .arg("-c")
        .arg(script)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 3]).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    while child.try_wait().unwrap().is_none() {
        // Gone between the two calls is as good.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::USR1);
        wire.set(false);
        thread::sleep(Duration::from_micros(500));
        wire.set(true);
        thread::sleep(Duration::from_micros(500));
    }
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "done\n");
}
