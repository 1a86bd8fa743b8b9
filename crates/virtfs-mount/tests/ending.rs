//! Ends: of the server, of the mount, and of processes while the server is silent.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use common::helper::{self, Helper};
use common::sys::{How, Mapping, WRITE, lock};
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

/// Not a test but what a helper does: opens the file, then obeys.
#[test]
fn helper_entry() {
    let Some(path) = helper::file() else { return };
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.unwrap();
    let pages = Mapping::new(&file, 1 << 20);
    helper::say("ready");
    for line in io::stdin().lock().lines() {
        match line.unwrap().as_str() {
            "lock" => drop(lock(&file, How::Try, WRITE, 0, 1).unwrap()),
            "page" => drop(pages.read(700_000)),
            other => panic!("{other}?"),
        }
        helper::say("done");
    }
}

fn helper(file: &std::path::Path) -> Helper {
    let mut helper = Helper::start("helper_entry", file);
    assert_eq!(helper.hear().as_deref(), Some("ready"));
    helper
}

/// Whether it is over, now or soon.
fn ends(helper: &mut Helper) -> bool {
    (0..1000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        helper.child.try_wait().unwrap().is_some()
    })
}

#[test]
fn a_mount_whose_server_is_silent_ends_when_it_is_unmounted() {
    let served = Served::new();
    let (wire, connection) = Wire::new(&served);
    let mut mount = Mounting::over(connection, "");
    fs::write(mount.path("file"), "x").unwrap();
    wire.set(false);
    let path = mount.path("file");
    let waits = thread::spawn(move || fs::read(path));
    while mount.client.in_flight() == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    let mounted = mount.take();
    mounted.unmounter().unmount().unwrap();
    let (ended, is_over) = mpsc::channel();
    thread::spawn(move || ended.send(mounted.wait()));
    let over = is_over.recv_timeout(Duration::from_secs(20));
    over.expect("the mount ends").unwrap();
    waits.join().unwrap().unwrap_err();
}

#[test]
fn processes_can_be_killed_while_reads_ahead_hold_every_thread() {
    let served = Served::new();
    for number in 0..6 {
        fs::write(served.host(&number.to_string()), vec![7; 1 << 20]).unwrap();
    }
    let (wire, connection) = Wire::new(&served);
    let mount = Mounting::over(connection, "threads=1");
    let mut helpers: Vec<_> = (0..6)
        .map(|number| helper(&mount.path(&number.to_string())))
        .collect();
    wire.set(false);
    // A page that is missing is read in the background, which no signal interrupts.
    for helper in &mut helpers {
        helper.tell("page");
    }
    while mount.client.in_flight() == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    for helper in &mut helpers {
        helper.child.kill().unwrap();
    }
    let over = helpers.iter_mut().map(ends).collect::<Vec<_>>();
    wire.set(true);
    assert_eq!(over, [true; 6]);
}

#[test]
fn a_process_with_a_lock_ends_though_the_server_is_silent() {
    let served = Served::new();
    fs::write(served.host("file"), vec![7; 1 << 20]).unwrap();
    let (wire, connection) = Wire::new(&served);
    let mount = Mounting::over(connection, "");
    let mut holder = helper(&mount.path("file"));
    assert_eq!(holder.ask("lock"), "done");
    wire.set(false);
    // By itself: from then on it hears no signal.
    holder.finish();
    let over = ends(&mut holder);
    wire.set(true);
    assert!(over);
    // And the lock is released as soon as the server hears of it.
    let host = OpenOptions::new().write(true).open(served.host("file"));
    let host = host.unwrap();
    lock(&host, How::Wait, WRITE, 0, 1).unwrap();
}
