//! User-Mode Linux on virtio devices: the export as its root, two guests on one export, guests that
//! are killed and drivers that are unbound.
//!
//! Ignored by default: `guest/run` prepares the kernels and runs it.

mod common;

use virtfs_guest::{Cache, Guest, Mount, Root, Server, Transport};

#[test]
#[ignore = "boots a kernel: guest/run virtio"]
fn the_export_is_the_root_of_a_guest() {
    guest("own root")
        .root(Root::Own)
        .run(&common::folder("root"), &Mount::default())
        .expect("the guest can be started")
        .check();
}

#[test]
#[ignore = "boots a kernel: guest/run virtio"]
fn debian_runs_from_an_export() {
    let mut items = common::items(Cache::Mmap);
    if !common::long() && !common::chosen() {
        items.retain(|item| ["03-gcc", "10-users"].contains(&item.name()));
    }
    let mount = Mount {
        cache: Cache::Mmap,
        ..Mount::default()
    };
    guest("9p root")
        .root(Root::Host)
        .run(&items, &mount)
        .expect("the guest can be started")
        .check();
}

#[test]
#[ignore = "boots a kernel: guest/run virtio"]
fn two_guests_share_an_export_and_one_may_die() {
    two_guests(Cache::None);
}

mod long {
    use super::*;

    #[test]
    #[ignore = "boots a kernel: guest/run --long virtio"]
    fn two_guests_with_caches_share_an_export_and_one_may_die() {
        two_guests(Cache::Loose);
        two_guests(Cache::Mmap);
    }
}

fn two_guests(cache: Cache) {
    let mut items = common::folder("peer");
    items.retain(common::is_chosen);
    guest(&format!("two {cache}"))
        .with_peer()
        .run(
            &items,
            &Mount {
                cache,
                ..Mount::default()
            },
        )
        .expect("the guests can be started")
        .check();
}

fn guest(label: &str) -> Guest {
    Guest::uml(Server::from_env().expect("a server"))
        .expect("a prepared kernel")
        .transport(Transport::Virtio)
        .label(label)
        .limit(common::limit())
}
