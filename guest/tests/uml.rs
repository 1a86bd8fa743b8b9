//! Everyday work in a User-Mode Linux guest, once for each cache mode of the client.
//!
//! Ignored by default: `guest/run` prepares the kernels and runs them.

mod common;

use virtfs_guest::{Cache, Guest, Mount, Server};

#[test]
#[ignore = "boots a kernel: guest/run uml"]
fn everyday_work_holds_with_cache_none() {
    work(Cache::None);
}

#[test]
#[ignore = "boots a kernel: guest/run uml"]
fn everyday_work_holds_with_cache_loose() {
    work(Cache::Loose);
}

#[test]
#[ignore = "boots a kernel: guest/run uml"]
fn everyday_work_holds_with_cache_mmap() {
    work(Cache::Mmap);
}

fn work(cache: Cache) {
    Guest::uml(Server::from_env().expect("a server"))
        .expect("a prepared kernel")
        .label(cache.name())
        .limit(common::limit())
        .run(
            &common::items(cache),
            &Mount {
                cache,
                ..Mount::default()
            },
        )
        .expect("the guest can be started")
        .check();
}
