//! The server is killed under a User-Mode Linux guest that works, and started again.
//!
//! Over TCP only: a guest's virtio device does not come back (docs/vmm.md).
//!
//! Ignored by default: `guest/run` prepares the kernels and runs it.

mod common;

use virtfs_guest::{Cache, Guest, Mount, Server};

#[test]
#[ignore = "boots a kernel: guest/run server"]
fn a_guest_outlives_its_server_and_finds_what_it_synced() {
    work(Cache::None);
}

mod long {
    use super::*;

    #[test]
    #[ignore = "boots a kernel: guest/run --long server"]
    fn a_guest_with_caches_outlives_its_server_and_finds_what_it_synced() {
        work(Cache::Mmap);
        work(Cache::Loose);
    }
}

fn work(cache: Cache) {
    let mut items = common::folder("server");
    items.retain(common::is_chosen);
    let mount = Mount {
        cache,
        ..Mount::default()
    };
    Guest::uml(Server::from_env().expect("a server"))
        .expect("a prepared kernel")
        .label(&format!("server {cache}"))
        .limit(common::limit())
        .run(&items, &mount)
        .expect("the guest can be started")
        .check();
}
