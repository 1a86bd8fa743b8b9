//! Each VMM's own words for a vhost-user device of virtio id 9.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

use super::{mount_command, quoted};
use crate::serve::vmm::Device;

/// The largest message that Linux takes over virtio.
const VIRTIO_MSIZE: u32 = 512_000;

/// QEMU's name for this kind of host, and a machine that has PCI.
const QEMU: (&str, &str) = match std::env::consts::ARCH.as_bytes() {
    b"aarch64" => ("qemu-system-aarch64", "virt"),
    b"riscv64" => ("qemu-system-riscv64", "virt"),
    _ => ("qemu-system-x86_64", "q35"),
};

const HOW_TO: &str = "\
# Each line attaches one device; add the guest's own kernel and disks. The device works in the
# guest's memory: all of it must be shared. In QEMU's line the size of -m is also that of memory-backend.
# A guest with several devices has the -chardev and -device of each, and the rest once.
";

/// How to attach the devices, and how to mount them in the guest.
pub(in crate::serve) fn vmm_lines(devices: &[Device<'_>], msize: u32) -> String {
    let mut text = String::new();
    for (number, device) in devices.iter().enumerate() {
        let tag = String::from_utf8_lossy(device.tag().as_bytes());
        let path = device.path().map_or("SOCK".into(), Path::to_string_lossy);
        let attachment = Attachment {
            number,
            path,
            config_size: device.tag().config_len(),
        };
        let _ = writeln!(text, "# device {tag}, for one of these VMMs:");
        text += &attachment.lines();
        let _ = writeln!(text, "# device {tag}, in the guest:");
        for (place, export) in device.exports.iter().enumerate() {
            let aname = export.aname.as_deref().filter(|_| place > 0);
            let msize = msize.min(VIRTIO_MSIZE);
            text += &mount_command("trans=virtio", &tag, export.readonly, aname, msize);
        }
    }
    if !text.is_empty() {
        text.push_str(HOW_TO);
    }
    text
}

/// What VMMs are told.
struct Attachment<'s> {
    /// Makes names unique.
    number: usize,
    path: Cow<'s, str>,
    /// Of the configuration space, in bytes.
    config_size: usize,
}

impl Attachment<'_> {
    fn lines(&self) -> String {
        let (number, path) = (self.number, &self.path);
        let mut text = self.qemu();
        let cloud_hypervisor = format!("socket={path},device_type=9p,queue_sizes=[128]");
        let _ = writeln!(
            text,
            "cloud-hypervisor --memory size=2G,shared=on --generic-vhost-user {}",
            quoted(&cloud_hypervisor)
        );
        let crosvm = format!("type=9p,socket={path}");
        let _ = writeln!(text, "crosvm run --vhost-user {}", quoted(&crosvm));
        let openvmm = format!("{path},device_id=9,queue_sizes=[128]");
        let _ = writeln!(text, "openvmm --vhost-user {}", quoted(&openvmm));
        // A kernel's arguments end at spaces, and this one's parts at colons.
        if !path.contains([':', ' ']) {
            let uml = format!("virtio_uml.device={path}:9:{}", number + 1);
            let _ = writeln!(text, "linux mem=2G {}", quoted(&uml));
        }
        text
    }

    fn qemu(&self) -> String {
        let (program, machine) = QEMU;
        let (number, config_size) = (self.number, self.config_size);
        // QEMU's way to write a comma in a value.
        let path = self.path.replace(',', ",,");
        let chardev = quoted(&format!("socket,id=virtfs{number},path={path}"));
        format!(
            "{program} -machine {machine},memory-backend=mem -m 2G \
             -object memory-backend-memfd,id=mem,size=2G,share=on -chardev {chardev} \
             -device vhost-user-test-device-pci,chardev=virtfs{number},virtio-id=9,num_vqs=1,\
             vq_size=128,config_size={config_size}\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str) -> String {
        let path = path.into();
        Attachment {
            number: 1,
            path,
            config_size: 6,
        }
        .lines()
    }

    #[test]
    fn a_comma_in_a_path_is_written_in_qemus_way() {
        assert!(lines("/a,b").contains("-chardev socket,id=virtfs1,path=/a,,b -device"));
    }

    #[test]
    fn no_line_is_made_up_for_a_kernel_that_cannot_be_told_the_path() {
        assert!(lines("/a").contains("virtio_uml.device=/a:9:2"));
        assert!(!lines("/a:b").contains("virtio_uml"));
        assert!(!lines("/a b").contains("virtio_uml"));
    }

    #[test]
    fn what_shells_would_change_is_quoted() {
        assert!(lines("/a").contains("'socket=/a,device_type=9p,queue_sizes=[128]'"));
        assert!(lines("/a b").contains("-chardev 'socket,id=virtfs1,path=/a b'"));
    }
}
