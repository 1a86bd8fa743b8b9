//! FIFOs, sockets and devices are never opened, whatever a client asks for, and hold nobody up.

mod site;

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat, open};
use rustix::io::Errno;
use site::{
    APPEND, DIRECTORY, EXCL, RDONLY, RDWR, Site, TRUNC, WRONLY, Watch, content, exchanging,
    need_root, repeat, walk, xattr_get, xattr_put,
};
use virtfs_proto::{GetattrMask, LockType, SetattrMask};
use virtfs_tests::errno::{
    EBADF, EEXIST, EINVAL, ENODATA, ENOENT, ENOTDIR, ENXIO, EOPNOTSUPP, EPERM,
};
use virtfs_tests::{Lock, Raw, SetAttr};

/// Flags that mean something to open(2) alone.
const NONBLOCK: u32 = 0o4000;
const NOCTTY: u32 = 0o400;
const PATH: u32 = 0o10000000;

const OPENS: [u32; 10] = [
    RDONLY,
    WRONLY,
    RDWR,
    3,
    RDONLY | NONBLOCK,
    WRONLY | NONBLOCK | NOCTTY,
    RDWR | TRUNC,
    WRONLY | APPEND,
    RDWR | EXCL,
    RDONLY | PATH,
];

/// Every kind: the name, and the type bits of its mode.
const SPECIAL: [(&str, u32); 4] = [
    ("fifo", 0o010000),
    ("socket", 0o140000),
    ("char", 0o020000),
    ("block", 0o060000),
];

fn mkfifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
}

/// A site with one of each kind. The devices have drivers: to open them would work.
fn put_special(site: &Site) -> UnixListener {
    mkfifo(&site.export("fifo"));
    let listener = UnixListener::bind(site.export("socket")).unwrap();
    for (name, kind, device) in [
        ("char", FileType::CharacterDevice, makedev(1, 5)),
        ("block", FileType::BlockDevice, makedev(7, 0)),
    ] {
        let mode = Mode::from_raw_mode(0o666);
        mknodat(CWD, site.export(name), kind, mode, device).unwrap();
    }
    listener
}

/// Whether somebody has the FIFO open for reading, or waits for a writer.
fn has_reader(fifo: &Path) -> bool {
    match open(fifo, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()) {
        Ok(_) => true,
        Err(Errno::NXIO) => false,
        Err(error) => panic!("{error}"),
    }
}

fn lock() -> Lock<'static> {
    Lock {
        kind: LockType::RDLCK,
        start: 0,
        length: 0,
        proc_id: 1,
        client_id: "client",
    }
}

/// Every message on fid 1, which stands for `name`; what must not go is refused at once.
fn ask_everything(client: &mut Raw, name: &str, kind: u32) {
    for flags in OPENS {
        assert_eq!(client.lopen(1, flags), Err(ENXIO), "{name} {flags:o}");
    }
    assert!(matches!(client.lopen(1, DIRECTORY), Err(ENXIO | ENOTDIR)));
    let attr = client.getattr(1).unwrap();
    assert_eq!(attr.mode & 0o170000, kind, "{name}");
    assert!(attr.qid.kind.is_empty());
    assert!(attr.valid.contains(GetattrMask::BASIC));
    client.statfs(1).unwrap();

    let size = SetAttr {
        valid: SetattrMask::SIZE,
        ..SetAttr::default()
    };
    assert_eq!(client.setattr(1, size), Err(EINVAL));
    let rest = SetAttr {
        valid: SetattrMask::MODE | SetattrMask::UID | SetattrMask::MTIME | SetattrMask::ATIME,
        mode: 0o622,
        uid: 1234,
        ..SetAttr::default()
    };
    client.setattr(1, rest).unwrap();
    let attr = client.getattr(1).unwrap();
    assert_eq!((attr.mode, attr.uid), (kind | 0o622, 1234));

    assert_eq!(xattr_get(client, 1, "").unwrap(), "");
    assert_eq!(xattr_get(client, 1, "user.mark"), Err(ENODATA));
    assert_eq!(xattr_put(client, 1, "user.mark", "x"), Err(EPERM));
    assert_eq!(client.lock(1, lock()), Err(EBADF));
    assert_eq!(client.getlock(1, lock()).unwrap_err(), EBADF);
    assert_eq!(client.read(1, 0, 10), Err(EBADF));
    assert_eq!(client.write(1, 0, b"x"), Err(EBADF));
    assert_eq!(client.readdir(1, 0, 4096), Err(EBADF));
    assert_eq!(client.fsync(1), Err(EBADF));
    assert_eq!(client.readlink(1), Err(EINVAL));
    assert_eq!(client.walk(1, 2, &["below"]), Err(ENOTDIR));
    assert_eq!(client.mkdir(1, "below", 0o755), Err(ENOTDIR));

    // By its name.
    client.walk(0, 2, &[]).unwrap();
    for flags in OPENS {
        let errno = if flags & EXCL != 0 { EEXIST } else { ENXIO };
        assert_eq!(
            client.lcreate(2, name, flags, 0o644),
            Err(errno),
            "{name} {flags:o}"
        );
    }
    assert_eq!(
        client.lcreate(2, name, RDWR | EXCL | TRUNC, 0o644),
        Err(EEXIST)
    );
    assert_eq!(client.mknod(0, name, 0o010644), Err(EEXIST));
    client.link(0, 1, "linked").unwrap();
    client.renameat((0, "linked"), (0, "renamed")).unwrap();
    client.clunk(2).unwrap();
    client.walk(0, 2, &["renamed"]).unwrap();
    assert_eq!(client.lopen(2, RDWR), Err(ENXIO));
    client.remove(2).unwrap();
}

#[test]
fn special_files_of_the_host_are_never_opened() {
    need_root();
    for site in Site::each() {
        let _listener = put_special(&site);
        site.put("file", "content");
        let served = site.serve();
        let (mut client, mut other) = (served.session(), served.session());
        let watch = Watch::opens(SPECIAL.map(|(name, _)| site.export(name)));
        for (name, kind) in SPECIAL {
            walk(&mut client, 1, name).unwrap();
            ask_everything(&mut client, name, kind);
            client.clunk(1).unwrap();
            // Others go on.
            walk(&mut other, 1, "file").unwrap();
            assert_eq!(content(&mut other, 1).unwrap(), "content");
            other.clunk(1).unwrap();
        }
        client.walk(0, 1, &[]).unwrap();
        client.lopen(1, RDONLY).unwrap();
        let list = client.readdir_all(1, 4096).unwrap();
        for (name, kind) in SPECIAL {
            let entry = list.iter().find(|entry| entry.name == name.as_bytes());
            assert_eq!(u32::from(entry.unwrap().kind), kind >> 12, "{name}");
        }
        watch.assert_silent();
        assert!(!has_reader(&site.export("fifo")));
    }
}

/// That the watch would have heard it.
#[test]
fn an_open_of_a_fifo_would_be_noticed() {
    let site = Site::new();
    mkfifo(&site.export("fifo"));
    let watch = Watch::opens([site.export("fifo")]);
    let reader = open(
        site.export("fifo"),
        OFlags::RDONLY | OFlags::NONBLOCK,
        Mode::empty(),
    );
    assert!(has_reader(&site.export("fifo")));
    drop(reader.unwrap());
    assert!(!watch.heard().is_empty());
}

#[test]
fn a_fifo_in_use_loses_nothing_to_a_client() {
    use std::io::{Read, Write};
    let site = Site::new();
    let fifo = site.export("fifo");
    mkfifo(&fifo);
    let served = site.serve();
    let mut client = served.session();
    let reader = open(&fifo, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
    let mut writer = std::fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    writer.write_all(b"for the reader").unwrap();
    let watch = Watch::opens([fifo]);
    walk(&mut client, 1, "fifo").unwrap();
    for flags in OPENS {
        assert_eq!(client.lopen(1, flags), Err(ENXIO));
    }
    watch.assert_silent();
    drop(writer);
    let mut text = String::new();
    std::fs::File::from(reader)
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "for the reader");
}

#[test]
fn special_files_that_a_client_makes_are_never_opened() {
    need_root();
    for site in Site::each() {
        let served = site.serve();
        let mut client = served.session();
        for (name, kind) in SPECIAL {
            client.mknod(0, name, kind | 0o640).unwrap();
            let meta = site.export(name).symlink_metadata().unwrap();
            assert_eq!(meta.mode(), kind | 0o640, "{name}");
            let watch = Watch::opens([site.export(name)]);
            walk(&mut client, 1, name).unwrap();
            ask_everything(&mut client, name, kind);
            client.clunk(1).unwrap();
            watch.assert_silent();
            client.unlinkat(0, name, 0).unwrap();
            assert!(!site.has(name));
        }
        assert!(
            client
                .mknod(0, "link", 0o120777)
                .is_err_and(|e| e == EINVAL)
        );
        assert!(client.mknod(0, "dir", 0o040755).is_err_and(|e| e == EPERM));
    }
}

#[test]
fn a_fifo_and_a_file_that_change_places_block_nobody() {
    for site in Site::each() {
        site.put("f", "content");
        mkfifo(&site.export("p"));
        let watch = Watch::opens([site.export("p")]);
        let served = site.serve();
        let mut client = served.session();
        let seen = std::cell::Cell::new([0u32; 2]);
        exchanging(&site.export("f"), &site.export("p"), || {
            let round = |_| {
                client.walk(0, 1, &["f"]).unwrap();
                let size = SetAttr {
                    valid: SetattrMask::SIZE,
                    size: 7,
                    ..SetAttr::default()
                };
                let sized = client.setattr(1, size);
                let opened = client.lopen(1, RDWR).map(drop);
                let mut counts = seen.get();
                counts[usize::from(opened.is_ok())] += 1;
                seen.set(counts);
                match opened {
                    Ok(()) => {
                        sized.unwrap();
                        assert_eq!(client.read(1, 0, 100).unwrap(), b"content");
                    }
                    // The fid is the FIFO's, whatever has its name by now.
                    Err(errno) => assert_eq!((errno, sized), (ENXIO, Err(EINVAL))),
                }
                client.clunk(1).unwrap();
                client.walk(0, 1, &[]).unwrap();
                if let Err(errno) = client.lcreate(1, "f", RDWR, 0o644) {
                    assert_eq!(errno, ENXIO);
                }
                client.clunk(1).unwrap();
            };
            repeat(300, round, || seen.get().iter().all(|count| *count > 10));
        });
        watch.assert_silent();
    }
}

#[test]
fn a_fid_of_a_file_whose_name_a_fifo_took_is_the_file() {
    for site in Site::each() {
        site.put("f", "content");
        let served = site.serve();
        let mut client = served.session();
        walk(&mut client, 1, "f").unwrap();
        walk(&mut client, 2, "f").unwrap();
        client.lopen(2, RDWR).unwrap();
        std::fs::remove_file(site.export("f")).unwrap();
        mkfifo(&site.export("f"));
        let watch = Watch::opens([site.export("f")]);
        assert_eq!(content(&mut client, 1).unwrap(), "content");
        assert_eq!(client.write(2, 0, b"CONTENT"), Ok(7));
        client.fsync(2).unwrap();
        walk(&mut client, 3, "f").unwrap();
        assert_eq!(client.lopen(3, RDWR), Err(ENXIO));
        watch.assert_silent();
        assert!(
            site.export("f")
                .symlink_metadata()
                .unwrap()
                .file_type()
                .is_fifo()
        );
    }
}

#[test]
fn what_can_be_opened_is_opened_once_the_fifo_is_gone() {
    let site = Site::new();
    mkfifo(&site.export("f"));
    let served = site.serve();
    let mut client = served.session();
    walk(&mut client, 1, "f").unwrap();
    assert_eq!(client.lopen(1, RDONLY), Err(ENXIO));
    client.remove(1).unwrap();
    assert_eq!(walk(&mut client, 1, "f"), Err(ENOENT));
    client.put_file(0, 1, "f", b"content");
    walk(&mut client, 1, "f").unwrap();
    assert_eq!(content(&mut client, 1).unwrap(), "content");
    client.walk(0, 2, &[]).unwrap();
    client.lopen(2, RDONLY).unwrap();
    assert_eq!(client.read(2, 0, 10), Err(EOPNOTSUPP));
}
