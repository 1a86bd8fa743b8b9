//! The ways to a server that go through a virtqueue.
//!
//! Every case of the suite is carried: none is about how a byte stream is cut into frames. Those
//! that are (`tests/bad_input.rs`) have no counterpart here, because a chain is a frame.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;
use virtfs_client::{Client, Error, Options, Result, Stream};
use virtfs_device::vhost_user::Connection;
use virtfs_device::{Device, Tag};
use virtfs_server::Server;

use super::transports::in_process;
use super::{Backend, Endpoint};
use crate::virtio::{
    Attached, Direct, Driver, DriverOptions, Event, GuestRam, Layout, VhostUser, bridge,
};

/// How much memory a guest has.
const RAM: u64 = 64 << 20;

/// A virtqueue of 128 whose chains lie in its table, one descriptor each way.
pub fn split(backend: &Backend) -> Endpoint {
    let options = DriverOptions {
        event_idx: false,
        ..DriverOptions::default()
    };
    direct(backend, options, Layout::Whole)
}

/// A virtqueue as Linux uses it: indirect tables, pieces of pages, payloads apart.
pub fn indirect(backend: &Backend) -> Endpoint {
    let options = DriverOptions {
        indirect: true,
        ..DriverOptions::default()
    };
    direct(backend, options, Layout::Linux)
}

/// A virtqueue of 1024, with pieces of one byte.
pub fn bytes(backend: &Backend) -> Endpoint {
    let options = DriverOptions {
        queue_size: 1024,
        ..DriverOptions::default()
    };
    direct(backend, options, Layout::Bytes)
}

/// The same as [`indirect`], by vhost-user.
pub fn vhost_user(backend: &Backend) -> Endpoint {
    in_process(backend, |server, options| {
        let (ours, theirs) = UnixStream::pair()?;
        let tag = Tag::new("tests").map_err(std::io::Error::other)?;
        let device = Device::new(server.clone(), tag);
        let connection = Connection::new(theirs, device)?;
        std::thread::spawn(move || {
            // What it says is the business of whoever notices that the connection ended.
            let _ = connection.run();
        });
        attached(ours, options, |device| device)
    })
}

/// A program that serves the backend as a vhost-user device on the listening socket that its
/// descriptor 3 is: one program for each connection, so that clients meet on the disk and not in a
/// server. It is expected to end with its VMM.
pub fn program(command: impl Fn() -> Command + Send + Sync + 'static) -> Endpoint {
    Endpoint::new(move |options| {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("vhost-user.sock");
        let listener = UnixListener::bind(&path)?;
        let socket = UnixStream::connect(&path)?;
        let command = command();
        // Descriptors but the standard ones are given away by a shell.
        let child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 </dev/null", "sh"])
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(File::create(dir.path().join(SAID))?)
            .spawn()?;
        let child = Waited { child, dir };
        attached(socket, options, |device| Running {
            device,
            _child: child,
        })
    })
}

/// A device of a program of its own, which ends when the device is left.
struct Running {
    device: VhostUser,
    _child: Waited,
}

impl Attached for Running {
    fn broken(&self) -> &Event {
        self.device.broken()
    }
}

/// A child that is waited for; what it said is told if it failed.
struct Waited {
    child: Child,
    dir: TempDir,
}

/// The file in its directory that its standard error is.
const SAID: &str = "stderr";

impl Drop for Waited {
    fn drop(&mut self) {
        if !self.child.wait().is_ok_and(|status| status.success()) {
            let said = std::fs::read_to_string(self.dir.path().join(SAID));
            eprintln!("the program failed: {}", said.unwrap_or_default());
        }
    }
}

fn direct(backend: &Backend, options: DriverOptions, layout: Layout) -> Endpoint {
    in_process(backend, move |server: &Server, how| {
        let driver = Driver::new(&GuestRam::new(RAM), options);
        let device = Direct::attach(server, &driver);
        Client::over(Stream::socket(bridge(driver, device, layout)?), how)
    })
}

fn attached<A: Attached>(
    socket: UnixStream,
    how: &Options,
    attached: impl FnOnce(VhostUser) -> A,
) -> Result<Client> {
    let options = DriverOptions {
        indirect: true,
        ..DriverOptions::default()
    };
    let driver = Driver::new(&GuestRam::new(RAM), options);
    let device = VhostUser::attach(socket, &driver)
        .map_err(|error| Error::Lost(Arc::new(std::io::Error::other(error))))?;
    let stream = bridge(driver, attached(device), Layout::Linux)?;
    Client::over(Stream::socket(stream), how)
}
