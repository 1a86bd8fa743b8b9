//! No symbolic link is followed, and nothing but regular files and directories is opened.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Export, READ, WRITE, cx, name};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use virtfs_vfs::{Errno, FileKind, FileSystem, OpenFlags, SetAttr, StatWant};

#[test]
fn a_walk_reaches_a_link_and_not_beyond() {
    let export = Export::below(Default::default());
    fs::create_dir(export.host("outside")).unwrap();
    export.host_write("outside/secret", "secret");
    symlink("../outside", export.host("export/relative")).unwrap();
    symlink(export.host("outside"), export.host("export/absolute")).unwrap();
    symlink("/proc/self/root", export.host("export/magic")).unwrap();
    for link in ["relative", "absolute", "magic"] {
        assert_eq!(export.qid(link).kind, Some(FileKind::Symlink));
        let beyond = export.try_walk(&format!("{link}/secret"));
        assert_eq!(beyond.unwrap_err(), Errno::ENOTDIR);
        let node = export.walk(link);
        let opened = export.fs.open(&cx(), &node, READ);
        assert_eq!(opened.unwrap_err(), Errno::ELOOP);
        let created = export.try_create(&export.root, link, WRITE, 0o600);
        assert_eq!(created.unwrap_err(), Errno::ELOOP);
    }
}

#[test]
fn a_dangling_link_is_not_created_through() {
    let export = Export::below(Default::default());
    symlink("../made", export.host("export/link")).unwrap();
    let created = export.try_create(&export.root, "link", WRITE, 0o600);
    assert_eq!(created.unwrap_err(), Errno::ELOOP);
    assert!(!export.host("made").exists());
}

#[test]
fn special_files_are_never_opened() {
    let export = Export::new();
    let fifo = export.host("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(export.host("socket")).unwrap();
    for file in ["fifo", "socket"] {
        let node = export.walk(file);
        // An open of the FIFO would wait for a writer for ever.
        for flags in [READ, WRITE, READ | WRITE] {
            let opened = export.fs.open(&cx(), &node, flags);
            assert_eq!(opened.unwrap_err(), Errno::ENXIO);
            let created = export.try_create(&export.root, file, flags, 0);
            assert_eq!(created.unwrap_err(), Errno::ENXIO);
        }
        let changes = SetAttr {
            mode: Some(0o600),
            ..SetAttr::default()
        };
        export.set(&node, None, changes).unwrap();
        assert_eq!(export.stat(&node).mode & 0o777, 0o600);
        assert_eq!(export.xattr(&node, None, "user.x"), Err(Errno::ENODATA));
    }
}

#[test]
fn directories_are_opened_for_reading_only() {
    let export = Export::new();
    let open = |flags| export.fs.open(&cx(), &export.root, flags).map(|_| ());
    assert_eq!(open(READ), Ok(()));
    assert_eq!(open(READ | OpenFlags::DIRECTORY), Ok(()));
    assert_eq!(open(WRITE), Err(Errno::EISDIR));
    assert_eq!(open(READ | OpenFlags::TRUNCATE), Err(Errno::EISDIR));
    export.host_write("f", "");
    let file = export.walk("f");
    let opened = export.fs.open(&cx(), &file, READ | OpenFlags::DIRECTORY);
    assert_eq!(opened.unwrap_err(), Errno::ENOTDIR);
    let inside = export.fs.create(&cx(), &file, name("x"), WRITE, 0, 0);
    assert_eq!(inside.unwrap_err(), Errno::ENOTDIR);
}

/// While the host swaps a file with a link to a file outside, whatever a client does reaches the
/// file or fails; what is outside stays as it was.
#[test]
fn a_racing_swap_leads_nowhere() {
    let export = Export::below(Default::default());
    export.host_write("outside", "secret");
    export.host_write("export/file", "public");
    symlink("../outside", export.host("export/link")).unwrap();
    let outside = fs::metadata(export.host("outside")).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            let (a, b) = (export.host("export/file"), export.host("export/link"));
            while !stop.load(Ordering::Relaxed) {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(CWD, &a, CWD, &b, exchange).unwrap();
            }
        });
        for _ in 0..2000 {
            attack(&export);
        }
        stop.store(true, Ordering::Relaxed);
        swapper.join().unwrap();
    });
    assert_eq!(export.host_read("outside"), "secret");
    let after = fs::metadata(export.host("outside")).unwrap();
    assert_eq!(after.mode(), outside.mode());
    assert_eq!(
        (after.ctime(), after.ctime_nsec()),
        (outside.ctime(), outside.ctime_nsec())
    );
}

fn attack(export: &Export) {
    let Ok(node) = export.try_walk("file") else {
        return;
    };
    let attr = export
        .fs
        .stat(&cx(), &node, None, StatWant::empty())
        .unwrap();
    let is_file = attr.mode & 0o170000 == 0o100000;
    match export.fs.open(&cx(), &node, READ) {
        Ok(opened) => {
            assert!(is_file);
            assert_eq!(export.read(&opened.open, 0, 100).unwrap(), b"public");
        }
        Err(error) => assert_eq!(error, Errno::ELOOP),
    }
    match export.try_create(&export.root, "file", WRITE, 0o600) {
        Ok((_, opened)) => assert_eq!(export.write(&opened.open, 0, b"public").unwrap(), 6),
        Err(error) => assert_eq!(error, Errno::ELOOP),
    }
    let mode = SetAttr {
        mode: Some(0o640),
        size: Some(6),
        ..SetAttr::default()
    };
    assert_eq!(export.set(&node, None, mode).is_ok(), is_file);
    let put = export.xattr_put(&node, None, "user.x", b"1");
    assert_eq!(put.is_ok(), is_file);
}
