//! A guest, and the VMM that it runs in.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use virtfs_tests::Raw;
use virtfs_tests::virtio::{Driver, DriverOptions, GuestRam, Layout, VhostUser, bridge};

/// How much memory a guest has.
const RAM: u64 = 16 << 20;

/// A driver as Linux has, in memory of its own, that does not run yet.
pub(super) fn driver() -> (Arc<GuestRam>, Driver) {
    let options = DriverOptions {
        indirect: true,
        ..DriverOptions::default()
    };
    let ram = GuestRam::new(RAM);
    let driver = Driver::new(&ram, options);
    (ram, driver)
}

/// A VMM that attaches the device of this socket for a driver.
pub(super) fn attach(socket: &Path, driver: &Driver) -> VhostUser {
    let stream = UnixStream::connect(socket).unwrap();
    VhostUser::attach(stream, driver).unwrap()
}

/// A client in a guest that has the device of this socket. The VMM goes when it is dropped.
pub(super) fn unstarted(socket: &Path) -> Raw {
    let (_, driver) = driver();
    let device = attach(socket, &driver);
    Raw::socket(bridge(driver, device, Layout::Linux).unwrap())
}

/// The same, attached to the export of no name: fid 1 is its root.
pub(super) fn guest(socket: &Path) -> Raw {
    let mut client = unstarted(socket);
    client.start();
    client.attach(1, "").unwrap();
    client
}
