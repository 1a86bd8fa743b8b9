//! The times that a client sets: to the present of the server, to one of its own, or not at all.

use std::fs;
use std::os::unix::fs::MetadataExt;

use virtfs_proto::{SetattrMask, Timespec};
use virtfs_tests::{Served, SetAttr};

const LONG_AGO: Timespec = Timespec { sec: 1000, nsec: 7 };

#[test]
fn a_time_is_set_to_the_present_or_to_what_is_given_or_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, "").unwrap();
    let served = Served::local(dir.path());
    let mut client = served.session();
    client.walk(0, 1, &["f"]).unwrap();
    let mut set = |valid| {
        let set = SetAttr {
            valid,
            atime: LONG_AGO,
            mtime: LONG_AGO,
            ..SetAttr::default()
        };
        client.setattr(1, set).unwrap();
        let on_host = fs::metadata(&path).unwrap();
        let (atime, mtime) = (on_host.atime(), on_host.mtime());
        let attr = client.getattr(1).unwrap();
        assert_eq!(
            (attr.atime.sec, attr.mtime.sec),
            (atime as u64, mtime as u64)
        );
        [atime, mtime].map(|time| time == 1000)
    };
    let (atime, mtime) = (SetattrMask::ATIME, SetattrMask::MTIME);
    let (atime_set, mtime_set) = (SetattrMask::ATIME_SET, SetattrMask::MTIME_SET);
    // Whether each is then the old time that was sent along.
    assert_eq!(set(atime | mtime), [false, false]);
    assert_eq!(set(atime | atime_set), [true, false]);
    assert_eq!(set(mtime | mtime_set), [true, true]);
    assert_eq!(set(mtime), [true, false]);
    assert_eq!(set(mtime | mtime_set), [true, true]);
    assert_eq!(set(atime), [false, true]);
    assert_eq!(set(atime | mtime | mtime_set), [false, true]);
    assert_eq!(set(atime | mtime | atime_set | mtime_set), [true, true]);
    assert_eq!(fs::metadata(&path).unwrap().mtime_nsec(), 7);
}
