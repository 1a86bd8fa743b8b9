//! Numbers that a client chooses do not size what the server takes.

use virtfs_proto::{NOFID, Tattach, Tlopen, Tmessage, Treaddir, Tversion, Twalk};
use virtfs_tests::errno::ENOSPC;
use virtfs_tests::virtio::{Direct, Driver, DriverOptions, GuestRam, Layout, Placed};
use virtfs_tests::{PATIENCE, Served, frame};

use crate::alone::{alone, resident_kib};
use crate::site::{RDONLY, Site};

/// The defect: each fid may hold 64 KiB, and there are as many fids as are asked for.
#[test]
fn cve_2026_8348_values_of_attributes_have_a_budget() {
    alone(
        "exhausted::cve_2026_8348_values_of_attributes_have_a_budget",
        || {
            let site = Site::new();
            site.put("file", "content");
            let served = site.serve();
            let mut client = served.session();
            client.walk(0, 1, &["file"]).unwrap();
            let before = resident_kib();
            let value = vec![b'x'; 65_000];
            let mut begun = 0_u32;
            let refused = loop {
                let fid = 10 + begun;
                client.walk(1, fid, &[]).unwrap();
                if let Err(errno) = client.xattrcreate(fid, "user.a", 65_536, 0) {
                    break errno;
                }
                for at in [0, 65_000] {
                    let piece = &value[..value.len().min(65_536 - at)];
                    let _ = client.write(fid, at as u64, &piece[..piece.len().min(60_000)]);
                }
                begun += 1;
                assert!(begun < 1000, "there is no end to it");
            };
            assert_eq!(refused, ENOSPC);
            let held = resident_kib() - before;
            assert!(held < 24 << 10, "{held} KiB for {begun} values");
            // Others have attributes.
            let mut other = served.session();
            other.walk(0, 1, &["file"]).unwrap();
            other.xattrcreate(1, "user.a", 4, 0).unwrap();
            other.write(1, 0, b"mine").unwrap();
            other.clunk(1).unwrap();
        },
    );
}

fn ask<'a>(driver: &mut Driver, message: impl Into<Tmessage<'a>>) -> Placed {
    let placed = place(driver, 1, message, 4096);
    driver.publish();
    assert!(driver.wait_used(PATIENCE).is_some());
    placed
}

fn place<'a>(
    driver: &mut Driver,
    tag: u16,
    message: impl Into<Tmessage<'a>>,
    room: usize,
) -> Placed {
    let frame = frame(tag, message);
    let placed = Placed::new(driver.ram(), &frame, room, Layout::Whole, 2).expect("memory");
    let added = driver.add(&placed.readable, &placed.writable);
    added.expect("room in the ring");
    placed
}

/// The defect: the server takes msize (here 64 MiB are asked for) for each `Treaddir`, however
/// little room the guest gives for the reply.
#[test]
fn cve_2026_9238_a_listing_takes_no_more_than_its_reply_has_room_for() {
    alone(
        "exhausted::cve_2026_9238_a_listing_takes_no_more_than_its_reply_has_room_for",
        || {
            let site = Site::new();
            for number in 0..100 {
                site.put(&format!("{number:0>100}"), "");
            }
            let served = Served::local(&site.export(""));
            let mut driver = Driver::new(&GuestRam::new(4 << 20), DriverOptions::default());
            let _device = Direct::attach(&served.server, &driver);
            let version = Tversion {
                msize: 64 << 20,
                version: b"9P2000.L",
            };
            let reply = ask(&mut driver, version).reply(11);
            let msize = u32::from_le_bytes(reply[7..11].try_into().unwrap());
            assert!(msize <= 1 << 20, "msize {msize}");
            let attach = Tattach {
                fid: 0,
                afid: NOFID,
                uname: b"root",
                aname: b"",
                n_uname: 0,
            };
            ask(&mut driver, attach);
            // A fid for each request, so that all of them run at once.
            let fids = 1..=60;
            for fid in fids.clone() {
                let names = virtfs_proto::Names::from_slice(&[]);
                ask(
                    &mut driver,
                    Twalk {
                        fid: 0,
                        newfid: fid,
                        names,
                    },
                );
                let flags = virtfs_proto::LopenFlags::from_bits_retain(RDONLY);
                assert_eq!(ask(&mut driver, Tlopen { fid, flags }).reply(5)[4], 13);
            }
            let before = resident_kib();
            let mut peak = 0;
            for _ in 0..20 {
                let placed: Vec<_> = fids
                    .clone()
                    .map(|fid| {
                        let readdir = Treaddir {
                            fid,
                            offset: 0,
                            count: u32::MAX,
                        };
                        place(&mut driver, fid as u16, readdir, 300)
                    })
                    .collect();
                driver.publish();
                for _ in &placed {
                    assert!(driver.wait_used(PATIENCE).is_some());
                }
                peak = peak.max(resident_kib());
                for placed in &placed {
                    assert!(placed.is_intact());
                    assert_eq!(placed.reply(5)[4], 41, "an Rreaddir");
                }
            }
            // 60 of 1 MiB would be twice as much; each open directory keeps 32 KiB.
            let more = peak.saturating_sub(before);
            assert!(more < 30 << 10, "{more} KiB");
        },
    );
}
