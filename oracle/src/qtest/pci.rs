//! One modern virtio device on the first PCI bus of a PC: finding it and mapping its registers
//! (PCI 3.0, 6; virtio 1.3, 4.1.4).

use super::client::Qtest;
use crate::failure::{Failure, Result, fail};

const CONFIG_ADDRESS: u16 = 0xcf8;
const CONFIG_DATA: u16 = 0xcfc;
const VENDOR_VIRTIO: u32 = 0x1af4;
/// The 9p device's type (virtio 1.3, 5) as modern and as transitional devices show it.
const DEVICES: [u32; 2] = [0x1049, 0x1009];
/// Where base addresses are given out: between a small machine's memory and its interrupt
/// controllers.
const WINDOW: u32 = 0xe000_0000;
const WINDOW_STEP: u32 = 0x10_0000;

/// Where the structures of `struct virtio_pci_cap` lie in the address space.
#[derive(Debug, Default)]
pub(super) struct Registers {
    /// `struct virtio_pci_common_cfg`.
    pub(super) common: u64,
    /// The notification registers.
    pub(super) notify: u64,
    /// From one queue's notification register to the next, in bytes, times `queue_notify_off`.
    pub(super) notify_multiplier: u32,
}

/// Finds the device, maps its registers and lets it reach memory.
pub(super) fn map(qtest: &mut Qtest) -> Result<Registers> {
    let slot = find(qtest)?;
    let mut registers = Registers::default();
    let mut bars = [None; 6];
    let mut at = config(qtest, slot, 0x34)? & 0xfc;
    while at != 0 {
        let head = config(qtest, slot, at)?;
        if head & 0xff == 0x09 {
            let bar = config(qtest, slot, at + 4)? & 0xff;
            let offset = u64::from(config(qtest, slot, at + 8)?);
            match head >> 24 {
                1 => registers.common = base(qtest, slot, &mut bars, bar)? + offset,
                2 => {
                    registers.notify = base(qtest, slot, &mut bars, bar)? + offset;
                    registers.notify_multiplier = config(qtest, slot, at + 16)?;
                }
                _ => {}
            }
        }
        at = head >> 8 & 0xfc;
    }
    if registers.common == 0 || registers.notify == 0 {
        return fail("QEMU's 9p device is no modern virtio device");
    }
    // Memory space and bus master.
    let command = config(qtest, slot, 0x04)?;
    set_config(qtest, slot, 0x04, command & 0xffff | 0x6)?;
    Ok(registers)
}

fn find(qtest: &mut Qtest) -> Result<u32> {
    for slot in 0..32 {
        let id = config(qtest, slot, 0)?;
        if id & 0xffff == VENDOR_VIRTIO && DEVICES.contains(&(id >> 16)) {
            return Ok(slot);
        }
    }
    fail("QEMU's machine has no 9p device on its first PCI bus")
}

/// Where a base address register leads, which is set if it was not yet.
fn base(qtest: &mut Qtest, slot: u32, bars: &mut [Option<u32>; 6], bar: u32) -> Result<u64> {
    let index = bar as usize;
    let known = bars.get_mut(index);
    let known = known.ok_or_else(|| Failure::new("a capability names no base address"))?;
    if let Some(base) = *known {
        return Ok(base.into());
    }
    let register = 0x10 + 4 * bar;
    let kind = config(qtest, slot, register)? & 0x7;
    if kind & 1 != 0 {
        return fail("the registers of QEMU's device are ports, not memory");
    }
    let place = WINDOW + WINDOW_STEP * bar;
    set_config(qtest, slot, register, place)?;
    if kind == 0x4 {
        set_config(qtest, slot, register + 4, 0)?;
    }
    *known = Some(place);
    Ok(place.into())
}

fn config(qtest: &mut Qtest, slot: u32, register: u32) -> Result<u32> {
    qtest.outl(CONFIG_ADDRESS, address(slot, register))?;
    qtest.inl(CONFIG_DATA)
}

fn set_config(qtest: &mut Qtest, slot: u32, register: u32, value: u32) -> Result {
    qtest.outl(CONFIG_ADDRESS, address(slot, register))?;
    qtest.outl(CONFIG_DATA, value)
}

fn address(slot: u32, register: u32) -> u32 {
    0x8000_0000 | slot << 11 | register
}
