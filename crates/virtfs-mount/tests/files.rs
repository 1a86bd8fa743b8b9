//! Files in a mount: contents, names, and what two mounts and the host see of each other.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::thread;

use common::sys::Mapping;
use common::{Served, mounted};
use rustix::io::Errno;

fn errno(error: std::io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw_os_error)
}

#[test]
fn contents_of_all_sizes_survive() {
    let (served, mount) = mounted("");
    for size in [0, 1, 4095, 4096, 131_073, 1 << 20, (3 << 20) + 17] {
        let content: Vec<u8> = (0..size).map(|i: usize| (i * 7 + i / 251) as u8).collect();
        fs::write(mount.path("file"), &content).unwrap();
        assert!(fs::read(served.host("file")).unwrap() == content, "{size}");
        assert!(fs::read(mount.path("file")).unwrap() == content, "{size}");
    }
}

#[test]
fn direct_io_reads_and_writes_the_same() {
    let (served, mount) = mounted("direct_io");
    let content: Vec<u8> = (0..2_500_000_u32).map(|i| (i / 3) as u8).collect();
    fs::write(mount.path("file"), &content).unwrap();
    assert!(fs::read(served.host("file")).unwrap() == content);
    assert!(fs::read(mount.path("file")).unwrap() == content);
}

#[test]
fn what_the_host_changes_is_seen_at_once() {
    let (served, mount) = mounted("");
    let (here, there) = (mount.path("file"), served.host("file"));
    for round in 0..50 {
        // The size stays, so only the time of change tells.
        let content = format!("{round:04}");
        fs::write(&there, &content).unwrap();
        assert_eq!(fs::read_to_string(&here).unwrap(), content);
    }
    fs::remove_file(&there).unwrap();
    assert!(!here.exists());
    fs::create_dir(&there).unwrap();
    assert!(here.is_dir());
    fs::write(there.join("a"), "x").unwrap();
    assert_eq!(fs::read(here.join("a")).unwrap(), b"x");
}

#[test]
fn an_open_file_sees_what_the_host_writes() {
    let (served, mount) = mounted("");
    fs::write(served.host("file"), "one").unwrap();
    let mut file = File::open(mount.path("file")).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one");
    fs::write(served.host("file"), "three").unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    text.clear();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "three");
    assert_eq!(file.metadata().unwrap().len(), 5);
}

#[test]
fn timeouts_keep_what_was_seen() {
    let (served, mount) = mounted("attr_timeout=3600,entry_timeout=3600,negative_timeout=3600");
    fs::write(served.host("file"), "1").unwrap();
    assert_eq!(fs::metadata(mount.path("file")).unwrap().len(), 1);
    assert!(!mount.path("later").exists());
    fs::write(served.host("file"), "22").unwrap();
    fs::write(served.host("later"), "").unwrap();
    assert_eq!(fs::metadata(mount.path("file")).unwrap().len(), 1);
    assert!(!mount.path("later").exists());
}

#[test]
fn a_file_works_when_its_name_is_gone() {
    let (served, mount) = mounted("");
    let path = mount.path("file");
    let mut open = OpenOptions::new();
    let file = open
        .read(true)
        .write(true)
        .create(true)
        .open(&path)
        .unwrap();
    file.write_all_at(b"before", 0).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(!served.host("file").exists());
    file.write_all_at(b"after", 6).unwrap();
    let mut content = [0; 11];
    file.read_exact_at(&mut content, 0).unwrap();
    assert_eq!(&content, b"beforeafter");
    let status = file.metadata().unwrap();
    assert_eq!((status.len(), status.nlink()), (11, 0));
    file.set_len(3).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o600))
        .unwrap();
    assert_eq!(file.metadata().unwrap().len(), 3);
    file.sync_all().unwrap();
    // The name is free for another file.
    fs::write(&path, "other").unwrap();
    assert_eq!(file.metadata().unwrap().len(), 3);
    assert_eq!(fs::metadata(&path).unwrap().len(), 5);
}

#[test]
fn a_file_that_was_replaced_stays_usable() {
    let (_served, mount) = mounted("");
    fs::write(mount.path("old"), "old").unwrap();
    fs::write(mount.path("new"), "new").unwrap();
    let mut old = File::open(mount.path("old")).unwrap();
    fs::rename(mount.path("new"), mount.path("old")).unwrap();
    let mut text = String::new();
    old.read_to_string(&mut text).unwrap();
    assert_eq!(text, "old");
    assert_eq!(fs::read(mount.path("old")).unwrap(), b"new");
    assert!(!mount.path("new").exists());
}

#[test]
fn hard_links_are_one_file() {
    let (served, mount) = mounted("");
    fs::write(mount.path("a"), "x").unwrap();
    fs::hard_link(mount.path("a"), mount.path("b")).unwrap();
    let (a, b) = (
        fs::metadata(mount.path("a")).unwrap(),
        fs::metadata(mount.path("b")).unwrap(),
    );
    assert_eq!((a.ino(), a.nlink()), (b.ino(), 2));
    fs::hard_link(served.host("a"), served.host("c")).unwrap();
    let c = fs::metadata(mount.path("c")).unwrap();
    assert_eq!((c.ino(), c.nlink()), (a.ino(), 3));
    fs::remove_file(mount.path("a")).unwrap();
    assert_eq!(fs::read(mount.path("c")).unwrap(), b"x");
}

#[test]
fn a_new_file_with_the_number_of_an_old_one_is_another_file() {
    // So few descriptors that the server holds none of most files, and the host may give a
    // file's number again.
    let served = Served::with(virtfs_local::Options {
        max_nodes_open: 16,
        ..virtfs_local::Options::default()
    });
    let mount = served.mount("");
    for i in 0..100 {
        fs::write(served.host(&format!("other-{i}")), "").unwrap();
    }
    for round in 0..20 {
        fs::write(served.host("file"), format!("{round}")).unwrap();
        let seen = fs::read_to_string(mount.path("file")).unwrap();
        assert_eq!(seen, format!("{round}"));
        for i in 0..100 {
            fs::metadata(mount.path(&format!("other-{i}"))).unwrap();
        }
        fs::remove_file(served.host("file")).unwrap();
    }
}

#[test]
fn appends_of_two_mounts_do_not_overwrite_each_other() {
    let served = Served::new();
    let mounts = [served.mount(""), served.mount("")];
    const EACH: usize = 200;
    thread::scope(|scope| {
        for (who, mount) in mounts.iter().enumerate() {
            scope.spawn(move || {
                let mut open = OpenOptions::new();
                let mut log = open
                    .append(true)
                    .create(true)
                    .open(mount.path("log"))
                    .unwrap();
                for line in 0..EACH {
                    // One write for each line.
                    log.write_all(format!("{who}:{line:05}\n").as_bytes())
                        .unwrap();
                }
            });
        }
    });
    for path in [
        mounts[0].path("log"),
        mounts[1].path("log"),
        served.host("log"),
    ] {
        let text = fs::read_to_string(path).unwrap();
        for who in ["0:", "1:"] {
            let lines: Vec<_> = text.lines().filter(|line| line.starts_with(who)).collect();
            assert_eq!(lines.len(), EACH);
            assert!(lines.is_sorted());
        }
        assert_eq!(text.lines().count(), 2 * EACH);
    }
}

#[test]
fn a_long_append_stays_in_order_and_is_read_back() {
    let (served, mount) = mounted("");
    let content: Vec<u8> = (0..(5 << 20)).map(|i: usize| (i / 1000) as u8).collect();
    let mut open = OpenOptions::new();
    let mut file = open
        .append(true)
        .create(true)
        .read(true)
        .open(mount.path("log"))
        .unwrap();
    // Behind the mount's back: the kernel's idea of the end is wrong.
    file.write_all(b"head").unwrap();
    let mut host = open_append(&served.host("log"));
    host.write_all(b"host").unwrap();
    file.write_all(&content).unwrap();
    let expected = [b"headhost", &*content].concat();
    assert!(fs::read(served.host("log")).unwrap() == expected);
    let mut seen = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut seen).unwrap();
    assert!(seen == expected);
    assert_eq!(file.metadata().unwrap().len(), expected.len() as u64);
}

fn open_append(path: &std::path::Path) -> File {
    OpenOptions::new().append(true).open(path).unwrap()
}

#[test]
fn a_shared_mapping_reaches_the_host_and_sees_it() {
    let (served, mount) = mounted("");
    fs::write(served.host("file"), [1; 10_000]).unwrap();
    let mut open = OpenOptions::new();
    let file = open
        .read(true)
        .write(true)
        .open(mount.path("file"))
        .unwrap();
    let map = Mapping::new(&file, 10_000);
    assert_eq!(map.read(9_999), 1);
    map.write(0, 7);
    map.write(9_999, 8);
    map.sync();
    let host = fs::read(served.host("file")).unwrap();
    assert_eq!(
        (host.len(), host[0], host[1], host[9_999]),
        (10_000, 7, 1, 8)
    );
    let there = OpenOptions::new()
        .write(true)
        .open(served.host("file"))
        .unwrap();
    there.write_all_at(&[9], 5000).unwrap();
    // A look at the file tells the kernel that its pages are old.
    file.metadata().unwrap();
    assert_eq!(map.read(5000), 9);
}

#[test]
fn pages_of_a_mapping_go_to_their_place_though_the_file_appends() {
    let (served, mount) = mounted("");
    fs::write(served.host("file"), [1; 8192]).unwrap();
    let mut open = OpenOptions::new();
    let file = open
        .read(true)
        .append(true)
        .open(mount.path("file"))
        .unwrap();
    let map = Mapping::new(&file, 8192);
    map.write(4096, 2);
    map.sync();
    let host = fs::read(served.host("file")).unwrap();
    assert_eq!((host.len(), host[4096]), (8192, 2));
}

#[test]
fn truncation_by_open_by_path_and_by_descriptor() {
    let (served, mount) = mounted("");
    let path = mount.path("file");
    fs::write(&path, "0123456789").unwrap();
    common::must_as(0, &format!("truncate -s 4 {}", path.display()));
    assert_eq!(fs::read(served.host("file")).unwrap(), b"0123");
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(6).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"0123\0\0");
    File::create(&path).unwrap();
    assert_eq!(fs::metadata(served.host("file")).unwrap().len(), 0);
}

#[test]
fn exclusive_creation_finds_what_the_host_made() {
    let (served, mount) = mounted("");
    fs::write(served.host("file"), "").unwrap();
    let mut open = OpenOptions::new();
    let error = open.write(true).create_new(true).open(mount.path("file"));
    assert_eq!(errno(error.unwrap_err()), Some(Errno::EXIST));
}

#[test]
fn links_fifos_and_devices_are_what_they_are() {
    let (served, mount) = mounted("");
    symlink("no/where", mount.path("link")).unwrap();
    assert_eq!(
        fs::read_link(mount.path("link")).unwrap().to_str(),
        Some("no/where")
    );
    use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
    let mode = Mode::from_raw_mode(0o640);
    let device = makedev(0x123, 0x45678);
    for (name, kind) in [
        ("fifo", FileType::Fifo),
        ("socket", FileType::Socket),
        ("char", FileType::CharacterDevice),
        ("block", FileType::BlockDevice),
        ("plain", FileType::RegularFile),
    ] {
        mknodat(CWD, mount.path(name), kind, mode, device).unwrap();
        let (here, there) = (
            fs::metadata(mount.path(name)).unwrap(),
            fs::metadata(served.host(name)).unwrap(),
        );
        assert_eq!(
            (here.mode(), here.rdev()),
            (there.mode(), there.rdev()),
            "{name}"
        );
        assert_eq!(FileType::from_raw_mode(here.mode()), kind);
    }
}

#[test]
fn times_are_set_to_the_nanosecond() {
    let (served, mount) = mounted("");
    fs::write(mount.path("file"), "").unwrap();
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
    let times = Timestamps {
        last_access: time(-5, 123_456_789),
        last_modification: time(1_700_000_000, 1),
    };
    utimensat(CWD, mount.path("file"), &times, AtFlags::empty()).unwrap();
    for path in [mount.path("file"), served.host("file")] {
        let status = fs::metadata(path).unwrap();
        assert_eq!((status.atime(), status.atime_nsec()), (-5, 123_456_789));
        assert_eq!((status.mtime(), status.mtime_nsec()), (1_700_000_000, 1));
    }
}

#[test]
fn a_rename_that_must_not_replace_is_refused_for_the_caller_to_do_otherwise() {
    let (_served, mount) = mounted("");
    fs::write(mount.path("a"), "").unwrap();
    fs::write(mount.path("b"), "").unwrap();
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let cases = [
        (RenameFlags::NOREPLACE, "new"),
        (RenameFlags::EXCHANGE, "b"),
    ];
    for (flags, to) in cases {
        let result = renameat_with(CWD, mount.path("a"), CWD, mount.path(to), flags);
        assert_eq!(result, Err(Errno::INVAL));
    }
}

#[test]
fn a_read_only_mount_changes_nothing() {
    let (served, mount) = mounted("ro");
    fs::write(served.host("file"), "x").unwrap();
    assert_eq!(fs::read(mount.path("file")).unwrap(), b"x");
    let error = fs::write(mount.path("file"), "y").unwrap_err();
    assert_eq!(errno(error), Some(Errno::ROFS));
    assert_eq!(
        errno(fs::create_dir(mount.path("d")).unwrap_err()),
        Some(Errno::ROFS)
    );
}

#[test]
fn what_the_protocol_lacks_is_done_otherwise_or_refused() {
    let (_served, mount) = mounted("");
    let mut open = OpenOptions::new();
    let file = open
        .read(true)
        .write(true)
        .create(true)
        .open(mount.path("file"))
        .unwrap();
    file.write_all_at(&[1; 5000], 0).unwrap();
    use rustix::fs::{FallocateFlags, fallocate};
    let refused = fallocate(&file, FallocateFlags::KEEP_SIZE, 0, 10_000);
    assert_eq!(refused, Err(Errno::OPNOTSUPP));
    // std's copy tries copy_file_range first.
    assert_eq!(
        fs::copy(mount.path("file"), mount.path("copy")).unwrap(),
        5000
    );
    assert_eq!(
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(0)),
        Ok(5000)
    );
    let mut open = OpenOptions::new();
    let unnamed = open
        .write(true)
        .custom_flags(rustix::fs::OFlags::TMPFILE.bits() as i32);
    assert_eq!(
        errno(unnamed.open(mount.at.path()).unwrap_err()),
        Some(Errno::OPNOTSUPP)
    );
}
