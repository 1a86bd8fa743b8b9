//! A client that does not read what it asked for keeps nobody waiting but itself.

use virtfs_proto::{LockFlags, LockStatus, LockType, Tlock, Tread};
use virtfs_tests::{Frames, Hooked, Lock, Served};
use virtfs_vfs::memory::MemoryFs;

/// More than a socket holds.
const READS: u16 = 10;

#[test]
fn a_client_that_does_not_read_keeps_nobody_from_a_lock() {
    // As the host's does, for a file whose descriptor was closed meanwhile.
    let fs = Hooked::new(MemoryFs::new(), |method, cx| {
        if method == "lock_file" {
            cx.about_to_block();
        }
        Ok(())
    });
    let served = Served::fs(fs);
    let mut bystander = served.session();
    bystander.put_file(0, 1, "f", &vec![7; 60_000]);
    bystander.walk(0, 2, &["f"]).unwrap();
    bystander.lopen(2, 2).unwrap();
    let mut client = served.session();
    client.walk(0, 1, &["f"]).unwrap();
    client.lopen(1, 2).unwrap();

    let mut frames = Frames::new();
    for tag in 0..READS {
        let read = Tread {
            fid: 1,
            offset: 0,
            count: 60_000,
        };
        frames.add(tag, read);
    }
    let lock = Tlock {
        fid: 1,
        kind: LockType::RDLCK,
        flags: LockFlags::empty(),
        start: 0,
        length: 1,
        proc_id: 1,
        client_id: b"c",
    };
    frames.add(READS, lock);
    client.send_frames(&frames);
    // By the time that the client has its first reply, it is on its way to the lock.
    assert_eq!(client.receive().payload().len(), 60_000);
    for start in 1..100 {
        let lock = Lock {
            kind: LockType::RDLCK,
            start,
            length: 1,
            proc_id: 2,
            client_id: "d",
        };
        assert_eq!(bystander.lock(2, lock), Ok(LockStatus::SUCCESS));
    }
    for _ in 0..READS {
        client.receive();
    }
}
