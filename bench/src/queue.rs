//! Requests through a virtqueue, by vhost-user, cut as Linux cuts them: the payload of a large
//! transfer in pages, where it stays.

use std::error::Error;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use virtfs_proto::kind;
use virtfs_tests::PATIENCE;
use virtfs_tests::virtio::{Driver, DriverOptions, GuestRam, Segment, VhostUser};

use crate::client::Carrier;

/// How many lanes there may be, and bytes of a payload.
const LANES: usize = 16;
const PAYLOAD: u64 = 512 << 10;

/// The head of a reply with a payload.
const REPLY_HEAD: usize = 11;

const PAGE: u64 = 4096;

/// A queue of a device.
pub(crate) struct Queue {
    driver: Driver,
    ram: Arc<GuestRam>,
    lanes: Vec<Lane>,
    /// The tag of each chain, by head.
    tags: Vec<u16>,
    interrupts: u64,
    _device: VhostUser,
}

/// Memory of one lane.
struct Lane {
    head: u64,
    reply: u64,
    /// For a payload in whichever direction.
    pages: Vec<Segment>,
}

impl Queue {
    pub(crate) fn connect(path: &Path) -> Result<Self, Box<dyn Error>> {
        Self::over(UnixStream::connect(path)?)
    }

    /// With the device at the other end of a vhost-user connection.
    pub(crate) fn over(socket: UnixStream) -> Result<Self, Box<dyn Error>> {
        let ram = GuestRam::new(LANES as u64 * (PAYLOAD + (1 << 16)) + (1 << 20));
        // Linux has 128 descriptors, and therefore less than 512 KiB in a chain.
        let options = DriverOptions {
            queue_size: 256,
            indirect: true,
            ..DriverOptions::default()
        };
        let driver = Driver::new(&ram, options);
        let device = VhostUser::attach(socket, &driver)?;
        let place = |length| ram.allocate(length, PAGE).ok_or("no memory left");
        let lane = |_| -> Result<_, &str> {
            let pages = (0..PAYLOAD / PAGE).map(|_| {
                // Apart, as the pages of a guest's page cache are.
                let address = place(PAGE)?;
                ram.write(address, &[7; PAGE as usize]);
                let length = PAGE as u32;
                Ok(Segment { address, length })
            });
            Ok(Lane {
                pages: pages.rev().collect::<Result<_, &str>>()?,
                head: place(PAGE)?,
                reply: place(PAGE)?,
            })
        };
        Ok(Self {
            lanes: (0..LANES).map(lane).collect::<Result<_, _>>()?,
            tags: vec![0; usize::from(driver.ring().size)],
            driver,
            ram,
            interrupts: 0,
            _device: device,
        })
    }

    /// How often the device was notified, and how often the driver was interrupted.
    pub(crate) fn notifications(&self) -> [u64; 2] {
        [self.driver.kicks(), self.interrupts]
    }
}

/// As many bytes of the pages.
fn cut(pages: &[Segment], length: usize, into: &mut Vec<Segment>) {
    let mut left = length as u32;
    for page in pages {
        if left == 0 {
            return;
        }
        let length = left.min(page.length);
        into.push(Segment { length, ..*page });
        left -= length;
    }
}

impl Carrier for Queue {
    fn queue(
        &mut self,
        tag: u16,
        head: &[u8],
        payload: &[u8],
        room: usize,
    ) -> Result<(), Box<dyn Error>> {
        let lane = &self.lanes[usize::from(tag) % LANES];
        self.ram.write(lane.head, head);
        let segment = |address, length: usize| Segment {
            address,
            length: length as u32,
        };
        let mut readable = vec![segment(lane.head, head.len())];
        cut(&lane.pages, payload.len(), &mut readable);
        let mut writable = Vec::new();
        if head.get(4) == Some(&kind::TREAD) {
            writable.push(segment(lane.reply, REPLY_HEAD));
            cut(&lane.pages, room - REPLY_HEAD, &mut writable);
        } else {
            writable.push(segment(lane.reply, room));
        }
        let added = self.driver.add(&readable, &writable);
        self.tags[usize::from(added.ok_or("the queue is full")?)] = tag;
        Ok(())
    }

    fn exchange(&mut self, replies: &mut Vec<u16>) -> Result<(), Box<dyn Error>> {
        self.driver.publish();
        let mut used = self.driver.next_used();
        while used.is_none() {
            if !self.driver.arm() {
                if !self.driver.call().wait(PATIENCE) {
                    return Err("the device does not answer".into());
                }
                self.interrupts += 1;
            }
            used = self.driver.next_used();
        }
        while let Some(chain) = used {
            let tag = self.tags[usize::from(chain.head)];
            let mut reply = [0; 7];
            self.ram
                .read(self.lanes[usize::from(tag) % LANES].reply, &mut reply);
            if chain.length == 0 || reply[4] == kind::RLERROR {
                return Err("the device answered with an error".into());
            }
            replies.push(tag);
            used = self.driver.next_used();
        }
        Ok(())
    }
}
