//! Files whose names are gone.

use virtfs_client::{LopenFlags as O, SetAttributes, UnlinkFlags, XattrFlags};

use super::errno::ENOENT;
use super::{content, fails, mkdir, names, pattern, put, read};
use crate::protocol::{Has, Site};

cases! {
    Has::WRITE =>
        an_unlinked_file_is_read_and_written
        the_attributes_of_an_unlinked_file_are_known
        an_unlinked_file_is_changed
        an_unlinked_file_is_opened_once_more
        a_file_that_another_client_unlinks_stays
        the_successor_of_an_unlinked_file_is_another
        a_replaced_file_lives_on
        a_removed_directory_holds_nothing;
    Has::XATTRS =>
        an_unlinked_file_has_extended_attributes;
    Has::LOCKS =>
        an_unlinked_file_is_locked;
}

fn an_unlinked_file_is_read_and_written(site: &Site) {
    let root = site.root();
    let file = put(root, b"f", b"0123").open(O::RDWR).unwrap();
    root.unlink_at(b"f", UnlinkFlags::empty()).unwrap();
    let bytes = pattern(200_000);
    file.write_all_at(&bytes, 4).unwrap();
    assert_eq!(read(&file, 0, 4), b"0123");
    assert!(read(&file, 4, 300_000) == bytes);
    file.fsync(false).unwrap();
    assert!(names(root).is_empty());
}

fn the_attributes_of_an_unlinked_file_are_known(site: &Site) {
    let root = site.root();
    let fid = put(root, b"f", b"0123");
    let file = fid.open(O::RDONLY).unwrap();
    root.unlink_at(b"f", UnlinkFlags::empty()).unwrap();
    for attributes in [fid.attributes().unwrap(), file.attributes().unwrap()] {
        assert_eq!((attributes.nlink, attributes.size), (0, 4));
        assert_eq!(attributes.qid.path, fid.qid().path);
    }
}

fn an_unlinked_file_is_changed(site: &Site) {
    let root = site.root();
    let fid = put(root, b"f", b"0123456789");
    let file = fid.open(O::RDWR).unwrap();
    root.unlink_at(b"f", UnlinkFlags::empty()).unwrap();
    let set = |mode, size| SetAttributes {
        mode: Some(mode),
        size: Some(size),
        ..Default::default()
    };
    fid.setattr(&set(0o600, 5)).unwrap();
    assert_eq!(read(&file, 0, 10), b"01234");
    file.setattr(&set(0o640, 3)).unwrap();
    let attributes = fid.attributes().unwrap();
    assert_eq!((attributes.mode, attributes.size), (0o100640, 3));
}

fn an_unlinked_file_is_opened_once_more(site: &Site) {
    let root = site.root();
    let fid = put(root, b"f", b"still");
    root.unlink_at(b"f", UnlinkFlags::empty()).unwrap();
    assert_eq!(content(&fid), b"still");
    let clone = fid.walk::<&str>(&[]).unwrap();
    drop(fid);
    assert_eq!(content(&clone), b"still");
}

fn a_file_that_another_client_unlinks_stays(site: &Site) {
    let file = put(site.root(), b"f", b"mine").open(O::RDWR).unwrap();
    let other = site.second();
    other.unlink_at(b"f", UnlinkFlags::empty()).unwrap();
    fails(site.root().walk(&["f"]), &[ENOENT]);
    file.write_all_at(b"M", 0).unwrap();
    assert_eq!(read(&file, 0, 10), b"Mine");
}

fn the_successor_of_an_unlinked_file_is_another(site: &Site) {
    let root = site.root();
    let old = put(root, b"f", b"old");
    root.unlink_at(b"f", UnlinkFlags::empty()).unwrap();
    let new = put(root, b"f", b"new");
    assert_ne!(old.qid().path, new.qid().path);
    assert_eq!(
        (content(&old), content(&new)),
        (b"old".to_vec(), b"new".to_vec())
    );
}

fn a_replaced_file_lives_on(site: &Site) {
    let root = site.root();
    let (old, new) = (put(root, b"f", b"old"), put(root, b"g", b"new"));
    let file = old.open(O::RDWR).unwrap();
    root.rename_at(b"g", root, b"f").unwrap();
    file.write_all_at(b"O", 0).unwrap();
    assert_eq!(content(&old), b"Old");
    assert_eq!(content(&new), b"new");
}

fn a_removed_directory_holds_nothing(site: &Site) {
    let root = site.root();
    let dir = mkdir(root, "d");
    let mut listing = dir.read_dir().unwrap();
    root.unlink_at(b"d", UnlinkFlags::REMOVEDIR).unwrap();
    fails(dir.mkdir(b"x", 0o755, 0), &[ENOENT]);
    fails(dir.symlink(b"x", b"x", 0), &[ENOENT]);
    fails(dir.walk(&["x"]), &[ENOENT]);
    assert!(listing.next_batch().unwrap().is_empty());
    assert_eq!(dir.attributes().unwrap().nlink, 0);
}

fn an_unlinked_file_has_extended_attributes(site: &Site) {
    let root = site.root();
    let fid = put(root, b"f", b"");
    fid.set_xattr(b"user.a", b"1", XattrFlags::empty()).unwrap();
    root.unlink_at(b"f", UnlinkFlags::empty()).unwrap();
    assert_eq!(fid.xattr(b"user.a").unwrap(), b"1");
    fid.set_xattr(b"user.b", b"2", XattrFlags::empty()).unwrap();
    assert_eq!(fid.xattrs().unwrap().len(), 2);
    fid.remove_xattr(b"user.a").unwrap();
    assert_eq!(fid.xattrs().unwrap(), [b"user.b"]);
}

fn an_unlinked_file_is_locked(site: &Site) {
    use super::locks::{exclusive, granted};

    let root = site.root();
    let fid = put(root, b"f", b"");
    let there = site.second().walk(&["f"]).unwrap().open(O::RDWR).unwrap();
    let here = fid.open(O::RDWR).unwrap();
    root.unlink_at(b"f", UnlinkFlags::empty()).unwrap();
    assert!(granted(&here, &exclusive(0, 0)));
    assert!(!granted(&there, &exclusive(5, 1)));
    here.clunk().unwrap();
    assert!(granted(&there, &exclusive(5, 1)));
}
