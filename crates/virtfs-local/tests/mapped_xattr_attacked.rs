//! `mapped-xattr`: what lies in the attributes, and changes while they are read, breaks nothing and
//! leads nowhere.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use common::mapped_xattr::*;
use common::{Export, READ, WRITE, cx};
use virtfs_vfs::{Device, Errno, FileKind, FileSystem, Make};

#[test]
fn attributes_of_any_content_are_read_without_harm() {
    let export = Export::with(options());
    export.host_write("f", "");
    let node = export.walk("f");
    let before = export.stat(&node);
    for length in [255, 256, 257, 1000, 2000] {
        let random: Vec<u8> = (0_u32..length).map(|n| ((n * n) >> 3) as u8).collect();
        for key in ["uid", "gid", "mode", "rdev"] {
            host_set(&export, "f", &format!("user.virtfs.{key}"), &random);
            let attr = export.stat(&export.walk("f"));
            assert_eq!((attr.mode, attr.uid), (before.mode, before.uid));
            host_set(&export, "f", &format!("user.virtfs.{key}"), b"");
        }
    }
    // Of the right length, and of no sense.
    for mode in [0, 0o170_000, 0o040_755, u32::MAX, 0o777_000] {
        host_set(&export, "f", MODE, &mode.to_le_bytes());
        let attr = export.stat(&export.walk("f"));
        let kind = FileKind::from_mode(attr.mode);
        assert_eq!(kind, Some(FileKind::Regular), "{mode:o}");
        assert_eq!(attr.mode & 0o7777, mode & 0o7777);
    }
    host_set(&export, "f", MODE, &0o020_600_u32.to_le_bytes());
    host_set(&export, "f", "user.virtfs.rdev", &[0xff; 8]);
    let attr = export.stat(&export.walk("f"));
    let (major, minor) = (u32::MAX, u32::MAX);
    assert_eq!(attr.rdev, Device { major, minor });
}

#[test]
fn a_kind_that_changes_while_it_is_read_opens_nothing_else() {
    let export = Export::with(options());
    let node = make(&export, "f", Make::Symlink { target: b"target" });
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let values: [&[u8]; 5] = [
                &0o100_644_u32.to_le_bytes(),
                &0o120_777_u32.to_le_bytes(),
                &0o010_600_u32.to_le_bytes(),
                b"xyz",
                &0o040_755_u32.to_le_bytes(),
            ];
            for value in values.iter().cycle() {
                host_set(&export, "f", MODE, value);
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..1000 {
            let kind = FileKind::from_mode(export.stat(&node).mode).unwrap();
            assert_ne!(kind, FileKind::Directory);
            match export.fs.open(&cx(), &export.walk("f"), READ | WRITE) {
                Ok(opened) => assert_eq!(export.read(&opened.open, 0, 6).unwrap(), b"target"),
                Err(error) => assert!(matches!(error, Errno::ELOOP | Errno::ENXIO)),
            }
            match export.fs.readlink(&cx(), &node) {
                Ok(text) => assert_eq!(text, b"target"),
                Err(error) => assert_eq!(error, Errno::EINVAL),
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_link_that_changes_while_it_is_read_leads_nowhere() {
    let export = Export::below(options());
    fs::write(export.host("secret"), "outside").unwrap();
    let texts = ["x".to_owned(), "y".repeat(60_000), "z".repeat(70_000)];
    let (file, spare) = (export.host("export/l"), export.host("spare"));
    fs::write(&file, &texts[0]).unwrap();
    host_set(&export, "export/l", MODE, &0o120_777_u32.to_le_bytes());
    let node = export.walk("l");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for text in texts.iter().cycle() {
                // In place, and by a native link that leads out.
                fs::write(&file, text).unwrap();
                fs::rename(&file, &spare).unwrap();
                symlink("../secret", &file).unwrap();
                fs::rename(&spare, &file).unwrap();
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..1000 {
            match export.fs.readlink(&cx(), &node) {
                Ok(text) => assert!(text.iter().all(|b| b"xyz".contains(b))),
                Err(error) => assert!(matches!(error, Errno::ENAMETOOLONG | Errno::ESTALE)),
            }
            if let Ok(found) = export.try_walk("l") {
                let opened = export.fs.open(&cx(), &found, READ);
                assert_eq!(opened.unwrap_err(), Errno::ELOOP);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(export.host_read("secret"), "outside");
}
