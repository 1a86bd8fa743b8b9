//! A driver of one split virtqueue.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use virtfs_device::features;

use super::ring::{DESCRIPTOR, Descriptor, Ring, Segment, flags};
use super::{Event, GuestRam};

/// How a driver uses its queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DriverOptions {
    /// How many descriptors it has.
    pub queue_size: u16,
    /// Whether notifications are asked for by index.
    pub event_idx: bool,
    /// Whether chains lie in tables of their own.
    pub indirect: bool,
}

impl Default for DriverOptions {
    fn default() -> Self {
        Self {
            queue_size: 128,
            event_idx: true,
            indirect: false,
        }
    }
}

/// A chain that the device has used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Used {
    /// What [`Driver::add`] gave for it.
    pub head: u16,
    /// How many bytes the device says that it wrote.
    pub length: u32,
}

/// A driver that keeps to the rules.
#[derive(Debug)]
pub struct Driver {
    ram: Arc<GuestRam>,
    ring: Ring,
    options: DriverOptions,
    free: Vec<u16>,
    /// By head.
    chains: Vec<Option<Chain>>,
    next_available: u16,
    published: u16,
    next_used: u16,
    kicks: u64,
    kick: Event,
    call: Event,
}

#[derive(Debug)]
struct Chain {
    descriptors: Vec<u16>,
    table: Option<(u64, u64)>,
}

impl Driver {
    /// A driver with a queue of its own.
    pub fn new(ram: &Arc<GuestRam>, options: DriverOptions) -> Self {
        Self::starting_at(ram, options, 0)
    }

    /// The same with this available index, as if as many chains had been used before.
    pub fn starting_at(ram: &Arc<GuestRam>, options: DriverOptions, index: u16) -> Self {
        let size = options.queue_size;
        let ring = Ring::new(ram, size);
        ring.set_available_index(index);
        ring.set_used_index(index);
        Self {
            ram: ram.clone(),
            ring,
            options,
            // Not in order, as after some use.
            free: (0..size).step_by(2).chain((1..size).step_by(2)).collect(),
            chains: (0..size).map(|_| None).collect(),
            next_available: index,
            published: index,
            next_used: index,
            kicks: 0,
            kick: Event::new(),
            call: Event::new(),
        }
    }

    /// The memory that it lives in.
    pub fn ram(&self) -> &Arc<GuestRam> {
        &self.ram
    }

    /// Its queue, to look at or to break.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The features that it uses.
    pub fn features(&self) -> u64 {
        let mut features = features::VERSION_1 | features::MOUNT_TAG;
        if self.options.event_idx {
            features |= features::EVENT_IDX;
        }
        if self.options.indirect {
            features |= features::INDIRECT_DESC;
        }
        features
    }

    /// What the driver signals when it has made chains available.
    pub fn kick_fd(&self) -> OwnedFd {
        self.kick.share()
    }

    /// What the device signals when it has used chains.
    pub fn call_fd(&self) -> OwnedFd {
        self.call.share()
    }

    /// The same event.
    pub fn call(&self) -> &Event {
        &self.call
    }

    /// Where in the available ring the next chain goes.
    pub fn next_available(&self) -> u16 {
        self.next_available
    }

    /// How often the device was notified.
    pub fn kicks(&self) -> u64 {
        self.kicks
    }

    /// How many chains the device has.
    pub fn in_flight(&self) -> usize {
        self.chains.iter().flatten().count()
    }

    /// How many segments a chain may have at most now, 0 if there is no room for one.
    pub fn room(&self) -> usize {
        match (self.options.indirect, self.free.len()) {
            (true, 1..) => usize::from(self.options.queue_size),
            (_, free) => free,
        }
    }

    /// Puts a chain into the available ring, for [`Driver::publish`] to show; its head, or `None`
    /// if there is no room.
    pub fn add(&mut self, readable: &[Segment], writable: &[Segment]) -> Option<u16> {
        let count = readable.len() + writable.len();
        if count == 0 || count > self.room() {
            return None;
        }
        let writes = std::iter::repeat_n(0, readable.len());
        let writes = writes.chain(std::iter::repeat_n(flags::WRITE, writable.len()));
        let segments = readable.iter().chain(writable).zip(writes);
        let chain = if self.options.indirect && count > 1 {
            let length = DESCRIPTOR * count as u64;
            let table = self.ram.allocate(length, 16)?;
            for (at, (segment, write)) in segments.enumerate() {
                let descriptor = linked(segment, write, at + 1, at + 1 == count);
                let at = table + DESCRIPTOR * at as u64;
                self.ram.write(at, &descriptor.encode());
            }
            let head = self.free.pop()?;
            let descriptor = Descriptor {
                address: table,
                length: length as u32,
                flags: flags::INDIRECT,
                next: 0,
            };
            self.ring.set_descriptor(head, descriptor);
            Chain {
                descriptors: vec![head],
                table: Some((table, length)),
            }
        } else {
            let descriptors = self.free.split_off(self.free.len() - count);
            for (at, (segment, write)) in segments.enumerate() {
                let next = descriptors.get(at + 1).copied().unwrap_or(0);
                let descriptor = linked(segment, write, next.into(), at + 1 == count);
                self.ring.set_descriptor(descriptors[at], descriptor);
            }
            Chain {
                descriptors,
                table: None,
            }
        };
        let head = chain.descriptors[0];
        self.chains[usize::from(head)] = Some(chain);
        self.ring.set_available(self.next_available, head);
        self.next_available = self.next_available.wrapping_add(1);
        Some(head)
    }

    /// Shows the device what was added, and notifies it if it wants to be.
    pub fn publish(&mut self) {
        if self.published == self.next_available {
            return;
        }
        self.ring.set_available_index(self.next_available);
        // The device writes what it wants and then looks at the index; here it is the other way.
        fence(Ordering::SeqCst);
        let wanted = match self.options.event_idx {
            true => is_between(
                self.ring.available_event(),
                self.published,
                self.next_available,
            ),
            false => self.ring.used_flags() & 1 == 0,
        };
        self.published = self.next_available;
        if wanted {
            self.kicks += 1;
            self.kick.signal();
        }
    }

    /// Notifies the device in any case.
    pub fn kick(&mut self) {
        self.kicks += 1;
        self.kick.signal();
    }

    /// The next chain that the device has used.
    ///
    /// # Panics
    ///
    /// If the device says that it used what it was not given.
    pub fn next_used(&mut self) -> Option<Used> {
        if self.ring.used_index() == self.next_used {
            return None;
        }
        let (head, length) = self.ring.used_entry(self.next_used);
        let chain = self.chains.get_mut(head as usize).and_then(Option::take);
        let chain = chain.unwrap_or_else(|| panic!("no chain {head} is the device's to use"));
        self.free.extend(chain.descriptors);
        if let Some((at, length)) = chain.table {
            self.ram.release(at, length);
        }
        self.next_used = self.next_used.wrapping_add(1);
        Some(Used {
            head: head as u16,
            length,
        })
    }

    /// Asks to be told of the next used chain; `true` if there is one already.
    pub fn arm(&mut self) -> bool {
        self.ring.set_used_event(self.next_used);
        fence(Ordering::SeqCst);
        self.ring.used_index() != self.next_used
    }

    /// Waits for the next used chain; `None` when the time is over.
    pub fn wait_used(&mut self, time: Duration) -> Option<Used> {
        let until = Instant::now() + time;
        loop {
            if let Some(used) = self.next_used() {
                return Some(used);
            }
            if self.arm() {
                continue;
            }
            let left = until.saturating_duration_since(Instant::now());
            if !self.call.wait(left) && left.is_zero() {
                return None;
            }
        }
    }
}

fn linked(segment: &Segment, write: u16, next: usize, last: bool) -> Descriptor {
    Descriptor {
        address: segment.address,
        length: segment.length,
        flags: if last { write } else { write | flags::NEXT },
        next: if last { 0 } else { next as u16 },
    }
}

/// Whether an index that goes from `old` to `new` passes `event` (virtio 1.3, 2.7.10).
fn is_between(event: u16, old: u16, new: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}
