//! A client that asks and does not read: what the server holds for it is bounded. A file of its
//! own: it looks at the memory of the process.

use std::time::Duration;

use virtfs_proto::Tread;
use virtfs_server::SessionHandle;
use virtfs_tests::{Frames, Raw, Served};

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn reads(count: u32) -> Frames {
    let mut frames = Frames::new();
    let (fid, offset) = (1, 0);
    for n in 0..200_000_u32 {
        frames.add(n as u16 % 0x7000, Tread { fid, offset, count });
    }
    frames
}

/// Sends reads without taking a reply, as long as the server takes them.
fn ask_too_much(served: &Served, count: u32) -> (Raw, SessionHandle) {
    let (mut client, handle) = served.session_with_handle();
    client.walk(0, 1, &["f"]).unwrap();
    client.lopen(1, 0).unwrap();
    let frames = reads(count);
    let before = resident_bytes();
    let sent = client
        .try_send(frames.bytes(), Duration::from_millis(300))
        .unwrap();
    let all = frames.bytes().len();
    assert!(
        sent < all / 2,
        "{sent} of {all} bytes of requests were taken"
    );
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes are held");
    (client, handle)
}

#[test]
fn a_client_that_does_not_read_is_not_read_from() {
    let served = Served::memory();
    let mut bystander = served.session();
    bystander.put_file(0, 1, "f", &vec![7; 60_000]);
    // Few replies of many bytes, and many replies of one.
    for count in [60_000, 1] {
        let (mut client, handle) = ask_too_much(&served, count);
        for _ in 0..100 {
            bystander.walk(0, 2, &["f"]).unwrap();
            bystander.clunk(2).unwrap();
        }
        // What was asked for comes when it is read.
        for _ in 0..100 {
            assert_eq!(client.receive().payload().len(), count as usize);
        }
        drop(client);
        handle.wait();
    }
    assert!(bystander.getattr(0).is_ok());

    // A server can be shut down though a client does not read.
    let _client = ask_too_much(&served, 60_000);
    assert!(served.server.shut_down(Duration::from_millis(50)));
}
