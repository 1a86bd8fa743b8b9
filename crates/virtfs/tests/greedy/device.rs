//! A greedy guest behind a vhost-user device: it gets errnos, the memory of its process stays
//! bounded, and a client of the same program at a socket goes on.

use std::os::unix::net::UnixStream;
use std::process::Command;

use virtfs_proto::{Names, Twalk};
use virtfs_tests::errno::{EMFILE, ENOLCK, ENOSPC};
use virtfs_tests::virtio::{Driver, DriverOptions, GuestRam, Layout, VhostUser, bridge};
use virtfs_tests::{Frames, Raw};

use crate::half_open::Program;
use crate::kinds::lock;

/// What each process may have of writable private memory.
const LIMIT_MIB: u64 = 512;

const MANY: u32 = 1000;

#[test]
fn a_greedy_guest_gets_errnos_and_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["file", "locked"] {
        std::fs::write(dir.path().join(name), "content").unwrap();
    }
    let sockets = tempfile::tempdir().unwrap();
    let (vmm, socket) = (sockets.path().join("vmm"), sockets.path().join("9p"));
    let mut command = Command::new("prlimit");
    command.arg(format!("--data={}", LIMIT_MIB << 20));
    command.arg(env!("CARGO_BIN_EXE_virtfs"));
    command.args(["serve", "--log-level", "error", "--rlimit-nofile", "1024"]);
    command.arg("--shared-dir").arg(dir.path());
    command.args(["--tag", "home", "--socket-path"]).arg(&vmm);
    command
        .arg("--listen")
        .arg(format!("unix:{}", socket.display()));
    let _server = Program::start(&mut command, &socket);
    let mut witness = Raw::socket(UnixStream::connect(&socket).unwrap());
    witness.start();
    witness.attach(1, "").unwrap();

    let options = DriverOptions {
        indirect: true,
        ..DriverOptions::default()
    };
    let driver = Driver::new(&GuestRam::new(64 << 20), options);
    let attached = VhostUser::attach(UnixStream::connect(&vmm).unwrap(), &driver).unwrap();
    let mut guest = Raw::socket(bridge(driver, attached, Layout::Whole).unwrap());
    guest.start();
    guest.attach(1, "").unwrap();
    guest.walk(1, 2, &["file"]).unwrap();

    // Directories keep their descriptors.
    let refused = (MANY..MANY + 2000).find_map(|fid| {
        guest.walk(1, fid, &[]).unwrap();
        guest.lopen(fid, 0).err()
    });
    assert_eq!(refused, Some(EMFILE));
    // Attributes.
    let refused = (2 * MANY + 1000..).take(1000).find_map(|fid| {
        guest.walk(2, fid, &[]).unwrap();
        let begun = guest.xattrcreate(fid, "user.greed", 60_000, 0);
        if begun.is_ok() {
            guest.write(fid, 0, &[1; 60_000]).unwrap();
        }
        begun.err()
    });
    assert_eq!(refused, Some(ENOSPC));
    // Locks.
    guest.walk(1, 4, &["locked"]).unwrap();
    match guest.lopen(4, 2) {
        Ok(_) => {
            let refused = (0..70_000).find_map(|number| guest.lock(4, lock(2 * number, 1)).err());
            assert_eq!(refused, Some(ENOLCK));
        }
        Err(errno) => assert_eq!(errno, EMFILE),
    }
    // Fids, as many as are soon had.
    for batch in 0..30_u32 {
        let mut frames = Frames::new();
        for tag in 0..1000_u16 {
            let newfid = 100_000 + batch * 1000 + u32::from(tag);
            let names = Names::from_slice(&[]);
            frames.add(
                tag,
                Twalk {
                    fid: 2,
                    newfid,
                    names,
                },
            );
        }
        guest.send_frames(&frames);
        assert_eq!(guest.receive_many(1000).len(), 1000);
    }
    // The guest goes on as well, and so do others.
    guest.getattr(2).unwrap();
    witness.mkdir(1, "made", 0o755).unwrap();
    witness.walk(1, 2, &["file"]).unwrap();
    witness.lopen(2, 0).unwrap();
    assert_eq!(witness.read(2, 0, 100).unwrap(), b"content");
}
