//! Everyday work in a User-Mode Linux guest, over TCP and over a virtio device, in each cache mode of the
//! client.
//!
//! Ignored by default: `guest/run` prepares the kernels and runs them. The short form has each
//! transport and each cache mode once, the tests in `long` have the rest.

mod common;

use virtfs_guest::{Cache, Guest, Mount, Server, Transport};

#[test]
#[ignore = "boots a kernel: guest/run uml"]
fn everyday_work_holds_over_virtio_with_cache_none() {
    work(Transport::Virtio, Cache::None, 512_000);
}

#[test]
#[ignore = "boots a kernel: guest/run uml"]
fn everyday_work_holds_over_tcp_with_cache_loose() {
    work(Transport::Tcp, Cache::Loose, 512_000);
}

#[test]
#[ignore = "boots a kernel: guest/run uml"]
fn everyday_work_holds_over_virtio_with_cache_mmap() {
    work(Transport::Virtio, Cache::Mmap, 512_000);
}

mod long {
    use super::*;

    #[test]
    #[ignore = "boots a kernel: guest/run --long uml"]
    fn everyday_work_holds_over_tcp_with_cache_none() {
        work(Transport::Tcp, Cache::None, 512_000);
    }

    #[test]
    #[ignore = "boots a kernel: guest/run --long uml"]
    fn everyday_work_holds_over_tcp_with_cache_mmap() {
        work(Transport::Tcp, Cache::Mmap, 512_000);
    }

    #[test]
    #[ignore = "boots a kernel: guest/run --long uml"]
    fn everyday_work_holds_over_virtio_with_cache_loose() {
        work(Transport::Virtio, Cache::Loose, 512_000);
    }

    #[test]
    #[ignore = "boots a kernel: guest/run --long uml"]
    fn everyday_work_holds_over_virtio_with_msize_8192() {
        work(Transport::Virtio, Cache::None, 8192);
    }

    #[test]
    #[ignore = "boots a kernel: guest/run --long uml"]
    fn everyday_work_holds_over_virtio_with_msize_131072() {
        work(Transport::Virtio, Cache::Mmap, 131_072);
    }
}

fn work(transport: Transport, cache: Cache, msize: u32) {
    Guest::uml(Server::from_env().expect("a server"))
        .expect("a prepared kernel")
        .transport(transport)
        .label(&format!("{transport} {cache}"))
        .limit(common::limit())
        .run(
            &common::items(cache),
            &Mount {
                cache,
                msize,
                ..Mount::default()
            },
        )
        .expect("the guest can be started")
        .check();
}
