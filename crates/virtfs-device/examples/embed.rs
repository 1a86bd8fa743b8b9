//! The device in another program: a VMM in small, with guest and driver, asks it for a version.
//!
//! `cargo run -p virtfs-device --example embed` drives the queue by hand. With the path of a socket
//! it serves a tree in memory to any VMM that connects there by vhost-user, one after another.

use std::error::Error;
use std::fs::File;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, memfd_create};
use virtfs_device::map_region;
use virtfs_device::vhost_user::Connection;
use virtfs_device::{Device, GuestMemory, Notifier, QueueSetup, RegionSource, Tag, features};
use virtfs_server::{Export, Server};
use virtfs_vfs::memory::MemoryFs;
use vm_memory::{Bytes, GuestAddress};

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args_os().nth(1) {
        Some(socket) => serve(UnixListener::bind(socket)?),
        None => drive(),
    }
}

/// A device that shares an empty tree.
fn device() -> Result<Device, Box<dyn Error>> {
    let export = Export::new("memory", Arc::new(MemoryFs::new()));
    let server = Server::builder().export(export).build()?;
    Ok(Device::new(server, Tag::new("share")?))
}

fn serve(listener: UnixListener) -> Result<(), Box<dyn Error>> {
    for socket in listener.incoming() {
        if let Err(error) = Connection::new(socket?, device()?)?.run() {
            eprintln!("{error}");
        }
    }
    Ok(())
}

/// Where the guest has what.
const DESCRIPTORS: u64 = 0x0000;
const AVAILABLE: u64 = 0x1000;
const USED: u64 = 0x2000;
const REQUEST: u64 = 0x3000;
const REPLY: u64 = 0x4000;

fn drive() -> Result<(), Box<dyn Error>> {
    let device = device()?;
    let memory = guest_memory(0x1_0000)?;
    device.set_memory(memory.clone());

    // The VMM starts the queue when the driver is ready.
    let kick = eventfd(0, EventfdFlags::CLOEXEC)?;
    let (interrupt, interrupts) = interrupt();
    device.start(QueueSetup {
        size: 8,
        descriptors: DESCRIPTORS,
        available: AVAILABLE,
        used: USED,
        next_available: 0,
        features: features::VERSION_1 | features::MOUNT_TAG,
        kick: kick.try_clone()?,
        notifier: interrupt,
    })?;

    // The driver lays out a Tversion, makes it available, and notifies the device.
    let tversion = b"\x15\0\0\0\x64\xff\xff\0\0\x10\0\x08\09P2000.L";
    memory.write_slice(tversion, GuestAddress(REQUEST))?;
    let readable = descriptor(REQUEST, tversion.len() as u32, NEXT, 1);
    let writable = descriptor(REPLY, 64, WRITE, 0);
    memory.write_slice(&[readable, writable].concat(), GuestAddress(DESCRIPTORS))?;
    // No flags, one chain, which begins with descriptor 0.
    memory.write_slice(&[0, 0, 1, 0, 0, 0], GuestAddress(AVAILABLE))?;
    rustix::io::write(&kick, &1u64.to_ne_bytes())?;

    // The device answers in place, and interrupts.
    interrupts.recv()?;
    let mut length = [0; 4];
    memory.read_slice(&mut length, GuestAddress(USED + 8))?;
    let mut rversion = vec![0; u32::from_le_bytes(length) as usize];
    memory.read_slice(&mut rversion, GuestAddress(REPLY))?;
    println!("Rversion: {}", rversion.escape_ascii());

    println!("the queue stops before chain {}", device.stop());
    Ok(())
}

/// The guest's memory: a file, mapped at guest address 0.
fn guest_memory(size: u64) -> Result<GuestMemory, Box<dyn Error>> {
    let file = File::from(memfd_create("guest", MemfdFlags::CLOEXEC)?);
    file.set_len(size)?;
    let region = map_region(RegionSource {
        file,
        offset: 0,
        size,
        guest_address: 0,
    })?;
    Ok(GuestMemory::from_arc_regions(vec![region])?)
}

/// How the device interrupts the guest.
struct Interrupt(Sender<()>);

fn interrupt() -> (Arc<Interrupt>, Receiver<()>) {
    let (sender, receiver) = channel();
    (Arc::new(Interrupt(sender)), receiver)
}

impl Notifier for Interrupt {
    fn used(&self) {
        let _ = self.0.send(());
    }

    fn broken(&self) {
        eprintln!("the driver broke the queue");
    }
}

const NEXT: u16 = 1;
const WRITE: u16 = 2;

/// A `struct virtq_desc`.
fn descriptor(address: u64, length: u32, flags: u16, next: u16) -> Vec<u8> {
    let mut bytes = address.to_le_bytes().to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    bytes.extend(next.to_le_bytes());
    bytes
}
