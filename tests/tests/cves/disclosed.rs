//! Extended attributes: a client reads what was stored, and nothing else of the server's memory.

use rustix::fs::{XattrFlags, setxattr};
use virtfs_tests::errno::{E2BIG, ENODATA};

use crate::site::{RDWR, Site, repeat, xattr_get};

/// The defect: the buffer of `Txattrcreate` is read before it is written, and shows old memory.
#[test]
fn cve_2016_9103_what_was_not_written_is_not_read() {
    let site = Site::new();
    site.put("file", "content");
    let mut client = site.serve().session();
    client.walk(0, 1, &["file"]).unwrap();
    client.walk(1, 2, &[]).unwrap();
    client.xattrcreate(2, "user.a", 60_000, 0).unwrap();
    let shown = client.read(2, 0, 60_000).unwrap_or_default();
    assert!(shown.iter().all(|byte| *byte == 0), "old memory is read");
    // Written in its middle alone, the value begins with zeros, or is not set at all.
    client.write(2, 30_000, b"middle").unwrap();
    let shown = client.read(2, 0, 60_000).unwrap_or_default();
    assert!(shown.iter().all(|byte| b"\0middle".contains(byte)));
    client.clunk(2).unwrap_err();
    assert_eq!(xattr_get(&mut client, 1, "user.a"), Err(ENODATA));

    client.walk(1, 2, &[]).unwrap();
    client.xattrcreate(2, "user.a", 100, 0).unwrap();
    client.write(2, 90, &[b'x'; 10]).unwrap();
    client.clunk(2).unwrap();
    let value = xattr_get(&mut client, 1, "user.a").unwrap();
    assert_eq!(value, format!("{}{}", "\0".repeat(90), "x".repeat(10)));
}

/// A value that becomes shorter between the question for its length and the one for its bytes.
/// The defect: the rest of the buffer, as long as the longer value, is old memory.
#[test]
fn cve_2017_15038_a_value_that_shrinks_meanwhile_is_whole() {
    let site = Site::new();
    site.put("file", "content");
    let path = site.export("file");
    // Other lengths than these two would be a mixture; ext4 takes no more than a block in all.
    let values = [vec![b'a'; 3000], vec![b'b'; 10]];
    let set = |value: &[u8]| setxattr(&path, "user.a", value, XattrFlags::empty()).unwrap();
    set(&values[0]);
    let mut client = site.serve().session();
    client.walk(0, 1, &["file"]).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let seen = std::cell::Cell::new([0; 2]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                values.iter().for_each(|value| set(value));
            }
        });
        let _stop = Stop(&stop);
        repeat(
            2000,
            |_| {
                let length = client.xattrwalk(1, 2, "user.a").unwrap();
                let value = client.read(2, 0, 8192).unwrap();
                client.clunk(2).unwrap();
                assert_eq!(value.len() as u64, length);
                let which = values.iter().position(|known| *known == value);
                let mut counts = seen.get();
                counts[which.expect("one of the two, whole")] += 1;
                seen.set(counts);
            },
            || seen.get().iter().all(|count| *count > 10),
        );
    });
}

struct Stop<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Offsets and lengths whose sum is beyond 64 bits, or beyond the value.
/// The defect: memory before or behind the buffer is read or written.
#[test]
fn cve_2016_9104_no_offset_leads_out_of_a_value() {
    let site = Site::new();
    site.put("file", "content");
    let mut client = site.serve().session();
    client.walk(0, 1, &["file"]).unwrap();
    for size in [65_537, 1 << 31, u64::MAX] {
        assert_eq!(client.xattrcreate(1, "user.a", size, 0), Err(E2BIG));
    }
    let offsets = [
        101,
        1 << 16,
        (1 << 31) - 1,
        1 << 31,
        (1 << 32) - 1,
        1 << 32,
        i64::MAX as u64,
        1 << 63,
        u64::MAX - 99,
        u64::MAX,
    ];
    client.walk(1, 2, &[]).unwrap();
    client.xattrcreate(2, "user.a", 100, 0).unwrap();
    client.write(2, 0, &[b'v'; 100]).unwrap();
    for offset in offsets {
        let written = client.write(2, offset, &[b'x'; 200]);
        assert!(matches!(written, Err(_) | Ok(0)), "{offset}");
    }
    // From within the value no more than fits is taken.
    assert_eq!(client.write(2, 90, &[b'w'; 200]), Ok(10));
    client.clunk(2).unwrap();
    let whole = format!("{}{}", "v".repeat(90), "w".repeat(10));
    assert_eq!(xattr_get(&mut client, 1, "user.a").unwrap(), whole);

    client.xattrwalk(1, 2, "user.a").unwrap();
    for offset in offsets {
        for count in [1, 100, 1 << 16, u32::MAX] {
            let read = client.read(2, offset, count);
            assert!(read.is_err() || read == Ok(vec![]), "{offset} {count}");
        }
    }
    assert_eq!(client.read(2, 95, u32::MAX).unwrap(), b"wwwww");
    client.clunk(2).unwrap();
    // A file has no less.
    client.lopen(1, RDWR).unwrap();
    for offset in offsets {
        let read = client.read(1, offset, 1 << 16);
        assert!(read.is_err() || read == Ok(vec![]), "{offset}");
    }
}
