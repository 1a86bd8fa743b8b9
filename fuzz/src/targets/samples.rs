//! Frames that inputs are made of: requests that mean something, and what controls a dialogue.

use std::sync::LazyLock;

use virtfs_proto::{Dialect, NOFID, NOTAG, Tattach, Tclunk, Tflush, Tlock, Tversion, Twalk};
use virtfs_proto::{LockFlags, LockType, LopenFlags, Names, Tlcreate, Tlopen, Tmessage};
use virtfs_tests::{frame, frame_with, requests_on};

use crate::frames::{self, CONTROL};

/// Requests of 9P2000.L on a few fids, which know each other's names.
pub(super) static REQUESTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for dialect in Dialect::ALL {
        let version = dialect.version_string();
        let msize = 8192;
        all.push(frame(NOTAG, Tversion { msize, version }));
    }
    for fid in 0..4 {
        let attach = Tattach {
            fid,
            afid: NOFID,
            uname: b"",
            aname: b"",
            n_uname: 0,
        };
        all.push(frame(fid as u16, attach));
        for (tag, request) in (10..).zip(requests_on(fid, 0, 1 + fid)) {
            all.push(match request {
                Tmessage::Write(write) => frame_with(
                    tag,
                    Tmessage::Write(virtfs_proto::Twrite { count: 3, ..write }),
                    b"abc",
                ),
                request => frame(tag, request),
            });
        }
        for name in [&b"new"[..], b"m", b"s", b"n", b"l", b"..", b"moved"] {
            let names = [name];
            let walk = Twalk {
                fid: 0,
                newfid: fid,
                names: Names::from_slice(&names),
            };
            all.push(frame(50, walk));
        }
        for kind in [LockType::RDLCK, LockType::WRLCK, LockType::UNLCK] {
            let lock = Tlock {
                fid,
                kind,
                flags: LockFlags::BLOCK,
                start: u64::from(fid),
                length: 2,
                proc_id: fid,
                client_id: b"c",
            };
            all.push(frame(60 + fid as u16, lock));
        }
        let open = Tlopen {
            fid,
            flags: LopenFlags::RDWR,
        };
        all.push(frame(70, open));
        let create = Tlcreate {
            fid,
            name: b"new",
            flags: LopenFlags::RDWR | LopenFlags::CREATE,
            mode: 0o644,
            gid: 0,
        };
        all.push(frame(71, create));
        all.push(frame(72, Tclunk { fid }));
        all.push(frame(
            73,
            Tflush {
                oldtag: 60 + fid as u16,
            },
        ));
    }
    all
});

/// The same, and the [`CONTROL`] frames of a dialogue.
pub(super) static DIALOGUE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut all = REQUESTS.clone();
    // Often enough that clients take turns.
    for _ in 0..2 {
        all.extend((0..64).map(|tag| frames::frame(CONTROL, tag, &[])));
    }
    all
});
