//! pjdfstest inside a User-Mode Linux guest, on its own 9P mount.
//!
//! Ignored by default: `guest/run` prepares the kernels and runs it.

mod common;

use virtfs_guest::{Cache, Guest, Mount, Server, Transport};

#[test]
#[ignore = "boots a kernel: guest/run posix"]
fn pjdfstest_passes_over_virtio() {
    pjdfstest(Transport::Virtio, Cache::None);
}

mod long {
    use super::*;

    #[test]
    #[ignore = "boots a kernel: guest/run --long posix"]
    fn pjdfstest_passes_over_tcp() {
        pjdfstest(Transport::Tcp, Cache::None);
    }

    #[test]
    #[ignore = "boots a kernel: guest/run --long posix"]
    fn pjdfstest_passes_with_cache_mmap() {
        pjdfstest(Transport::Virtio, Cache::Mmap);
    }
}

fn pjdfstest(transport: Transport, cache: Cache) {
    Guest::uml(Server::from_env().expect("a server"))
        .expect("a prepared kernel")
        .transport(transport)
        .label(&format!("{transport} {cache}"))
        .limit(common::limit())
        .run(
            &common::folder("posix"),
            &Mount {
                cache,
                ..Mount::default()
            },
        )
        .expect("the guest can be started")
        .check();
}
