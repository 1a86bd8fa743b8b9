//! Debian's own kernel in QEMU 11 mounts the export as a virtio device over vhost-user.
//!
//! Ignored by default: `guest/run` prepares the kernels and runs it. The tests in `long` are left out
//! of the short form.

mod common;

use std::time::Duration;

use virtfs_guest::{Bus, Guest, Mount, Server};

#[test]
#[ignore = "boots a kernel: guest/run qemu"]
fn a_debian_kernel_works_on_a_pci_device() {
    smoke(Bus::Pci, 512_000);
}

#[test]
#[ignore = "boots a kernel: guest/run qemu"]
fn a_debian_kernel_works_on_an_mmio_device() {
    smoke(Bus::Mmio, 512_000);
}

#[test]
#[ignore = "boots a kernel: guest/run qemu"]
fn a_device_is_unbound_and_reset_under_load() {
    under_load(Bus::Pci);
}

fn under_load(bus: Bus) {
    guest(bus)
        .may_reboot()
        .label(&format!("{bus:?} load"))
        .limit(Duration::from_secs(300))
        .run(&common::folder("device"), &Mount::default())
        .expect("the guest can be started")
        .check();
}

fn smoke(bus: Bus, msize: u32) {
    let mount = Mount {
        msize,
        ..Mount::default()
    };
    guest(bus)
        .label(&format!("{bus:?} {msize}"))
        .limit(Duration::from_secs(300))
        .run(&common::folder("busybox"), &mount)
        .expect("the guest can be started")
        .check();
}

fn guest(bus: Bus) -> Guest {
    Guest::qemu(Server::from_env().expect("a server"), bus).expect("a prepared kernel")
}

mod long {
    use super::*;
    use virtfs_guest::{Cache, Root};

    #[test]
    #[ignore = "boots a kernel: guest/run --long qemu"]
    fn a_debian_kernel_works_on_a_pci_device_with_small_messages() {
        smoke(Bus::Pci, 8192);
        smoke(Bus::Pci, 131_072);
    }

    #[test]
    #[ignore = "boots a kernel: guest/run --long qemu"]
    fn everyday_work_holds_with_msize_8192() {
        work(Bus::Pci, 8192, Cache::None);
    }

    #[test]
    #[ignore = "boots a kernel: guest/run --long qemu"]
    fn everyday_work_holds_with_msize_131072() {
        work(Bus::Pci, 131_072, Cache::Mmap);
    }

    #[test]
    #[ignore = "boots a kernel: guest/run --long qemu"]
    fn everyday_work_holds_with_msize_512000() {
        work(Bus::Pci, 512_000, Cache::Loose);
    }

    #[test]
    #[ignore = "boots a kernel: guest/run --long qemu"]
    fn everyday_work_holds_on_an_mmio_device() {
        work(Bus::Mmio, 512_000, Cache::Mmap);
    }

    #[test]
    #[ignore = "boots a kernel: guest/run --long qemu"]
    fn an_mmio_device_is_unbound_and_reset_under_load() {
        under_load(Bus::Mmio);
    }

    /// Each in a QEMU of its own; the second is killed in the middle of heavy writing, again and again.
    #[test]
    #[ignore = "boots a kernel: guest/run --long qemu"]
    fn two_guests_share_an_export_and_one_may_die() {
        let mut items = common::folder("peer");
        items.retain(|item| item.name() != "03-unbind" && common::is_chosen(item));
        guest(Bus::Pci)
            .root(Root::Host)
            .with_peer()
            .label("two in QEMU")
            .limit(common::limit() * 2)
            .run(&items, &Mount::default())
            .expect("the guests can be started")
            .check();
    }

    /// With the host's tree as its root, over a second device.
    fn work(bus: Bus, msize: u32, cache: Cache) {
        let mount = Mount {
            msize,
            cache,
            ..Mount::default()
        };
        guest(bus)
            .root(Root::Host)
            .label(&format!("{bus:?} {msize} {cache}"))
            .limit(common::limit() * if common::long() { 4 } else { 1 })
            .run(&common::items(cache), &mount)
            .expect("the guest can be started")
            .check();
    }
}
