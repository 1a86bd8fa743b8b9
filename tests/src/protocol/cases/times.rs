//! Times.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use virtfs_client::{Fid, LopenFlags as O, SetAttributes, SetTime, Timespec};

use super::errno::EINVAL;
use super::{content, fails, mkdir, put};
use crate::PATIENCE;
use crate::protocol::{Has, Site};

cases! {
    Has::WRITE =>
        times_are_set_to_the_nanosecond
        a_time_that_is_not_named_stays
        the_present_is_the_servers
        times_before_1970_and_after_2038_are_kept
        a_time_that_does_not_exist_is_refused
        a_write_moves_the_modification_time
        new_entries_move_the_modification_time
        every_change_moves_the_change_time
        the_change_time_is_moved_by_itself
        a_symlink_has_times_of_its_own;
}

fn at(sec: i64, nsec: u64) -> Timespec {
    let sec = sec.cast_unsigned();
    Timespec { sec, nsec }
}

fn set(atime: Option<SetTime>, mtime: Option<SetTime>) -> SetAttributes {
    SetAttributes {
        atime,
        mtime,
        ..Default::default()
    }
}

fn both(time: Timespec) -> SetAttributes {
    set(Some(SetTime::At(time)), Some(SetTime::At(time)))
}

fn times(fid: &Fid) -> (Timespec, Timespec) {
    let attributes = fid.attributes().unwrap();
    (attributes.atime, attributes.mtime)
}

fn ctime(fid: &Fid) -> (u64, u64) {
    let ctime = fid.attributes().unwrap().ctime;
    (ctime.sec, ctime.nsec)
}

/// Repeats a change until the change time is later: a kernel's clock has coarse steps.
#[track_caller]
fn moves_ctime(fid: &Fid, mut change: impl FnMut()) {
    let (before, until) = (ctime(fid), Instant::now() + PATIENCE);
    loop {
        change();
        let now = ctime(fid);
        assert!(now >= before, "it went back");
        if now > before {
            return;
        }
        assert!(Instant::now() < until, "it does not move");
    }
}

fn times_are_set_to_the_nanosecond(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    let (a, m) = (
        at(1_234_567_890, 123_456_789),
        at(1_000_000_001, 999_999_999),
    );
    fid.setattr(&set(Some(SetTime::At(a)), Some(SetTime::At(m))))
        .unwrap();
    assert_eq!(times(&fid), (a, m));
    let file = fid.open(O::WRONLY).unwrap();
    file.setattr(&both(at(5, 1))).unwrap();
    assert_eq!(times(&fid), (at(5, 1), at(5, 1)));
    site.root().setattr(&both(at(77, 7))).unwrap();
    assert_eq!(times(site.root()).1, at(77, 7));
}

fn a_time_that_is_not_named_stays(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    fid.setattr(&both(at(100, 1))).unwrap();
    fid.setattr(&set(Some(SetTime::At(at(200, 2))), None))
        .unwrap();
    assert_eq!(times(&fid), (at(200, 2), at(100, 1)));
    fid.setattr(&set(None, Some(SetTime::At(at(300, 3)))))
        .unwrap();
    assert_eq!(times(&fid), (at(200, 2), at(300, 3)));
    let mode = SetAttributes {
        mode: Some(0o600),
        ..Default::default()
    };
    fid.setattr(&mode).unwrap();
    assert_eq!(times(&fid), (at(200, 2), at(300, 3)));
}

fn the_present_is_the_servers(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    fid.setattr(&both(at(100, 1))).unwrap();
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    fid.setattr(&set(None, Some(SetTime::Now))).unwrap();
    let (a, m) = times(&fid);
    assert_eq!(a, at(100, 1));
    // The kernel's clock for files may lag by a tick.
    assert!(m.sec + 1 >= before.as_secs(), "{m:?} is not now");
    fid.setattr(&set(Some(SetTime::Now), Some(SetTime::At(at(5, 5)))))
        .unwrap();
    let (a, m) = times(&fid);
    assert_eq!(m, at(5, 5));
    assert!(a.sec + 1 >= before.as_secs(), "{a:?} is not now");
}

fn times_before_1970_and_after_2038_are_kept(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    for time in [
        at(-1, 5),
        at(-1_000_000, 0),
        at(1 << 31, 1),
        at(1 << 33, 999),
    ] {
        fid.setattr(&both(time)).unwrap();
        assert_eq!(times(&fid), (time, time));
    }
}

fn a_time_that_does_not_exist_is_refused(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    fid.setattr(&both(at(100, 1))).unwrap();
    for nsec in [1_000_000_000, u64::from(u32::MAX), u64::MAX] {
        fails(fid.setattr(&both(at(5, nsec))), &[EINVAL]);
    }
    assert_eq!(times(&fid), (at(100, 1), at(100, 1)));
}

fn a_write_moves_the_modification_time(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    fid.setattr(&both(at(100, 1))).unwrap();
    let file = fid.open(O::RDWR).unwrap();
    assert_eq!(times(&fid).1, at(100, 1));
    file.write_all_at(b"x", 0).unwrap();
    assert!(times(&fid).1.sec > 1_000_000_000);
    fid.setattr(&both(at(100, 1))).unwrap();
    let size = SetAttributes {
        size: Some(9),
        ..Default::default()
    };
    fid.setattr(&size).unwrap();
    assert!(times(&fid).1.sec > 1_000_000_000);
    fid.setattr(&both(at(100, 1))).unwrap();
    content(&fid);
    assert_eq!(times(&fid).1, at(100, 1));
}

fn new_entries_move_the_modification_time(site: &Site) {
    let root = site.root();
    let moved = |change: &dyn Fn()| {
        root.setattr(&both(at(100, 1))).unwrap();
        change();
        assert!(times(root).1.sec > 1_000_000_000);
    };
    moved(&|| drop(put(root, b"f", b"")));
    moved(&|| drop(mkdir(root, "d")));
    moved(&|| root.rename_at(b"f", root, b"g").unwrap());
    moved(&|| root.unlink_at(b"g", Default::default()).unwrap());
}

fn every_change_moves_the_change_time(site: &Site) {
    let root = site.root();
    let fid = put(root, b"f", b"");
    let file = fid.open(O::WRONLY).unwrap();
    moves_ctime(&fid, || file.write_all_at(b"x", 0).unwrap());
    moves_ctime(&fid, || fid.setattr(&both(at(100, 1))).unwrap());
    moves_ctime(&fid, || {
        root.link(b"g", &fid).unwrap();
        root.unlink_at(b"g", Default::default()).unwrap();
    });
    let mut bit = 0;
    moves_ctime(&fid, || {
        bit ^= 0o100;
        let mode = SetAttributes {
            mode: Some(0o600 | bit),
            ..Default::default()
        };
        fid.setattr(&mode).unwrap();
    });
}

fn the_change_time_is_moved_by_itself(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    fid.setattr(&both(at(100, 1))).unwrap();
    let before = fid.attributes().unwrap();
    moves_ctime(&fid, || {
        let set = SetAttributes {
            ctime: true,
            ..Default::default()
        };
        fid.setattr(&set).unwrap();
    });
    let after = fid.attributes().unwrap();
    assert_eq!((after.atime, after.mtime), (before.atime, before.mtime));
    assert_eq!((after.mode, after.uid), (before.mode, before.uid));
}

fn a_symlink_has_times_of_its_own(site: &Site) {
    let root = site.root();
    let fid = put(root, b"f", b"");
    fid.setattr(&both(at(100, 1))).unwrap();
    root.symlink(b"l", b"f", 0).unwrap();
    let link = root.walk(&["l"]).unwrap();
    link.setattr(&both(at(200, 2))).unwrap();
    assert_eq!(times(&link).1, at(200, 2));
    assert_eq!(times(&fid).1, at(100, 1));
}
