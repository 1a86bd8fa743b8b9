//! `mapped-file`: the metadata beside the files is QEMU's to the byte, follows them wherever they
//! go, and is out of every client's reach.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use common::mapped_file::*;
use common::{Export, RDWR, READ, WRITE, as_user, cx, name, need_root, user};
use virtfs_vfs::{Device, Errno, FileKind, FileSystem, Make, Node, OpenFlags, SetAttr};

fn owner(export: &Export, path: &str) -> u32 {
    export.stat(&export.walk(path)).uid
}

fn link(export: &Export, node: &Node, to: &str) -> Result<(), Errno> {
    export.fs.link(&cx(), node, &export.root, name(to))
}

#[test]
fn metadata_is_qemus_to_the_byte() {
    let export = export();
    create(&export, &export.root, "f", 7);
    assert_eq!(metadata(&export, "f").unwrap(), USER_7);
    let make = |file: &str, what| {
        let made = export
            .fs
            .make(&user(1000), &export.root, name(file), what, 55);
        made.unwrap();
        let values = metadata(&export, file).unwrap();
        let values = values.strip_prefix("virtfs.uid=1000\nvirtfs.gid=55\n");
        values.unwrap().to_owned()
    };
    let device = Device {
        major: 10,
        minor: 229,
    };
    let special = |kind| Make::Node {
        kind,
        mode: 0o640,
        device,
    };
    let values = make("c", special(FileKind::CharDevice));
    assert_eq!(values, "virtfs.mode=8608\nvirtfs.rdev=2789\n");
    let values = make("p", special(FileKind::Fifo));
    assert_eq!(values, "virtfs.mode=4512\nvirtfs.rdev=0\n");
    let values = make("d", Make::Directory { mode: 0o755 });
    assert_eq!(values, "virtfs.mode=16877\n");
    let values = make("l", Make::Symlink { target: b"there" });
    assert_eq!(values, "virtfs.mode=41471\n");
    assert_eq!(export.host_read("l"), "there");
    for file in ["c", "p", "l"] {
        let meta = fs::symlink_metadata(export.host(file)).unwrap();
        assert!(meta.is_file());
    }
    assert_eq!(export.stat(&export.walk("c")).rdev, device);
    // Of the root, beside the folder.
    export.set(&export.root, None, chmod(0o1777)).unwrap();
    let root = fs::read_to_string(export.host(".virtfs_metadata_root")).unwrap();
    assert_eq!(root, "virtfs.mode=17407\n");
    assert_eq!(export.stat(&export.root).mode, 0o041_777);
    // Modes of what is the server's own, whatever the umask.
    let mode = |path: &str| fs::metadata(export.host(path)).unwrap().mode() & 0o7777;
    assert_eq!(mode(".virtfs_metadata"), 0o700);
    assert_eq!(mode(".virtfs_metadata/f"), 0o600);
    assert_eq!(mode(".virtfs_metadata_root"), 0o600);
}

#[test]
fn a_change_keeps_what_it_does_not_name() {
    let export = export();
    let node = create(&export, &export.root, "f", 7);
    export.set(&node, None, chmod(0o755)).unwrap();
    assert_eq!(
        metadata(&export, "f").unwrap(),
        "virtfs.uid=7\nvirtfs.gid=7\nvirtfs.mode=33261\n"
    );
    export.set(&node, None, chown(u32::MAX - 1)).unwrap();
    assert_eq!(
        metadata(&export, "f").unwrap(),
        "virtfs.uid=-2\nvirtfs.gid=7\nvirtfs.mode=33261\n"
    );
    assert_eq!(export.stat(&node).uid, u32::MAX - 1);
    // Of a file of the host's, nothing but what was set.
    export.host_write("host", "");
    let host = export.walk("host");
    export.set(&host, None, chown(5)).unwrap();
    assert_eq!(metadata(&export, "host").unwrap(), "virtfs.uid=5\n");
    let attr = export.stat(&host);
    let meta = fs::metadata(export.host("host")).unwrap();
    assert_eq!(
        (attr.uid, attr.gid, attr.mode),
        (5, meta.gid(), meta.mode())
    );
}

#[test]
fn a_new_mode_without_its_kind_keeps_the_stored_kind() {
    let export = export();
    let (device, mode) = (Device::default(), 0o644);
    let kind = FileKind::Fifo;
    let what = Make::Node { kind, mode, device };
    let at = (&export.root, name("p"));
    export.fs.make(&user(7), at.0, at.1, what, 7).unwrap();
    let node = export.walk("p");
    for mode in [0o600, 0o100_600] {
        export.set(&node, None, chmod(mode)).unwrap();
        assert_eq!(export.stat(&node).mode, 0o010_600);
        let stored = metadata(&export, "p").unwrap();
        assert!(stored.contains("virtfs.mode=4480\n"), "{stored}");
    }
}

#[test]
fn a_list_in_pieces_passes_over_the_servers_names() {
    let export = export();
    for file in 0..20 {
        create(&export, &export.root, &file.to_string(), 7);
    }
    let open = export.open(&export.root, READ);
    let mut cookie = 0;
    let mut names = Vec::new();
    loop {
        let before = names.len();
        let mut room = 1;
        export
            .fs
            .list(&cx(), &open, cookie, &mut |entry| {
                let dots = matches!(entry.name, b"." | b"..");
                let kind = dots.then_some(FileKind::Directory);
                assert_eq!((entry.kind, entry.qid.kind), (0, kind));
                if room == 0 {
                    return false;
                }
                room -= 1;
                cookie = entry.next;
                names.push(entry.name.to_vec());
                true
            })
            .unwrap();
        if names.len() == before {
            break;
        }
    }
    assert_eq!(names.len(), 22);
    assert!(!names.iter().any(|name| name.starts_with(b".virtfs")));
}

#[test]
fn metadata_goes_with_its_file() {
    let export = export();
    let root = &export.root;
    let node = create(&export, root, "f", 7);
    export.mkdir(root, "d").unwrap();
    let d = export.walk("d");
    export.rename((root, "f"), (&d, "g")).unwrap();
    assert_eq!(metadata(&export, "f"), None);
    assert_eq!(metadata(&export, "d/g").unwrap(), USER_7);
    assert_eq!(export.stat(&node).uid, 7);
    export.set(&node, None, chmod(0o600)).unwrap();
    export.rename((root, "d"), (root, "e")).unwrap();
    assert_eq!(owner(&export, "e/g"), 7);
    assert_eq!(export.stat(&node).mode, 0o100_600);
    export.unlink(&d, "g").unwrap();
    assert_eq!(metadata(&export, "e/g"), None);
    // A new file of the name is another.
    create(&export, &d, "g", 9);
    assert_eq!(owner(&export, "e/g"), 9);
}

#[test]
fn what_replaces_a_file_does_not_take_over_its_metadata() {
    let export = export();
    let root = &export.root;
    // Without metadata of its own: the defect is to leave the other's.
    let old = create(&export, root, "old", 7);
    export.host_write("new", "");
    let server = fs::metadata(export.host("new")).unwrap().uid();
    export.rename((root, "new"), (root, "old")).unwrap();
    assert_eq!(owner(&export, "old"), server);
    assert_eq!(metadata(&export, "old"), None);
    assert_eq!(export.stat(&old).uid, 7);
    // With metadata of its own, over one with, and one without.
    create(&export, root, "a", 1);
    create(&export, root, "b", 2);
    export.rename((root, "a"), (root, "b")).unwrap();
    assert_eq!((owner(&export, "b"), metadata(&export, "a")), (1, None));
    export.host_write("c", "");
    export.rename((root, "b"), (root, "c")).unwrap();
    assert_eq!((owner(&export, "c"), metadata(&export, "b")), (1, None));
}

#[test]
fn what_fails_costs_no_metadata() {
    let export = export();
    let root = &export.root;
    for dir in ["full", "alien", "other"] {
        let what = Make::Directory { mode: 0o1750 };
        export.fs.make(&user(7), root, name(dir), what, 7).unwrap();
    }
    create(&export, &export.walk("full"), "f", 8);
    export.host_write("alien/host", "");
    let kept = |path: &str| {
        let attr = export.stat(&export.walk(path));
        assert_eq!((attr.uid, attr.mode & 0o7777), (7, 0o1750), "{path}");
    };
    for dir in ["full", "alien"] {
        assert_eq!(rmdir(&export, root, dir), Err(Errno::ENOTEMPTY));
        kept(dir);
        let over = export.rename((root, "other"), (root, dir));
        assert!(matches!(over, Err(Errno::ENOTEMPTY | Errno::EEXIST)));
        kept(dir);
        kept("other");
    }
    assert_eq!(owner(&export, "full/f"), 8);
    create(&export, root, "f", 7);
    assert_eq!(rmdir(&export, root, "f"), Err(Errno::ENOTDIR));
    assert_eq!(export.unlink(root, "full"), Err(Errno::EISDIR));
    assert_eq!(
        export.rename((root, "f"), (root, "full")),
        Err(Errno::EISDIR)
    );
    assert_eq!(
        export.rename((root, "full"), (root, "f")),
        Err(Errno::ENOTDIR)
    );
    let missing = export.rename((root, "missing"), (root, "f"));
    assert_eq!(missing, Err(Errno::ENOENT));
    let linked = link(&export, &export.walk("full/f"), "f");
    assert_eq!(linked, Err(Errno::EEXIST));
    kept("full");
    assert_eq!(metadata(&export, "f").unwrap(), USER_7);
}

#[test]
fn an_existing_file_keeps_its_metadata_when_a_create_opens_it_or_fails() {
    let export = export();
    let root = &export.root;
    create(&export, root, "f", 7);
    create(&export, root, "f", 9);
    let flags = RDWR | OpenFlags::EXCLUSIVE;
    let failed = export.try_create(root, "f", flags, 0o777);
    assert_eq!(failed.unwrap_err(), Errno::EEXIST);
    let what = Make::Symlink { target: b"x" };
    let failed = export.fs.make(&user(9), root, name("f"), what, 9);
    assert_eq!(failed, Err(Errno::EEXIST));
    assert_eq!(metadata(&export, "f").unwrap(), USER_7);
}

#[test]
fn hard_links_share_their_metadata() {
    let export = export();
    let root = &export.root;
    let node = create(&export, root, "f", 7);
    export.mkdir(root, "d").unwrap();
    let d = export.walk("d");
    export.fs.link(&cx(), &node, &d, name("g")).unwrap();
    let inode = |path| fs::metadata(metadata_path(&export, path)).unwrap().ino();
    assert_eq!(inode("f"), inode("d/g"));
    export.set(&export.walk("d/g"), None, chown(8)).unwrap();
    assert_eq!(owner(&export, "f"), 8);
    export.set(&node, None, chmod(0o4711)).unwrap();
    assert_eq!(export.stat(&export.walk("d/g")).mode, 0o104_711);
    // Through a rename of either, and after the removal of one.
    export.rename((&d, "g"), (root, "h")).unwrap();
    export.set(&node, None, chown(9)).unwrap();
    assert_eq!(owner(&export, "h"), 9);
    export.unlink(root, "f").unwrap();
    assert_eq!(owner(&export, "h"), 9);
    // Who holds the removed name changes what the other shows.
    export.set(&node, None, chown(10)).unwrap();
    assert_eq!((owner(&export, "h"), export.stat(&node).uid), (10, 10));
    // And gives it a third.
    link(&export, &node, "i").unwrap();
    export.set(&export.walk("i"), None, chown(11)).unwrap();
    assert_eq!(owner(&export, "h"), 11);
}

#[test]
fn hard_links_share_metadata_that_is_made_later() {
    let export = export();
    export.host_write("f", "");
    let node = export.walk("f");
    link(&export, &node, "g").unwrap();
    let attr = export.stat(&export.walk("g"));
    assert_eq!(attr.mode, fs::metadata(export.host("f")).unwrap().mode());
    export.set(&export.walk("g"), None, chown(7)).unwrap();
    assert_eq!((owner(&export, "f"), owner(&export, "g")), (7, 7));
}

#[test]
fn a_rename_of_one_name_of_a_file_to_another_changes_nothing() {
    let export = export();
    let root = &export.root;
    let node = create(&export, root, "f", 7);
    link(&export, &node, "g").unwrap();
    export.rename((root, "f"), (root, "g")).unwrap();
    export.rename((root, "f"), (root, "f")).unwrap();
    for file in ["f", "g"] {
        assert_eq!(metadata(&export, file).unwrap(), USER_7);
        assert_eq!(owner(&export, file), 7);
    }
}

#[test]
fn a_change_of_content_or_owner_drops_setuid_and_setgid() {
    let export = export();
    let (node, open) = export.create("f");
    let again = |mode| export.set(&node, None, chmod(mode)).unwrap();
    let mode = || {
        let text = metadata(&export, "f").unwrap();
        let stored = text.lines().find_map(|l| l.strip_prefix("virtfs.mode="));
        let stored: u32 = stored.unwrap().parse().unwrap();
        assert_eq!(export.stat(&node).mode, stored);
        stored & 0o7777
    };
    again(0o6755);
    export.write(&open, 0, b"x").unwrap();
    assert_eq!(mode(), 0o755);
    again(0o6744);
    let size = SetAttr {
        size: Some(0),
        ..SetAttr::default()
    };
    export.set(&node, Some(&open), size).unwrap();
    assert_eq!(mode(), 0o2744);
    again(0o4711);
    export.open(&node, WRITE | OpenFlags::TRUNCATE);
    assert_eq!(mode(), 0o711);
    again(0o6777);
    export.set(&node, None, chown(3)).unwrap();
    assert_eq!(mode(), 0o777);
    // With other values beside, and an owner that is given with the mode.
    let both = SetAttr {
        uid: Some(4),
        ..chmod(0o4755)
    };
    export.set(&node, None, both).unwrap();
    assert_eq!(mode(), 0o4755);
    export.unlink(&export.root, "f").unwrap();
    export.write(&open, 0, b"x").unwrap();
    assert_eq!(export.stat(&node).mode, 0o100_755);
}

#[test]
fn a_change_of_metadata_moves_the_change_time_and_the_version() {
    let export = export();
    let node = create(&export, &export.root, "f", 7);
    let before = export.stat(&node);
    let mut mode = 0;
    while export.stat(&node).ctime == before.ctime {
        mode = (mode + 1) & 0o777;
        export.set(&node, None, chmod(mode)).unwrap();
    }
    let after = export.stat(&node);
    assert_ne!(after.qid.version, before.qid.version);
    assert_eq!(after.mtime, before.mtime);
}

#[test]
fn an_ordinary_user_serves_all_owners_modes_and_kinds() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(dir.path(), Some(1000), Some(1000)).unwrap();
    as_user(1000, || {
        let export = Export::over(dir, "", options());
        let node = create(&export, &export.root, "f", 0);
        export.set(&node, None, chmod(0)).unwrap();
        let attr = export.stat(&node);
        assert_eq!((attr.uid, attr.mode), (0, 0o100_000));
        let device = Make::Node {
            kind: FileKind::BlockDevice,
            mode: 0o600,
            device: Device { major: 8, minor: 1 },
        };
        export
            .fs
            .make(&user(0), &export.root, name("sda1"), device, 6)
            .unwrap();
        let attr = export.stat(&export.walk("sda1"));
        assert_eq!((attr.uid, attr.gid, attr.mode), (0, 6, 0o060_600));
        assert_eq!(export.content(&node), "");
        // Metadata of root's, which this user may not read, counts as missing.
        let mode = fs::Permissions::from_mode(0o000);
        fs::set_permissions(metadata_path(&export, "f"), mode).unwrap();
        assert_eq!(export.stat(&node).uid, 1000);
    });
}
