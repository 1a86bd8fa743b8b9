//! QEMU's own virtio-9p device without a guest: its registers and a virtqueue in its machine's memory,
//! driven through the qtest protocol.

mod base64;
mod client;
mod device;
mod pci;

use std::fs::File;
use std::path::Path;

use client::Qtest;
use device::Device;

use crate::failure::{At, Result};
use crate::model::Model;
use crate::peer::{Answer, Peer};

/// QEMU with one 9p device.
#[derive(Debug)]
pub(crate) struct Qemu {
    device: Device,
    /// How many bytes a reply may have.
    room: u32,
}

impl Qemu {
    /// Starts `program` so that its device serves `share`; its messages go to `log`.
    pub(crate) fn start(program: &Path, model: Model, share: &Path, log: &Path) -> Result<Self> {
        let errors = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(log)
            .at(log.display())?;
        let share = share.display();
        let arguments = [
            "-fsdev".to_owned(),
            format!(
                "local,id=share,path={share},security_model={}",
                model.name()
            ),
            "-device".to_owned(),
            "virtio-9p-pci,fsdev=share,mount_tag=oracle,disable-legacy=on,ioeventfd=off".to_owned(),
        ];
        let qtest = Qtest::start(program, &arguments, errors)?;
        Ok(Self {
            device: Device::new(qtest)?,
            room: 8192,
        })
    }
}

impl Peer for Qemu {
    fn call(&mut self, frame: &[u8]) -> Result<Answer> {
        self.device.exchange(frame, self.room)
    }

    fn negotiated(&mut self, msize: u32) {
        self.room = msize;
    }

    fn renew(&mut self) -> Result {
        self.device.reset()
    }
}
