//! The end of a device while requests are in flight: nothing is written to the guest's memory
//! afterwards, and nothing is left. QEMU had this for unplugging and for Xen (issue 3937).

use std::os::unix::net::UnixStream;

use virtfs_device::vhost_user::Connection;
use virtfs_device::{Device, Tag};
use virtfs_proto::{
    LopenFlags, NOFID, Names, Tattach, Tlopen, Tmessage, Tread, Treaddir, Tversion, Twalk,
};
use virtfs_tests::virtio::{Direct, Driver, DriverOptions, GuestRam, Layout, Placed, VhostUser};
use virtfs_tests::{PATIENCE, Served, frame};

use crate::site::Site;

fn place<'a>(driver: &mut Driver, tag: u16, message: impl Into<Tmessage<'a>>) -> Placed {
    let frame = frame(tag, message);
    let placed = Placed::new(driver.ram(), &frame, 4096, Layout::Whole, 2).expect("memory");
    let added = driver.add(&placed.readable, &placed.writable);
    added.expect("room in the ring");
    placed
}

fn ask<'a>(driver: &mut Driver, message: impl Into<Tmessage<'a>>, answer: u8) {
    let placed = place(driver, 1, message);
    driver.publish();
    assert!(driver.wait_used(PATIENCE).is_some());
    assert_eq!(placed.reply(5)[4], answer);
}

/// Opens the root as fid 1 and the file as fid 2.
fn open(driver: &mut Driver) {
    let version = Tversion {
        msize: 1 << 16,
        version: b"9P2000.L",
    };
    ask(driver, version, 101);
    let attach = Tattach {
        fid: 0,
        afid: NOFID,
        uname: b"root",
        aname: b"",
        n_uname: 0,
    };
    ask(driver, attach, 105);
    for (newfid, names) in [(1, &[][..]), (2, &[&b"file"[..]][..])] {
        let walk = Twalk {
            fid: 0,
            newfid,
            names: Names::from_slice(names),
        };
        ask(driver, walk, 111);
        let flags = LopenFlags::RDONLY;
        ask(driver, Tlopen { fid: newfid, flags }, 13);
    }
}

/// Puts a ring full of listings and reads under way.
fn submit(driver: &mut Driver) -> Vec<Placed> {
    let placed = (0..60_u16).map(|tag| match tag % 2 {
        0 => {
            let readdir = Treaddir {
                fid: 1,
                offset: 0,
                count: 4000,
            };
            place(driver, tag, readdir)
        }
        _ => {
            let read = Tread {
                fid: 2,
                offset: 0,
                count: 4000,
            };
            place(driver, tag, read)
        }
    });
    let placed = placed.collect();
    driver.publish();
    placed
}

fn site() -> Site {
    let site = Site::new();
    site.put("file", &"x".repeat(100_000));
    for number in 0..200 {
        site.put(&format!("{number:0>30}"), "");
    }
    site
}

/// The defect: a reply is written, or the device's state is used, when the device is gone.
#[test]
fn a_device_reset_during_treaddir_writes_nothing_afterwards() {
    let site = site();
    let served = Served::local(&site.export(""));
    let mut answered = 0;
    for round in 0..40 {
        let mut driver = Driver::new(&GuestRam::new(2 << 20), DriverOptions::default());
        let direct = Direct::attach(&served.server, &driver);
        open(&mut driver);
        let _placed = submit(&mut driver);
        // Each time at another point.
        std::thread::sleep(std::time::Duration::from_micros(round * 25));
        match round % 2 {
            0 => direct.device.reset(),
            _ => drop(direct),
        }
        let before = driver.ram().snapshot();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(before == driver.ram().snapshot(), "memory has changed");
        while driver.next_used().is_some() {
            answered += 1;
        }
    }
    assert!(answered > 0, "some were under way");
}

/// The same for a VMM that hangs up.
#[test]
fn a_vhost_user_hang_up_during_treaddir_writes_nothing_afterwards() {
    let site = site();
    for round in 0..30 {
        let served = Served::local(&site.export(""));
        let (ours, theirs) = UnixStream::pair().unwrap();
        let device = Device::new(served.server.clone(), Tag::new("tests").unwrap());
        let front = std::thread::spawn(move || {
            let connection = Connection::new(theirs, device).unwrap();
            let _ = connection.run();
        });
        let mut driver = Driver::new(&GuestRam::new(2 << 20), DriverOptions::default());
        let vmm = VhostUser::attach(ours, &driver).unwrap();
        open(&mut driver);
        let _placed = submit(&mut driver);
        std::thread::sleep(std::time::Duration::from_micros(round * 50));
        drop(vmm);
        front.join().unwrap();
        let before = driver.ram().snapshot();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(before == driver.ram().snapshot(), "memory has changed");
    }
}
