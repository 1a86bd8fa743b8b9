//! VMMs that do harm do it to themselves.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{TryRecvError, channel};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use virtfs_proto::{Tstatfs, Tversion};
use virtfs_tests::virtio::{Driver, GuestRam, Layout, Placed, VhostUser, reply_room};
use virtfs_tests::{PATIENCE, frame};

use super::guest::{attach, driver, guest};
use super::{device, spec, start};

/// Says what no VMM says, and waits until the connection has ended.
pub(super) fn rubbish(vmm: &mut UnixStream) {
    vmm.write_all(&[0x5a; 64]).unwrap();
    // An end or a reset: it had more to say than was read.
    let _ = vmm.read_to_end(&mut Vec::new());
}

#[test]
fn a_vmm_that_sends_rubbish_is_told_of_once_and_the_next_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let server = start(&mut device(dir.path(), &path));
    rubbish(&mut UnixStream::connect(&path).unwrap());
    guest(&path).mkdir(1, "made", 0o755).unwrap();
    server.signal(Signal::TERM);
    let (status, text) = server.failure();
    assert_eq!(status, Some(0));
    let warnings = text.lines().filter(|line| line.contains(" WARN ")).count();
    assert_eq!(warnings, 1, "{text}");
    assert!(text.contains("WARN home: the VMM"), "{text}");
}

#[test]
fn a_vmm_that_takes_its_memory_away_dies_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (bad, good) = (dir.path().join("bad"), dir.path().join("good"));
    let mut command = device(dir.path(), &bad);
    command.args(["--vhost-user", &spec(&good, "good")]);
    let server = start(&mut command);
    server.line("listens for VMMs at ");

    let mut witness = guest(&good);
    let (stop, stopped) = channel::<()>();
    let work = std::thread::spawn(move || {
        // Until the other end is dropped, also by a test that fails.
        while stopped.try_recv() == Err(TryRecvError::Empty) {
            witness.mkdir(1, "made", 0o755).unwrap();
            witness.unlinkat(1, "made", 0x200).unwrap();
        }
        witness
    });
    for _ in 0..3 {
        let _vmm = take_memory_away(&bad);
        server.line("home: the VMM took away guest memory that it had shared");
    }
    drop(stop);
    work.join().unwrap().mkdir(1, "still-here", 0o755).unwrap();
    guest(&bad).mkdir(1, "next", 0o755).unwrap();
}

#[test]
fn vmms_that_follow_one_another_fast_have_to_wait() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let server = start(&mut device(dir.path(), &path));
    let (ram, driver) = driver();
    let began = Instant::now();
    for _ in 0..7 {
        let stream = UnixStream::connect(&path).unwrap();
        drop(VhostUser::hello(stream, driver.features(), &ram).unwrap());
        server.line("home: the VMM has gone");
    }
    // Four at once, then one a second. A slow host takes longer, never less.
    assert!(began.elapsed() >= Duration::from_secs(3));
}

/// A VMM whose memory ends while requests are in flight.
fn take_memory_away(socket: &Path) -> VhostUser {
    let (ram, mut driver) = driver();
    let vmm = attach(socket, &driver);
    let (msize, version) = (8192, &b"9P2000.L"[..]);
    let hello = frame(u16::MAX, Tversion { msize, version });
    let _hello = submit(&ram, &mut driver, &hello);
    driver.wait_used(PATIENCE).unwrap();
    let _requests: Vec<_> = (0..16)
        .map(|tag| submit(&ram, &mut driver, &frame(tag, Tstatfs { fid: 1 })))
        .collect();
    // From here on nobody on this side may touch it either.
    for region in ram.regions() {
        region.file.set_len(0).unwrap();
    }
    driver.kick();
    vmm
}

fn submit(ram: &Arc<GuestRam>, driver: &mut Driver, frame: &[u8]) -> Placed {
    let room = reply_room(frame, 8192);
    let placed = Placed::new(ram, frame, room, Layout::Linux, 128).unwrap();
    driver.add(&placed.readable, &placed.writable).unwrap();
    driver.publish();
    placed
}
