//! A file of the host whose read hangs for ever, here on a FUSE mount, keeps no guest's memory.

use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;

use virtfs_client::{Client, Options, Stream};
use virtfs_mount::{Mount, MountOptions};
use virtfs_proto::{LopenFlags, NOFID, Names, Tattach, Tlopen, Tmessage, Tread, Tversion, Twalk};
use virtfs_server::FdStream;
use virtfs_tests::virtio::{Direct, Driver, DriverOptions, GuestRam, Layout, Placed};
use virtfs_tests::{PATIENCE, Served, frame};
use virtfs_vfs::synth::{Gate, Synth, Wait};

/// Puts a request into the ring.
fn submit<'a>(driver: &mut Driver, message: impl Into<Tmessage<'a>>) -> Placed {
    let frame = frame(1, message);
    let placed = Placed::new(driver.ram(), &frame, 4096, Layout::Whole, 2).expect("memory");
    driver
        .add(&placed.readable, &placed.writable)
        .expect("room");
    driver.publish();
    placed
}

#[test]
fn a_read_that_hangs_on_the_host_does_not_hold_up_a_reset_nor_write_after_it() {
    let gate = Gate::new();
    let tree = Synth::new().file("gate", gate.file_with(Wait::STUBBORN));
    let inner = Served::synth(tree);
    let (ours, theirs) = UnixStream::pair().unwrap();
    inner.server.serve(FdStream::socket(theirs)).unwrap();
    let client = Client::over(Stream::socket(ours), &Options::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let options = MountOptions::default();
    let mounted = Mount::start(client, dir.path(), &options).expect("root, and /dev/fuse");

    let outer = Served::local(dir.path());
    let mut driver = Driver::new(&GuestRam::new(1 << 20), DriverOptions::default());
    let direct = Direct::attach(&outer.server, &driver);
    let names = [&b"gate"[..]];
    let requests: [Tmessage<'_>; 4] = [
        Tversion {
            msize: 1 << 16,
            version: b"9P2000.L",
        }
        .into(),
        Tattach {
            fid: 0,
            afid: NOFID,
            uname: b"root",
            aname: b"",
            n_uname: 0,
        }
        .into(),
        Twalk {
            fid: 0,
            newfid: 1,
            names: Names::from_slice(&names),
        }
        .into(),
        Tlopen {
            fid: 1,
            flags: LopenFlags::RDONLY,
        }
        .into(),
    ];
    for (request, answer) in requests.into_iter().zip([101, 105, 111, 13]) {
        let placed = submit(&mut driver, request);
        assert!(driver.wait_used(PATIENCE).is_some());
        assert_eq!(placed.reply(5)[4], answer);
    }
    let read = Tread {
        fid: 1,
        offset: 0,
        count: 100,
    };
    let _placed = submit(&mut driver, read);
    assert!(gate.wait_for_blocked(1, PATIENCE), "the read hangs");

    let (done, is_done) = mpsc::channel();
    let reset = thread::spawn(move || {
        direct.device.reset();
        done.send(()).unwrap();
    });
    let in_time = is_done.recv_timeout(PATIENCE);
    let before = driver.ram().snapshot();
    gate.open();
    reset.join().unwrap();
    assert_eq!(in_time, Ok(()), "the reset waited for the host");
    drop(outer);
    // The hung call has returned when nobody uses the mount any more.
    drop(mounted);
    assert!(driver.next_used().is_none());
    assert!(
        before == driver.ram().snapshot(),
        "guest memory has changed"
    );
}
