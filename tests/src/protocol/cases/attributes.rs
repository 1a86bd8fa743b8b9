//! Attributes of files, and of the file system.

use virtfs_client::{GetattrMask, LopenFlags as O, QidType, SetAttributes};

use super::errno::{EINVAL, EOPNOTSUPP, EPERM};
use super::{ANY, content, create, fails, mkdir, put};
use crate::protocol::{Has, Site, sample};

cases! {
    ANY =>
        the_basic_attributes_are_always_there
        what_is_asked_for_is_told_if_it_is_known
        a_file_tells_what_it_is
        attributes_agree_however_they_are_asked_for
        the_state_of_the_whole_is_sane
        nothing_to_set_is_no_error;
    Has::BIRTH_TIME =>
        a_birth_time_stays;
    Has::WRITE =>
        every_permission_bit_is_kept
        the_mode_of_a_directory_and_of_a_fifo_is_set
        links_are_counted
        size_and_blocks_follow_the_content
        a_qid_version_follows_the_content
        a_write_drops_setuid
        attributes_are_set_together
        the_whole_has_a_size;
    Has::OWNERS =>
        owner_and_group_are_set_apart;
    Has::FIXED =>
        attributes_of_a_tree_made_by_code_are_not_set;
}

fn mode(mode: u32) -> SetAttributes {
    SetAttributes {
        mode: Some(mode),
        ..Default::default()
    }
}

fn the_basic_attributes_are_always_there(site: &Site) {
    for mask in [GetattrMask::BASIC, GetattrMask::SIZE, GetattrMask::empty()] {
        let attributes = site.hello().getattr(mask).unwrap();
        assert!(attributes.valid.contains(GetattrMask::BASIC), "{mask:?}");
        assert_eq!(attributes.size, sample::HELLO.len() as u64);
    }
}

fn what_is_asked_for_is_told_if_it_is_known(site: &Site) {
    let attributes = site.hello().getattr(GetattrMask::ALL).unwrap();
    assert!(attributes.valid.contains(GetattrMask::BASIC));
    assert!(!attributes.valid.contains(GetattrMask::DATA_VERSION));
    assert_eq!(attributes.data_version, 0);
    assert_eq!(
        attributes.valid.contains(GetattrMask::BTIME),
        site.has(Has::BIRTH_TIME)
    );
    let modest = site.hello().getattr(GetattrMask::BASIC).unwrap();
    assert!(!modest.valid.contains(GetattrMask::GEN));
}

fn a_file_tells_what_it_is(site: &Site) {
    let hello = site.hello().attributes().unwrap();
    assert_eq!(hello.mode & 0o170000, 0o100000);
    assert_eq!(hello.qid.kind, QidType::empty());
    assert_eq!((hello.uid, hello.gid, hello.nlink), (0, 0, 1));
    assert!(hello.blksize > 0);
    let many = site.many().attributes().unwrap();
    assert_eq!(many.mode & 0o170000, 0o040000);
    assert_eq!(many.qid.kind, QidType::DIR);
    assert!(many.nlink >= 1);
}

fn attributes_agree_however_they_are_asked_for(site: &Site) {
    let hello = site.hello();
    // An access time may move in between.
    let ask = |attributes: virtfs_client::Attributes| virtfs_client::Attributes {
        atime: Default::default(),
        valid: attributes.valid & GetattrMask::BASIC,
        ..attributes
    };
    let expected = ask(hello.attributes().unwrap());
    let open = hello.open(O::RDONLY).unwrap();
    assert_eq!(ask(open.attributes().unwrap()), expected);
    assert_eq!(ask(open.getattr(GetattrMask::BASIC).unwrap()), expected);
    let (_, looked_up) = site.root().lookup(b"hello").unwrap();
    assert_eq!(ask(looked_up), expected);
    assert_eq!(ask(site.root().stat_at(&["hello"]).unwrap()), expected);
    for answer in site.root().stat_all(&["hello", "hello"]) {
        assert_eq!(ask(answer.unwrap()), expected);
    }
}

fn the_state_of_the_whole_is_sane(site: &Site) {
    for fid in [site.root(), &site.hello()] {
        let whole = fid.statfs().unwrap();
        assert_eq!(whole.namelen, 255);
        assert!(whole.bsize > 0);
        assert!(whole.bfree <= whole.blocks && whole.bavail <= whole.bfree);
        assert!(whole.ffree <= whole.files && whole.files > 0);
        assert_ne!(whole.kind, 0);
    }
}

fn nothing_to_set_is_no_error(site: &Site) {
    let hello = site.hello();
    let before = hello.attributes().unwrap();
    hello.setattr(&SetAttributes::default()).unwrap();
    let after = hello.attributes().unwrap();
    assert_eq!((after.mode, after.mtime), (before.mode, before.mtime));
    assert_eq!(after.size, before.size);
}

fn a_birth_time_stays(site: &Site) {
    let file = create(site.root(), b"f");
    let birth = || {
        let attributes = file.getattr(GetattrMask::ALL).unwrap();
        assert!(attributes.valid.contains(GetattrMask::BTIME));
        attributes.btime
    };
    let before = birth();
    assert!(before.sec > 1_000_000_000 && before.nsec < 1_000_000_000);
    file.write_all_at(b"x", 0).unwrap();
    file.setattr(&mode(0o600)).unwrap();
    assert_eq!(birth(), before);
}

fn every_permission_bit_is_kept(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    let file = fid.open(O::RDONLY).unwrap();
    for bit in 0..12 {
        fid.setattr(&mode(1 << bit)).unwrap();
        assert_eq!(fid.attributes().unwrap().mode, 0o100000 | 1 << bit);
        file.setattr(&mode(0o7777 & !(1 << bit))).unwrap();
        let inverse = 0o107777 & !(1 << bit);
        assert_eq!(file.attributes().unwrap().mode, inverse);
    }
    // Type bits are not.
    fid.setattr(&mode(0o040644)).unwrap();
    assert_eq!(fid.attributes().unwrap().mode, 0o100644);
}

fn the_mode_of_a_directory_and_of_a_fifo_is_set(site: &Site) {
    let root = site.root();
    let dir = mkdir(root, "d");
    dir.setattr(&mode(0o1750)).unwrap();
    assert_eq!(dir.attributes().unwrap().mode, 0o041750);
    root.mknod(b"p", 0o010644, 0, 0, 0).unwrap();
    let fifo = root.walk(&["p"]).unwrap();
    fifo.setattr(&mode(0o4601)).unwrap();
    assert_eq!(fifo.attributes().unwrap().mode, 0o014601);
    root.symlink(b"l", b"d", 0).unwrap();
    let link = root.walk(&["l"]).unwrap();
    if let Err(error) = link.setattr(&mode(0o600)) {
        fails::<()>(Err(error), &[EOPNOTSUPP, EINVAL, EPERM]);
    }
    // What it points to is not touched either way.
    assert_eq!(dir.attributes().unwrap().mode, 0o041750);
}

fn links_are_counted(site: &Site) {
    let root = site.root();
    let file = put(root, b"f", b"");
    let links = || file.attributes().unwrap().nlink;
    assert_eq!(links(), 1);
    root.link(b"g", &file).unwrap();
    assert_eq!(links(), 2);
    root.unlink_at(b"f", Default::default()).unwrap();
    assert_eq!(links(), 1);
    let before = root.attributes().unwrap().nlink;
    mkdir(root, "d");
    assert_eq!(root.attributes().unwrap().nlink, before + 1);
}

fn size_and_blocks_follow_the_content(site: &Site) {
    let file = create(site.root(), b"f");
    // A disk may have one for extended attributes, of which a backend may keep some.
    let empty = file.attributes().unwrap().blocks;
    assert!(empty <= 8, "{empty}");
    file.write_all_at(&[1; 100_000], 0).unwrap();
    // A disk may give blocks only when it must.
    file.fsync(false).unwrap();
    let attributes = file.attributes().unwrap();
    assert_eq!(attributes.size, 100_000);
    let more = attributes.blocks - empty;
    assert!((196..400).contains(&more), "{attributes:?}");
}

fn a_qid_version_follows_the_content(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    let version = || fid.attributes().unwrap().qid.version;
    let mut seen = vec![version()];
    assert_ne!(seen[0], 0);
    let file = fid.open(O::WRONLY | O::APPEND).unwrap();
    for _ in 0..5 {
        file.write_all_at(b"x", 0).unwrap();
        assert!(!seen.contains(&version()));
        seen.push(version());
    }
    assert_eq!(version(), version());
}

fn a_write_drops_setuid(site: &Site) {
    let fid = put(site.root(), b"f", b"x");
    fid.setattr(&mode(0o6755)).unwrap();
    let file = fid.open(O::WRONLY).unwrap();
    assert_eq!(file.attributes().unwrap().mode, 0o106755);
    file.write_all_at(b"y", 0).unwrap();
    assert_eq!(file.attributes().unwrap().mode, 0o100755);
}

fn attributes_are_set_together(site: &Site) {
    let fid = put(site.root(), b"f", b"0123456789");
    let set = SetAttributes {
        mode: Some(0o640),
        size: Some(3),
        ..Default::default()
    };
    fid.setattr(&set).unwrap();
    assert_eq!(fid.attributes().unwrap().mode, 0o100640);
    assert_eq!(content(&fid), b"012");
}

fn the_whole_has_a_size(site: &Site) {
    let root = site.root();
    let whole = root.statfs().unwrap();
    assert!(whole.blocks > 0 && whole.bfree > 0);
    assert!(whole.bsize >= 4096, "in units of messages");
    // Others use the disk as well, so that its numbers say nothing from here on.
    assert_eq!(whole.blocks, root.statfs().unwrap().blocks);
}

fn owner_and_group_are_set_apart(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    let owner = || {
        let attributes = fid.attributes().unwrap();
        (attributes.uid, attributes.gid)
    };
    let set = |uid, gid| {
        let set = SetAttributes {
            uid,
            gid,
            ..Default::default()
        };
        fid.setattr(&set).unwrap();
    };
    assert_eq!(owner(), (0, 0));
    set(Some(1000), None);
    assert_eq!(owner(), (1000, 0));
    set(None, Some(100));
    assert_eq!(owner(), (1000, 100));
    set(Some(0), Some(70_000));
    assert_eq!(owner(), (0, 70_000));
    // A link is given away itself.
    site.root().symlink(b"l", b"f", 0).unwrap();
    let link = site.root().walk(&["l"]).unwrap();
    let set = SetAttributes {
        uid: Some(5),
        ..Default::default()
    };
    link.setattr(&set).unwrap();
    assert_eq!(link.attributes().unwrap().uid, 5);
    assert_eq!(owner(), (0, 70_000));
}

fn attributes_of_a_tree_made_by_code_are_not_set(site: &Site) {
    let hello = site.hello();
    fails(hello.setattr(&mode(0o600)), &[EPERM]);
    let owner = SetAttributes {
        uid: Some(1),
        ..Default::default()
    };
    fails(hello.setattr(&owner), &[EPERM]);
    assert_eq!(hello.attributes().unwrap().mode, 0o100444);
}
