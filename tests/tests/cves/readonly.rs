//! A read-only export.

use std::fs;
use std::os::unix::fs::MetadataExt;

use virtfs_tests::Served;
use virtfs_tests::errno::EROFS;

use crate::site::{APPEND, RDONLY, RDWR, Site, TRUNC, WRONLY, size};

/// `OTRUNC` of 9P2000's `Topen`; Linux has another bit for it.
const OTRUNC: u32 = 0x10;

/// The defect: whether an open changes a file is asked of the flags as one dialect numbers them,
/// and what comes in another's opens, and empties, the file.
#[test]
fn cve_2026_63318_no_dialects_flags_get_past_read_only() {
    let site = Site::new();
    site.put("file", "content");
    let changed = || fs::metadata(site.export("file")).unwrap().ctime_nsec();
    let before = changed();
    let served = Served::local_readonly(&site.export(""));
    for version in ["9P2000.L", "9P2000.u", "9P2000"] {
        let mut client = served.connect();
        let (_, agreed) = client.version(8192, version).unwrap();
        if agreed != "9P2000.L" {
            // A dialect that is not served cannot be used. One that is has its own flags, which
            // must then be tried here.
            assert_eq!(agreed, "unknown", "Topen of {version} is to be tried here");
            assert!(client.attach(0, "").is_err());
            continue;
        }
        client.attach(0, "").unwrap();
        let changes = [WRONLY, RDWR, 3, TRUNC, RDWR | TRUNC, WRONLY | APPEND];
        for flags in changes {
            client.walk(0, 1, &["file"]).unwrap();
            assert_eq!(client.lopen(1, flags), Err(EROFS), "{flags:o}");
            client.clunk(1).unwrap();
        }
        // Bits that mean something elsewhere open for reading, or nothing.
        for bit in [OTRUNC, 0x40, 1 << 30, OTRUNC | 0x40] {
            client.walk(0, 1, &["file"]).unwrap();
            if client.lopen(1, RDONLY | bit).is_ok() {
                assert_eq!(client.read(1, 0, 100).unwrap(), b"content", "{bit:o}");
                client.write(1, 0, b"mine").unwrap_err();
            }
            client.setattr(1, size(0)).unwrap_err();
            client.clunk(1).unwrap();
        }
        client.walk(0, 1, &[]).unwrap();
        for flags in changes {
            assert_eq!(client.lcreate(1, "file", flags, 0o644), Err(EROFS));
        }
    }
    assert_eq!(fs::read_to_string(site.export("file")).unwrap(), "content");
    assert_eq!(changed(), before);
    assert_eq!(fs::read_dir(site.export("")).unwrap().count(), 1);
}
