//! The 9p device as its driver sees it: one request, one reply (virtio 1.3, 2.7 and 4.1.5).

use std::time::{Duration, Instant};

use super::client::Qtest;
use super::pci::{self, Registers};
use crate::failure::{Result, fail};
use crate::peer::Answer;

/// Two descriptors, the available ring behind them, then the request: one write brings all.
const DRIVER_AREA: u64 = 0x10_0000;
const AVAILABLE: usize = 32;
const REQUEST: usize = 64;
/// The used ring, then the reply: one read brings both.
const DEVICE_AREA: u64 = 0x80_0000;
const REPLY: usize = 32;
/// How much of a reply is read at once; what is longer needs a second read.
const FIRST_READ: usize = 224;
const QUEUE_SIZE: u32 = 2;
const PATIENCE: Duration = Duration::from_secs(120);

mod descriptor {
    pub(super) const NEXT: u16 = 0x1;
    pub(super) const WRITE: u16 = 0x2;
}

mod status {
    pub(super) const ACKNOWLEDGE: u32 = 0x1;
    pub(super) const DRIVER: u32 = 0x2;
    pub(super) const DRIVER_OK: u32 = 0x4;
    pub(super) const FEATURES_OK: u32 = 0x8;
    pub(super) const NEEDS_RESET: u32 = 0x40;
}

/// The registers of `struct virtio_pci_common_cfg` that are used.
mod common {
    pub(super) const DRIVER_FEATURE_SELECT: u64 = 8;
    pub(super) const DRIVER_FEATURE: u64 = 12;
    pub(super) const DEVICE_STATUS: u64 = 20;
    pub(super) const QUEUE_SELECT: u64 = 22;
    pub(super) const QUEUE_SIZE: u64 = 24;
    pub(super) const QUEUE_ENABLE: u64 = 28;
    pub(super) const QUEUE_NOTIFY_OFF: u64 = 30;
    pub(super) const QUEUE_DESC: u64 = 32;
    pub(super) const QUEUE_DRIVER: u64 = 40;
    pub(super) const QUEUE_DEVICE: u64 = 48;
}

/// QEMU's 9p device, ready for requests.
#[derive(Debug)]
pub(crate) struct Device {
    qtest: Qtest,
    registers: Registers,
    doorbell: u64,
    /// How many requests were made available since the reset.
    made: u16,
}

impl Device {
    /// Brings up the one device of this machine.
    pub(crate) fn new(mut qtest: Qtest) -> Result<Self> {
        let registers = pci::map(&mut qtest)?;
        let mut device = Self {
            qtest,
            registers,
            doorbell: 0,
            made: 0,
        };
        device.reset()?;
        Ok(device)
    }

    /// Resets the device and makes it ready again: it has no fids then.
    pub(crate) fn reset(&mut self) -> Result {
        use status::{ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK};
        self.set(8, common::DEVICE_STATUS, 0)?;
        self.qtest.write_bytes(DRIVER_AREA, &[0; REQUEST])?;
        self.qtest.write_bytes(DEVICE_AREA, &[0; REPLY])?;
        self.made = 0;
        self.set(8, common::DEVICE_STATUS, ACKNOWLEDGE | DRIVER)?;
        // VERSION_1, and nothing else: no indirect tables, no event index.
        for (select, features) in [(0, 0), (1, 1)] {
            self.set(32, common::DRIVER_FEATURE_SELECT, select)?;
            self.set(32, common::DRIVER_FEATURE, features)?;
        }
        let negotiated = ACKNOWLEDGE | DRIVER | FEATURES_OK;
        self.set(8, common::DEVICE_STATUS, negotiated)?;
        if self.get(8, common::DEVICE_STATUS)? != negotiated {
            return fail("QEMU's device refuses VERSION_1");
        }
        self.set(16, common::QUEUE_SELECT, 0)?;
        self.set(16, common::QUEUE_SIZE, QUEUE_SIZE)?;
        for (register, address) in [
            (common::QUEUE_DESC, DRIVER_AREA),
            (common::QUEUE_DRIVER, DRIVER_AREA + AVAILABLE as u64),
            (common::QUEUE_DEVICE, DEVICE_AREA),
        ] {
            self.set(32, register, address as u32)?;
            self.set(32, register + 4, 0)?;
        }
        self.set(16, common::QUEUE_ENABLE, 1)?;
        let offset = self.get(16, common::QUEUE_NOTIFY_OFF)?;
        self.doorbell =
            self.registers.notify + u64::from(offset * self.registers.notify_multiplier);
        self.set(8, common::DEVICE_STATUS, negotiated | DRIVER_OK)
    }

    /// Puts a request into the queue, with room for a reply of so many bytes, and waits for it.
    pub(crate) fn exchange(&mut self, request: &[u8], room: u32) -> Result<Answer> {
        self.made = self.made.wrapping_add(1);
        let area = driver_area(request, room, self.made);
        self.qtest.write_bytes(DRIVER_AREA, &area)?;
        self.qtest.write(16, self.doorbell, 0)?;
        let begun = Instant::now();
        while self.qtest.read(32, DEVICE_AREA)? >> 16 != u32::from(self.made) {
            let waited = begun.elapsed();
            if waited > Duration::from_millis(20)
                && self.get(8, common::DEVICE_STATUS)? & status::NEEDS_RESET != 0
            {
                return Ok(Answer::Broken);
            }
            if waited > PATIENCE {
                let status = self.get(8, common::DEVICE_STATUS)?;
                return fail(format!(
                    "QEMU's device does not answer request {} (status {status:#x}): {request:x?}",
                    self.made
                ));
            }
        }
        self.reply()
    }

    fn reply(&mut self) -> Result<Answer> {
        let area = self.qtest.read_bytes(DEVICE_AREA, REPLY + FIRST_READ)?;
        // An entry of the used ring: the chain's head, and how many bytes were written.
        let entry = 4 + 8 * usize::from(self.made.wrapping_sub(1) % QUEUE_SIZE as u16);
        let length = u32_at(&area, entry + 4) as usize;
        let mut reply = area[REPLY..].to_vec();
        if let Some(more) = length.checked_sub(reply.len()).filter(|more| *more > 0) {
            let at = DEVICE_AREA + area.len() as u64;
            reply.extend(self.qtest.read_bytes(at, more)?);
        }
        reply.truncate(length);
        Ok(Answer::Frame(reply))
    }

    fn get(&mut self, bits: u32, register: u64) -> Result<u32> {
        self.qtest.read(bits, self.registers.common + register)
    }

    fn set(&mut self, bits: u32, register: u64, value: u32) -> Result {
        self.qtest
            .write(bits, self.registers.common + register, value)
    }
}

/// The bytes of the driver's area: a chain of the request and the room for its reply, made available
/// as the entry before index `made`.
fn driver_area(request: &[u8], room: u32, made: u16) -> Vec<u8> {
    let mut area = Vec::with_capacity(REQUEST + request.len());
    let mut descriptor = |address: u64, length: u32, flags: u16, next: u16| {
        area.extend(address.to_le_bytes());
        area.extend(length.to_le_bytes());
        area.extend(flags.to_le_bytes());
        area.extend(next.to_le_bytes());
    };
    let at = DRIVER_AREA + REQUEST as u64;
    descriptor(at, request.len() as u32, descriptor::NEXT, 1);
    descriptor(DEVICE_AREA + REPLY as u64, room, descriptor::WRITE, 0);
    // No interrupts; both entries of the ring name the first descriptor.
    for word in [1, made, 0, 0] {
        area.extend(u16::to_le_bytes(word));
    }
    area.resize(REQUEST, 0);
    area.extend(request);
    area
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}
