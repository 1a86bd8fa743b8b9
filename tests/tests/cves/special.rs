//! Special files of the host, and rights that a write must take away.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::site::{APPEND, RDONLY, RDWR, Site, TRUNC, WRONLY, Watch, need_root, size};

/// The defect: the guest opens the host's device, or hangs the server at a FIFO.
#[test]
fn cve_2023_2861_special_files_are_never_opened() {
    need_root();
    let site = Site::new();
    let make = |name: &str, kind, device| {
        let mode = Mode::from_raw_mode(0o666);
        mknodat(CWD, site.export(name), kind, mode, device).unwrap();
    };
    make("fifo", FileType::Fifo, 0);
    make("char", FileType::CharacterDevice, makedev(1, 5));
    make("block", FileType::BlockDevice, makedev(7, 0));
    let _listener = UnixListener::bind(site.export("socket")).unwrap();
    let names = ["fifo", "char", "block", "socket"];
    let mut client = site.serve().session();
    // And those that a client makes.
    client.mknod(0, "made-fifo", 0o010_666).unwrap();
    let _ = client.mknod(0, "made-char", 0o020_666);
    let watch = Watch::opens(names.map(|name| site.export(name)));
    for name in names.iter().chain(&["made-fifo", "made-char"]) {
        if !site.has(name) {
            continue;
        }
        for flags in [
            RDONLY,
            WRONLY,
            RDWR,
            3,
            RDWR | TRUNC,
            WRONLY | APPEND,
            0o4000,
            0o10_000_000,
        ] {
            client.walk(0, 1, &[name]).unwrap();
            assert!(client.lopen(1, flags).is_err(), "{name} {flags:o}");
            client.setattr(1, size(0)).unwrap_err();
            client.clunk(1).unwrap();
            client.walk(0, 1, &[]).unwrap();
            assert!(
                client.lcreate(1, name, flags, 0o644).is_err(),
                "{name} {flags:o}"
            );
            client.clunk(1).unwrap();
        }
    }
    watch.assert_silent();
}

/// The defect: root's server writes, and the setuid bit stays on what the guest wrote.
#[test]
fn cve_2023_1386_a_write_takes_setuid_and_setgid_away() {
    need_root();
    let site = Site::new();
    let served = site.serve();
    let mut client = served.session();
    let change = [
        ("write", 0),
        ("truncate", 1),
        ("open with O_TRUNC", 2),
        ("append", 3),
    ];
    for (what, how) in change {
        site.put("file", "content");
        let path = site.export("file");
        std::os::unix::fs::chown(&path, Some(1234), Some(1234)).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o6755)).unwrap();
        client.walk(0, 1, &["file"]).unwrap();
        match how {
            0 => {
                client.lopen(1, RDWR).unwrap();
                client.write(1, 0, b"x").unwrap();
            }
            1 => client.setattr(1, size(1)).unwrap(),
            2 => drop(client.lopen(1, RDWR | TRUNC).unwrap()),
            _ => {
                client.lopen(1, WRONLY | APPEND).unwrap();
                client.write(1, 0, b"x").unwrap();
            }
        }
        client.clunk(1).unwrap();
        let mode = path.metadata().unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o755, "{what}");
    }
}
