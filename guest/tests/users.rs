//! Several users in User-Mode Linux on an export with `--access user`: the host's kernel decides.
//!
//! Ignored by default: `guest/run` prepares the kernels and runs it.

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use virtfs_guest::{Guest, Item, Mount, Server, Transport};

#[test]
#[ignore = "boots a kernel: guest/run users"]
fn users_are_who_they_are_on_the_host_and_root_is_nobody() {
    work(Transport::Tcp, "root");
}

#[test]
#[ignore = "boots a kernel: guest/run users"]
fn root_is_root_if_it_is_not_squashed() {
    work(Transport::Virtio, "none");
}

mod long {
    use super::*;

    #[test]
    #[ignore = "boots a kernel: guest/run --long users"]
    fn users_are_who_they_are_on_the_host_and_root_is_nobody_over_virtio() {
        work(Transport::Virtio, "root");
    }

    #[test]
    #[ignore = "boots a kernel: guest/run --long users"]
    fn root_is_root_if_it_is_not_squashed_over_tcp() {
        work(Transport::Tcp, "none");
    }
}

/// The export is everybody's, as /tmp is: root of the guest has nothing of its own there.
fn work(transport: Transport, squash: &str) {
    let server = Server::from_env().expect("a server");
    let share = tempfile::tempdir().expect("a folder");
    fs::set_permissions(share.path(), Permissions::from_mode(0o1777)).expect("it is ours");
    let of_both = |item: &Item| item.header("squash").is_none_or(|of| of == squash);
    let mut items = common::folder("users");
    items.retain(|item| of_both(item) && common::is_chosen(item));
    for item in &mut items {
        let text = format!("SQUASH={squash}\n{}", item.text());
        *item = Item::inline(item.name(), &text).expect("a name as before");
    }
    Guest::uml(server.with(&format!("--access user --squash {squash}")))
        .expect("a prepared kernel")
        .transport(transport)
        .share(share.path())
        .label(&format!("users {transport} {squash}"))
        .limit(common::limit())
        .run(&items, &Mount::default())
        .expect("the guest can be started")
        .check();
}
