//! `mapped-xattr`: the format on the disk is QEMU's to the byte, and nothing that lies there, or
//! that a client asks for, breaks the server or shows what it should not.

mod common;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

use common::mapped_xattr::*;
use common::{Export, RDWR, READ, WRITE, as_user, cx, name, need_root, user, with_own_mounts};
use virtfs_local::{LocalFs, Options, Owner, SecurityModel};
use virtfs_vfs::{Device, Errno, FileKind, FileSystem, Make, OpenFlags, Place, Removal, SetAttr};

#[test]
fn attributes_on_the_disk_are_qemus_to_the_byte() {
    let export = Export::with(options());
    export
        .fs
        .create(&user(1000), &export.root, name("f"), RDWR, 0o640, 55)
        .unwrap();
    let names = [
        "user.virtfs.gid".to_owned(),
        MODE.to_owned(),
        "user.virtfs.uid".to_owned(),
    ];
    assert_eq!(host_names(&export, "f"), names);
    assert_eq!(
        host_get(&export, "f", "user.virtfs.uid").unwrap(),
        [0xe8, 3, 0, 0]
    );
    assert_eq!(
        host_get(&export, "f", "user.virtfs.gid").unwrap(),
        [0x37, 0, 0, 0]
    );
    assert_eq!(host_get(&export, "f", MODE).unwrap(), [0xa0, 0x81, 0, 0]);

    let device = Device {
        major: 10,
        minor: 229,
    };
    make(&export, "c", special(FileKind::CharDevice, device));
    assert_eq!(
        host_get(&export, "c", "user.virtfs.rdev").unwrap(),
        [0xe5, 0x0a, 0, 0, 0, 0, 0, 0]
    );
    // mknod writes a number whatever it makes.
    for kind in [FileKind::Fifo, FileKind::Socket, FileKind::Regular] {
        make(&export, "n", special(kind, device));
        assert_eq!(host_get(&export, "n", "user.virtfs.rdev").unwrap(), [0; 8]);
        export.unlink(&export.root, "n").unwrap();
    }
    make(&export, "d", Make::Directory { mode: 0o1750 });
    assert_eq!(host_get(&export, "d", MODE).unwrap(), [0xe8, 0x43, 0, 0]);
    assert_eq!(host_get(&export, "d", "user.virtfs.rdev"), None);
    make(&export, "l", Make::Symlink { target: b"there" });
    assert_eq!(host_get(&export, "l", MODE).unwrap(), [0xff, 0xa1, 0, 0]);
    assert_eq!(export.host_read("l"), "there");
    // A caller without user and group, as in 9P2000.u, leaves theirs out.
    export.create("nobodys");
    assert_eq!(host_names(&export, "nobodys"), [MODE]);
}

#[test]
fn everything_but_directories_is_a_regular_file_of_the_servers() {
    let options = Options {
        fmode: 0o640,
        dmode: 0o750,
        ..options()
    };
    let export = Export::with(options);
    export.fs.prepare_thread();
    export
        .try_create(&export.root, "file", RDWR, 0o7777)
        .unwrap();
    make(&export, "link", Make::Symlink { target: b"x" });
    for (file, kind) in [
        ("fifo", FileKind::Fifo),
        ("socket", FileKind::Socket),
        ("char", FileKind::CharDevice),
        ("block", FileKind::BlockDevice),
    ] {
        let device = Device { major: 1, minor: 3 };
        make(&export, file, special(kind, device));
        assert_eq!(export.qid(file).kind, Some(kind));
    }
    make(&export, "dir", Make::Directory { mode: 0o7777 });
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let umask = status
        .lines()
        .find_map(|l| l.strip_prefix("Umask:"))
        .unwrap();
    let umask = u32::from_str_radix(umask.trim(), 8).unwrap();
    for file in ["file", "link", "fifo", "socket", "char", "block"] {
        let meta = fs::symlink_metadata(export.host(file)).unwrap();
        assert!(meta.is_file(), "{file}");
        assert_eq!(meta.mode() & 0o7777, 0o640 & !umask, "{file}");
        assert_eq!(meta.uid(), rustix::process::geteuid().as_raw());
    }
    let meta = fs::metadata(export.host("dir")).unwrap();
    assert_eq!(meta.mode() & 0o7777, 0o750 & !umask);
}

#[test]
fn each_missing_attribute_is_the_hosts_own() {
    let export = Export::with(options());
    export.host_write("f", "");
    let host = fs::metadata(export.host("f")).unwrap();
    let node = export.walk("f");
    let seen = |export: &Export| {
        let attr = export.stat(&node);
        (attr.mode, attr.uid, attr.gid)
    };
    assert_eq!(seen(&export), (host.mode(), host.uid(), host.gid()));
    host_set(&export, "f", "user.virtfs.gid", &[7, 0, 0, 0]);
    assert_eq!(seen(&export), (host.mode(), host.uid(), 7));
    host_set(&export, "f", MODE, &0o100_604_u32.to_le_bytes());
    assert_eq!(seen(&export), (0o100_604, host.uid(), 7));
    let owner = SetAttr {
        uid: Some(9),
        ..SetAttr::default()
    };
    export.set(&node, None, owner).unwrap();
    assert_eq!(seen(&export), (0o100_604, 9, 7));
    assert_eq!(fs::metadata(export.host("f")).unwrap().uid(), host.uid());
}

#[test]
fn a_default_owner_stands_for_what_is_not_stored() {
    let options = Options {
        default_owner: Some(Owner {
            uid: 1234,
            gid: 5678,
        }),
        ..options()
    };
    let export = Export::with(options);
    export.host_write("f", "");
    symlink("f", export.host("native")).unwrap();
    for file in ["f", "native", ""] {
        let attr = export.stat(&export.walk(file));
        assert_eq!((attr.uid, attr.gid), (1234, 5678), "{file}");
    }
    host_set(&export, "f", "user.virtfs.uid", &[0; 4]);
    let attr = export.stat(&export.walk("f"));
    assert_eq!((attr.uid, attr.gid), (0, 5678));
}

#[test]
fn a_value_of_another_length_counts_as_missing() {
    let export = Export::with(options());
    export.host_write("f", "");
    let node = export.walk("f");
    let before = export.stat(&node);
    for length in [0, 1, 2, 3, 5, 8, 9, 200] {
        for key in ["user.virtfs.uid", "user.virtfs.gid", MODE] {
            if key == MODE && length == 2 {
                continue; // As macOS writes it.
            }
            host_set(&export, "f", key, &vec![0xff; length]);
        }
        host_set(&export, "f", "user.virtfs.rdev", &vec![0xff; length]);
        let attr = export.stat(&export.walk("f"));
        let (seen, expected) = (
            (attr.mode, attr.uid, attr.gid, attr.rdev),
            (before.mode, before.uid, before.gid, before.rdev),
        );
        assert_eq!(seen, expected, "{length}");
    }
}

#[test]
fn the_widths_of_macos_are_understood() {
    let export = Export::with(options());
    export.host_write("dev", "");
    host_set(&export, "dev", MODE, &0o020_604_u16.to_le_bytes());
    host_set(&export, "dev", "user.virtfs.rdev", &[3, 2, 1, 10]);
    let attr = export.stat(&export.walk("dev"));
    assert_eq!(attr.mode, 0o020_604);
    let (major, minor) = (10, 0x01_0203);
    assert_eq!(attr.rdev, Device { major, minor });
}

#[test]
fn a_new_mode_without_its_kind_keeps_the_stored_kind() {
    let export = Export::with(options());
    let fifo = make(&export, "p", special(FileKind::Fifo, Device::default()));
    set_mode(&export, &fifo, 0o600);
    let stored = 0o010_600_u32.to_le_bytes();
    assert_eq!(host_get(&export, "p", MODE).unwrap(), stored);
    // Nor can a client make it another kind.
    set_mode(&export, &fifo, 0o100_600);
    assert_eq!(host_get(&export, "p", MODE).unwrap(), stored);
    // What QEMU has lost is a regular file, and has its kind again after a change.
    export.host_write("f", "");
    host_set(&export, "f", MODE, &0o600_u32.to_le_bytes());
    let file = export.walk("f");
    assert_eq!(export.stat(&file).mode, 0o100_600);
    set_mode(&export, &file, 0o640);
    assert_eq!(
        host_get(&export, "f", MODE).unwrap(),
        0o100_640_u32.to_le_bytes()
    );
}

#[test]
fn what_is_no_regular_file_to_clients_is_not_opened_cut_or_written() {
    let export = Export::with(options());
    let device = Device { major: 1, minor: 3 };
    for (kind, expected) in [
        (FileKind::Fifo, Errno::ENXIO),
        (FileKind::Socket, Errno::ENXIO),
        (FileKind::CharDevice, Errno::ENXIO),
        (FileKind::BlockDevice, Errno::ENXIO),
    ] {
        let node = make(&export, "s", special(kind, device));
        for flags in [READ, WRITE, RDWR | OpenFlags::TRUNCATE] {
            let opened = export.fs.open(&cx(), &node, flags);
            assert_eq!(opened.unwrap_err(), expected);
            let created = export.try_create(&export.root, "s", flags, 0o644);
            assert_eq!(created.unwrap_err(), expected);
        }
        assert_eq!(export.set(&node, None, set_size(0)), Err(Errno::EINVAL));
        assert_eq!(export.fs.readlink(&cx(), &node), Err(Errno::EINVAL));
        export.unlink(&export.root, "s").unwrap();
    }
    let link = make(&export, "l", Make::Symlink { target: b"text" });
    let opened = export.fs.open(&cx(), &link, RDWR);
    assert_eq!(opened.unwrap_err(), Errno::ELOOP);
    assert_eq!(export.set(&link, None, set_size(0)), Err(Errno::EINVAL));
    assert_eq!(export.host_read("l"), "text");
}

#[test]
fn a_kind_stored_while_a_file_is_known_is_obeyed_once_seen() {
    let export = Export::with(options());
    export.host_write("f", "text");
    let node = export.walk("f");
    assert_eq!(export.stat(&node).qid.kind, Some(FileKind::Regular));
    host_set(&export, "f", MODE, &0o120_777_u32.to_le_bytes());
    assert_eq!(export.stat(&node).qid.kind, Some(FileKind::Symlink));
    assert_eq!(export.fs.readlink(&cx(), &node).unwrap(), b"text");
    assert_eq!(
        export.fs.open(&cx(), &node, READ).unwrap_err(),
        Errno::ELOOP
    );
    // A directory stays one.
    export.mkdir(&export.root, "d").unwrap();
    host_set(&export, "d", MODE, &0o120_755_u32.to_le_bytes());
    assert_eq!(export.stat(&export.walk("d")).mode, 0o040_755);
    // And a file does not become one.
    host_set(&export, "f", MODE, &0o040_755_u32.to_le_bytes());
    assert_eq!(export.stat(&node).mode, 0o100_755);
}

#[test]
fn the_text_of_a_link_ends_at_one_nul() {
    let export = Export::with(options());
    let link = make(&export, "l", Make::Symlink { target: b"x" });
    for (content, text) in [
        (&b"target\0"[..], Ok(b"target".to_vec())),
        (b"target", Ok(b"target".to_vec())),
        (b"", Ok(Vec::new())),
        (b"tar\0get", Err(Errno::EIO)),
        (&[b'x'; 5000], Ok(vec![b'x'; 5000])),
        (&[b'x'; 0xffff], Ok(vec![b'x'; 0xffff])),
        (&[b'x'; 0x10000], Err(Errno::ENAMETOOLONG)),
        (&[b'x'; 1 << 20], Err(Errno::ENAMETOOLONG)),
    ] {
        fs::write(export.host("l"), content).unwrap();
        assert_eq!(export.fs.readlink(&cx(), &link), text);
    }
    let long = [b'x'; 4096];
    for (target, error) in [(&b""[..], Errno::ENOENT), (&long, Errno::ENAMETOOLONG)] {
        let made = export.fs.make(
            &cx(),
            &export.root,
            name("bad"),
            Make::Symlink { target },
            u32::MAX,
        );
        assert_eq!(made, Err(error));
        assert!(!export.host("bad").exists());
    }
}

#[test]
fn native_links_and_special_files_are_seen_and_never_followed_or_opened() {
    let export = Export::below(options());
    fs::write(export.host("secret"), "outside").unwrap();
    symlink("../secret", export.host("export/link")).unwrap();
    symlink("..", export.host("export/up")).unwrap();
    let fifo = export.host("export/fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        0o644.into(),
        0,
    )
    .unwrap();
    assert!(fs::metadata(fifo).unwrap().file_type().is_fifo());
    let link = export.walk("link");
    assert_eq!(export.stat(&link).mode, 0o120_777);
    assert_eq!(export.fs.readlink(&cx(), &link).unwrap(), b"../secret");
    assert_eq!(
        export.fs.open(&cx(), &link, READ).unwrap_err(),
        Errno::ELOOP
    );
    assert_eq!(export.try_walk("up/secret").unwrap_err(), Errno::ENOTDIR);
    let created = export.try_create(&export.root, "link", RDWR, 0o644);
    assert_eq!(created.unwrap_err(), Errno::ELOOP);
    let fifo = export.walk("fifo");
    assert_eq!(
        export.fs.open(&cx(), &fifo, READ).unwrap_err(),
        Errno::ENXIO
    );
    // Linux keeps no such attributes on them.
    let owner = SetAttr {
        uid: Some(5),
        ..SetAttr::default()
    };
    assert_eq!(export.set(&link, None, owner), Err(Errno::EPERM));
    assert_eq!(export.host_read("secret"), "outside");
}

#[test]
fn a_list_tells_no_kinds_of_files() {
    let export = Export::with(options());
    export.create("f");
    make(&export, "l", Make::Symlink { target: b"x" });
    make(&export, "d", Make::Directory { mode: 0o755 });
    let open = export.open(&export.root, READ);
    let mut names = 0;
    export
        .fs
        .list(&cx(), &open, 0, &mut |entry| {
            // But those of directories, which are the host's own.
            let directory = matches!(entry.name, b"." | b".." | b"d");
            let kind = directory.then_some(FileKind::Directory);
            assert_eq!((entry.kind, entry.qid.kind), (0, kind));
            names += 1;
            true
        })
        .unwrap();
    assert_eq!(names, 5);
}

#[test]
fn a_change_of_content_or_owner_drops_setuid_and_setgid() {
    let export = Export::with(options());
    let (node, open) = export.create("f");
    let stored = |mode: u32| {
        assert_eq!(export.stat(&node).mode, mode);
        let bytes = host_get(&export, "f", MODE).unwrap();
        assert_eq!(bytes, mode.to_le_bytes());
    };
    let again = |mode| {
        set_mode(&export, &node, mode);
        stored(0o100_000 | mode);
    };
    again(0o6755);
    export.write(&open, 0, b"").unwrap();
    stored(0o106_755);
    export.write(&open, 0, b"xyz").unwrap();
    stored(0o100_755);
    again(0o6744);
    export.set(&node, None, set_size(1)).unwrap();
    stored(0o102_744);
    export.write(&open, 0, b"xyz").unwrap();
    stored(0o102_744);
    again(0o4711);
    export.open(&node, WRITE | OpenFlags::TRUNCATE);
    stored(0o100_711);
    again(0o6777);
    let owner = SetAttr {
        uid: Some(3),
        ..SetAttr::default()
    };
    export.set(&node, None, owner).unwrap();
    stored(0o100_777);
    // Those that were there when the file was first seen, too.
    let (made, _) = export.try_create(&export.root, "g", RDWR, 0o4755).unwrap();
    drop(made);
    let node = export.walk("g");
    let open = export.open(&node, WRITE);
    export.write(&open, 0, b"x").unwrap();
    assert_eq!(export.stat(&node).mode, 0o100_755);
}

#[test]
fn what_another_server_stores_is_seen_at_once() {
    let export = Export::with(options());
    let (node, _) = export.create("f");
    let other = LocalFs::open(export.dir.path(), options()).unwrap();
    let (root, _) = other.attach(&cx()).unwrap();
    let mut qids = virtfs_vfs::Qids::new();
    let theirs = other.walk(&cx(), &root, &[name("f")], &mut qids).unwrap();
    // Longer than it takes until attributes are remembered.
    let end = std::time::Instant::now() + std::time::Duration::from_millis(1500);
    let mut round = 0;
    while std::time::Instant::now() < end {
        round += 1;
        let changes = SetAttr {
            mode: Some(round & 0o777),
            uid: Some(round),
            ..SetAttr::default()
        };
        other.set(&cx(), &theirs, None, &changes).unwrap();
        for _ in 0..2 {
            let attr = export.stat(&node);
            assert_eq!((attr.mode & 0o777, attr.uid), (round & 0o777, round));
        }
        if round == 50 {
            std::thread::sleep(std::time::Duration::from_millis(1200));
            assert_eq!(export.stat(&node).uid, round);
        }
    }
}

#[test]
fn a_create_that_fails_leaves_nothing_and_destroys_nothing() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(dir.path(), Some(1000), Some(1000)).unwrap();
    as_user(1000, || {
        // Attributes of a file that its owner may not write cannot be set.
        let options = Options {
            fmode: 0o400,
            ..options()
        };
        let export = Export::over(dir, "", options);
        export.host_write("old", "content");
        let create = |file: &str, how| {
            let (dir, flags) = (&export.root, WRITE | how);
            export.fs.create(&user(5), dir, name(file), flags, 0o644, 5)
        };
        let none = OpenFlags::empty();
        assert_eq!(create("new", none).unwrap_err(), Errno::EACCES);
        create("old", none).unwrap();
        let exclusive = create("old", OpenFlags::EXCLUSIVE);
        assert_eq!(exclusive.unwrap_err(), Errno::EEXIST);
        for what in [
            Make::Symlink { target: b"x" },
            special(FileKind::Fifo, Device::default()),
        ] {
            for (file, error) in [("new", Errno::EACCES), ("old", Errno::EEXIST)] {
                let made = export.fs.make(&user(5), &export.root, name(file), what, 5);
                assert_eq!(made, Err(error));
            }
        }
        assert_eq!(export.host_read("old"), "content");
        assert_eq!(export.list(&export.root).len(), 3);
    });
}

#[test]
fn a_file_that_the_server_may_not_read_shows_as_the_host_has_it() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("roots"), "").unwrap();
    fs::set_permissions(dir.path().join("roots"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Not the user's to remove.
    let below = dir.path().to_str().unwrap().to_owned();
    as_user(1000, || {
        let export = Export::over(tempfile::tempdir().unwrap(), &below, options());
        let attr = export.stat(&export.walk("roots"));
        assert_eq!((attr.mode, attr.uid), (0o100_600, 0));
        let changes = SetAttr {
            uid: Some(1),
            ..SetAttr::default()
        };
        let set = export.set(&export.walk("roots"), None, changes);
        assert_eq!(set, Err(Errno::EACCES));
    });
}

#[test]
fn a_file_system_without_user_attributes_is_refused_at_the_start() {
    with_own_mounts(|| {
        let dir = tempfile::tempdir().unwrap();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("ramfs", dir.path(), "ramfs", flags, None).unwrap();
        let error = LocalFs::open(dir.path(), options()).err().unwrap();
        assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
        // The other model is for these.
        let options = Options {
            model: SecurityModel::MappedFile,
            ..Options::default()
        };
        let fs = LocalFs::open(dir.path(), options).unwrap();
        let (root, _) = fs.attach(&cx()).unwrap();
        let made = fs.create(&user(7), &root, name("f"), RDWR, 0o4755, 8);
        let node = made.unwrap().0;
        let attr = fs.stat(&cx(), &node, None, Default::default()).unwrap();
        assert_eq!((attr.uid, attr.gid, attr.mode), (7, 8, 0o104_755));
    });
}

#[test]
fn a_directory_that_cannot_be_searched_is_listed() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    fs::write(dir.path().join("d/f"), "").unwrap();
    fs::set_permissions(dir.path().join("d"), fs::Permissions::from_mode(0o744)).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Not the user's to remove.
    let below = dir.path().to_str().unwrap().to_owned();
    as_user(1000, || {
        let export = Export::over(tempfile::tempdir().unwrap(), &below, options());
        let names = export.list(&export.walk("d"));
        assert_eq!(names.len(), 3);
        assert_eq!(export.try_walk("d/f").unwrap_err(), Errno::EACCES);
    });
}

#[test]
fn a_directory_is_removed_by_the_hosts_rules() {
    let export = Export::with(options());
    make(&export, "d", Make::Directory { mode: 0 });
    let dir = export.walk("d");
    // The server's own permissions do not depend on the guest's.
    export.try_create(&dir, "f", RDWR, 0).unwrap();
    let place = Place::Entry(&export.root, name("d"));
    let removed = export.fs.remove(&cx(), place, Removal::Directory);
    assert_eq!(removed, Err(Errno::ENOTEMPTY));
    export.unlink(&dir, "f").unwrap();
    export.fs.remove(&cx(), place, Removal::Directory).unwrap();
}
