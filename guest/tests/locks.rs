//! Locks in User-Mode Linux: of processes of one guest, of two guests that have a server process each, and
//! of a guest and the host.
//!
//! Ignored by default: `guest/run` prepares the kernels and runs it.

mod common;

use virtfs_guest::{Guest, Item, Mount, Server, Transport};

#[test]
#[ignore = "boots a kernel: guest/run locks"]
fn locks_hold_between_guests_and_with_the_host() {
    Guest::uml(Server::from_env().expect("a server"))
        .expect("a prepared kernel")
        .transport(Transport::Virtio)
        .with_peer()
        .label("locks virtio")
        .limit(common::limit())
        .run(
            &items(|item| item.header("transport") != Some("tcp")),
            &Mount::default(),
        )
        .expect("the guests can be started")
        .check();
}

#[test]
#[ignore = "boots a kernel: guest/run locks"]
fn locks_hold_in_one_guest_over_tcp_and_on_a_read_only_export() {
    let mut server = Server::from_env().expect("a server");
    let exports = "--export \"share=$SHARE\" --export \"ro=$SHARE,ro\"";
    server.tcp = server.tcp.replace("--shared-dir \"$SHARE\"", exports);
    assert!(server.tcp.contains(exports), "{}", server.tcp);
    Guest::uml(server)
        .expect("a prepared kernel")
        .label("locks tcp")
        .limit(common::limit())
        .run(
            &items(|item| item.header("peer").is_none()),
            &Mount::default(),
        )
        .expect("the guest can be started")
        .check();
}

fn items(wanted: impl Fn(&Item) -> bool) -> Vec<Item> {
    let mut items = common::folder("locks");
    items.retain(|item| wanted(item) && common::is_chosen(item));
    items
}
