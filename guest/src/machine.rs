//! The kinds of guest, and what the launcher has to know of each.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The bus that a device of an emulated guest is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// virtio-pci, machine q35.
    Pci,
    /// virtio-mmio, machine microvm.
    Mmio,
}

/// What a guest has as its root file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// What its kind has by itself: the host's tree by hostfs, or an initramfs of busybox.
    Native,
    /// The host's tree, read-only, over 9P by a virtio device of its own.
    Host,
    /// A small writable tree of busybox, over 9P by a virtio device of its own.
    Own,
}

#[derive(Debug, Clone)]
pub(crate) enum Machine {
    /// User-Mode Linux on the host's own tree.
    Uml { kernel: PathBuf },
    /// Debian's kernel in Debian's own QEMU without KVM, with a busybox initramfs.
    Tcg { kernel: PathBuf, initrd: PathBuf },
    /// The same kernel in QEMU 11, which has vhost-user devices of any kind.
    Qemu {
        program: PathBuf,
        kernel: PathBuf,
        initrd: PathBuf,
        bus: Bus,
    },
    /// None: the host and its own file system.
    Local,
}

impl Machine {
    /// Tells the launcher which guest to boot.
    pub(crate) fn describe(&self, command: &mut Command) {
        let none = Path::new("");
        let (kind, kernel, initrd, program, bus) = match self {
            Self::Uml { kernel } => ("uml", kernel.as_path(), none, none, ""),
            Self::Tcg { kernel, initrd } => ("tcg", kernel.as_path(), initrd.as_path(), none, ""),
            Self::Qemu {
                program,
                kernel,
                initrd,
                bus,
            } => {
                let bus = match bus {
                    Bus::Pci => "pci",
                    Bus::Mmio => "mmio",
                };
                (
                    "qemu",
                    kernel.as_path(),
                    initrd.as_path(),
                    program.as_path(),
                    bus,
                )
            }
            Self::Local => ("local", none, none, none, ""),
        };
        let settings: [(&str, &OsStr); 5] = [
            ("KIND", kind.as_ref()),
            ("KERNEL", kernel.as_ref()),
            ("INITRD", initrd.as_ref()),
            ("QEMU", program.as_ref()),
            ("BUS", bus.as_ref()),
        ];
        command.envs(settings);
    }

    /// Whether the guest cannot see the host's folders, so that its data must be copied.
    pub(crate) fn is_blind(&self, root: Root) -> bool {
        match self {
            Self::Uml { .. } => root == Root::Own,
            Self::Tcg { .. } => true,
            Self::Qemu { .. } => root != Root::Host,
            Self::Local => false,
        }
    }

    /// By how much the limits of the items are longer.
    pub(crate) fn slower(&self) -> u32 {
        match self {
            Self::Qemu { .. } => 15,
            _ => 1,
        }
    }
}
