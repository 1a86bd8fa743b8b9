//! Debian's own kernel in an emulated machine mounts the export over TCP.
//!
//! Ignored by default: `guest/run` prepares the kernels and runs it.

use std::path::Path;
use std::time::Duration;

use virtfs_guest::{Guest, Item, Mount, Server};

#[test]
#[ignore = "boots a kernel: guest/run tcg"]
fn a_debian_kernel_unpacks_300_files_and_reads_them_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/busybox");
    let items = Item::folder(&folder).expect("the scripts are there");
    Guest::tcg(Server::from_env().expect("a server"))
        .expect("a prepared kernel")
        .limit(Duration::from_secs(300))
        .run(&items, &Mount::default())
        .expect("the guest can be started")
        .check();
}
