//! Everyday work in a User-Mode Linux guest on exports of every ownership model, all but passthrough
//! served by an ordinary user. (What is under passthrough is in the other tests.)
//!
//! Ignored by default: `guest/run` prepares the kernels and runs them.

mod common;

use virtfs_guest::{Cache, Guest, Model, Mount, Server, Transport};

#[test]
#[ignore = "boots a kernel: guest/run models"]
fn everyday_work_holds_under_none() {
    work(Model::None, Transport::Tcp, Cache::None);
}

#[test]
#[ignore = "boots a kernel: guest/run models"]
fn everyday_work_holds_under_mapped_xattr() {
    work(Model::MappedXattr, Transport::Virtio, Cache::None);
}

#[test]
#[ignore = "boots a kernel: guest/run models"]
fn everyday_work_holds_under_mapped_file() {
    work(Model::MappedFile, Transport::Tcp, Cache::None);
}

#[test]
#[ignore = "boots a kernel: guest/run models"]
fn capabilities_of_files_are_kept_and_removed() {
    capabilities(Cache::None);
}

mod long {
    use super::*;

    #[test]
    #[ignore = "boots a kernel: guest/run --long models"]
    fn everyday_work_holds_under_none_with_cache_loose() {
        work(Model::None, Transport::Virtio, Cache::Loose);
    }

    #[test]
    #[ignore = "boots a kernel: guest/run --long models"]
    fn everyday_work_holds_under_mapped_xattr_with_cache_loose() {
        work(Model::MappedXattr, Transport::Tcp, Cache::Loose);
    }

    #[test]
    #[ignore = "boots a kernel: guest/run --long models"]
    fn everyday_work_holds_under_mapped_file_with_cache_loose() {
        work(Model::MappedFile, Transport::Virtio, Cache::Loose);
    }

    #[test]
    #[ignore = "boots a kernel: guest/run --long models"]
    fn capabilities_of_files_are_kept_and_removed_with_caches() {
        capabilities(Cache::Loose);
        capabilities(Cache::Mmap);
    }
}

fn work(model: Model, transport: Transport, cache: Cache) {
    let server = Server::from_env().expect("a server").model(model);
    let mount = Mount {
        cache,
        ..Mount::default()
    };
    Guest::uml(server)
        .expect("a prepared kernel")
        .transport(transport)
        .label(&format!("{model} {cache}"))
        .limit(common::limit())
        .run(&common::items_under(model, cache), &mount)
        .expect("the guest can be started")
        .check();
}

fn capabilities(cache: Cache) {
    let server = Server::from_env()
        .expect("a server")
        .with("--xattr=security");
    let mount = Mount {
        cache,
        ..Mount::default()
    };
    Guest::uml(server)
        .expect("a prepared kernel")
        .label(&format!("security {cache}"))
        .limit(common::limit())
        .run(&common::folder("security"), &mount)
        .expect("the guest can be started")
        .check();
}
