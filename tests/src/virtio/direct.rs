//! A driver at a device of this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use virtfs_device::{Device, Notifier, QueueSetup, StartError, Tag};
use virtfs_server::Server;

use super::{Attached, Driver, Event, GuestRam};

/// A device of this process, and what it told its VMM.
pub struct Direct {
    /// The device.
    pub device: Device,
    broken: Event,
    breaks: Arc<AtomicUsize>,
}

struct Notices {
    call: Event,
    broken: Event,
    breaks: Arc<AtomicUsize>,
}

impl Notifier for Notices {
    fn used(&self) {
        self.call.signal();
    }

    fn broken(&self) {
        self.breaks.fetch_add(1, Ordering::SeqCst);
        self.broken.signal();
    }
}

impl Direct {
    /// A device with this memory, whose queue does not run yet.
    pub fn new(server: &Server, ram: &GuestRam) -> Self {
        let tag = Tag::new("tests").expect("a tag");
        let device = Device::new(server.clone(), tag);
        device.set_memory(ram.device_memory());
        Self {
            device,
            broken: Event::new(),
            breaks: Arc::default(),
        }
    }

    /// A device whose queue this driver drives.
    pub fn attach(server: &Server, driver: &Driver) -> Self {
        let direct = Self::new(server, driver.ram());
        direct.start(driver, 0).expect("the queue starts");
        direct
    }

    /// Starts the queue, at this available index.
    pub fn start(&self, driver: &Driver, next_available: u16) -> Result<(), StartError> {
        self.device.start(self.setup(driver, next_available))
    }

    /// What [`Direct::start`] starts the queue with.
    pub fn setup(&self, driver: &Driver, next_available: u16) -> QueueSetup {
        let ring = driver.ring();
        QueueSetup {
            size: ring.size,
            descriptors: ring.descriptors,
            available: ring.available,
            used: ring.used,
            next_available,
            features: driver.features(),
            kick: driver.kick_fd(),
            notifier: Arc::new(Notices {
                call: Event::from(driver.call_fd()),
                broken: Event::from(self.broken.share()),
                breaks: self.breaks.clone(),
            }),
        }
    }

    /// How often the device said that the ring is broken.
    pub fn breaks(&self) -> usize {
        self.breaks.load(Ordering::SeqCst)
    }
}

impl Attached for Direct {
    fn broken(&self) -> &Event {
        &self.broken
    }
}
