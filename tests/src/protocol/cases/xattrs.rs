//! Extended attributes.

use virtfs_client::{Fid, UnlinkFlags, XattrFlags};

use super::errno::{E2BIG, EEXIST, EINVAL, ENODATA, EOPNOTSUPP, EPERM, ERANGE};
use super::{content, fails, mkdir, pattern, put};
use crate::protocol::{Has, Site};

cases! {
    Has::XATTRS =>
        an_attribute_is_put_got_listed_and_removed
        a_value_is_any_bytes_or_none
        a_value_is_replaced_by_a_shorter_one
        create_refuses_what_is_there
        replace_refuses_what_is_not_there
        a_missing_attribute_is_no_data
        a_value_may_be_long
        namespaces_that_do_not_exist_are_refused
        names_have_255_bytes_at_most
        attributes_belong_to_the_file_and_not_to_a_name
        a_symlink_has_none
        attributes_are_seen_by_all_clients
        flags_that_do_not_exist_are_refused;
    Has::LARGE_XATTRS =>
        a_value_has_64_kib_at_most
        a_list_longer_than_a_message_arrives;
}

const PUT: XattrFlags = XattrFlags::empty();

fn list(fid: &Fid) -> Vec<Vec<u8>> {
    let mut names = fid.xattrs().unwrap();
    names.sort();
    names
}

fn an_attribute_is_put_got_listed_and_removed(site: &Site) {
    for fid in [put(site.root(), b"f", b"x"), mkdir(site.root(), "d")] {
        assert!(list(&fid).is_empty());
        fid.set_xattr(b"user.a", b"1", PUT).unwrap();
        fid.set_xattr(b"user.b.c", b"22", PUT).unwrap();
        assert_eq!(fid.xattr(b"user.a").unwrap(), b"1");
        assert_eq!(fid.xattr_size(b"user.b.c").unwrap(), 2);
        assert_eq!(list(&fid), [&b"user.a"[..], b"user.b.c"]);
        fid.set_xattr(b"user.a", b"another", PUT).unwrap();
        assert_eq!(fid.xattr(b"user.a").unwrap(), b"another");
        fid.remove_xattr(b"user.a").unwrap();
        fails(fid.xattr(b"user.a"), &[ENODATA]);
        assert_eq!(list(&fid), [b"user.b.c"]);
        // The fid that all of this was done with is still what it was.
        fid.attributes().unwrap();
    }
    assert_eq!(content(&site.root().walk(&["f"]).unwrap()), b"x");
}

fn a_value_is_any_bytes_or_none(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    let all: Vec<u8> = (0..=255).collect();
    for value in [&b""[..], b"\0", b"\0\xff\n", &all] {
        fid.set_xattr(b"user.a", value, PUT).unwrap();
        assert_eq!(fid.xattr(b"user.a").unwrap(), value);
        assert_eq!(fid.xattr_size(b"user.a").unwrap(), value.len() as u64);
        assert_eq!(list(&fid), [b"user.a"]);
    }
    fid.set_xattr(b"user.empty", b"", XattrFlags::CREATE)
        .unwrap();
    assert_eq!(fid.xattr(b"user.empty").unwrap(), b"");
}

fn a_value_is_replaced_by_a_shorter_one(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    for value in [&b"long value"[..], b"short", b"longer again"] {
        fid.set_xattr(b"user.a", value, PUT).unwrap();
        assert_eq!(fid.xattr(b"user.a").unwrap(), value);
    }
}

fn create_refuses_what_is_there(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    fid.set_xattr(b"user.a", b"1", XattrFlags::CREATE).unwrap();
    let again = fid.set_xattr(b"user.a", b"2", XattrFlags::CREATE);
    fails(again, &[EEXIST]);
    assert_eq!(fid.xattr(b"user.a").unwrap(), b"1");
}

fn replace_refuses_what_is_not_there(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    let missing = fid.set_xattr(b"user.a", b"1", XattrFlags::REPLACE);
    fails(missing, &[ENODATA]);
    assert!(list(&fid).is_empty());
    fid.set_xattr(b"user.a", b"1", PUT).unwrap();
    fid.set_xattr(b"user.a", b"2", XattrFlags::REPLACE).unwrap();
    assert_eq!(fid.xattr(b"user.a").unwrap(), b"2");
}

fn a_missing_attribute_is_no_data(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    fails(fid.xattr(b"user.a"), &[ENODATA]);
    fails(fid.xattr_size(b"user.a"), &[ENODATA]);
    fails(fid.remove_xattr(b"user.a"), &[ENODATA]);
    fid.set_xattr(b"user.a", b"1", PUT).unwrap();
    fid.remove_xattr(b"user.a").unwrap();
    fails(fid.remove_xattr(b"user.a"), &[ENODATA]);
}

fn a_value_may_be_long(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    let value = pattern(3000);
    fid.set_xattr(b"user.long", &value, PUT).unwrap();
    assert!(fid.xattr(b"user.long").unwrap() == value);
}

fn namespaces_that_do_not_exist_are_refused(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    for name in [&b"bogus.a"[..], b"a", b"system.bogus", b"trusted.a"] {
        fails(fid.xattr(name), &[EOPNOTSUPP]);
        fails(fid.set_xattr(name, b"1", PUT), &[EOPNOTSUPP]);
        fails(fid.remove_xattr(name), &[EOPNOTSUPP]);
    }
    assert!(list(&fid).is_empty());
}

fn names_have_255_bytes_at_most(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    let name = |length: usize| [b"user.", &vec![b'x'; length - 5][..]].concat();
    fid.set_xattr(&name(255), b"1", PUT).unwrap();
    assert_eq!(fid.xattr(&name(255)).unwrap(), b"1");
    assert_eq!(list(&fid), [name(255)]);
    fails(fid.set_xattr(&name(256), b"1", PUT), &[ERANGE]);
    fails(fid.xattr(&name(256)), &[ERANGE]);
    fails(fid.set_xattr(b"", b"1", PUT), &[EINVAL]);
    fails(fid.set_xattr(b"user.a\0b", b"1", PUT), &[EINVAL]);
}

fn attributes_belong_to_the_file_and_not_to_a_name(site: &Site) {
    let root = site.root();
    let fid = put(root, b"f", b"");
    fid.set_xattr(b"user.a", b"1", PUT).unwrap();
    root.link(b"g", &fid).unwrap();
    root.rename_at(b"f", root, b"h").unwrap();
    for name in ["g", "h"] {
        let link = root.walk(&[name]).unwrap();
        assert_eq!(link.xattr(b"user.a").unwrap(), b"1");
    }
    root.unlink_at(b"h", UnlinkFlags::empty()).unwrap();
    assert!(list(&put(root, b"h", b"")).is_empty());
}

fn a_symlink_has_none(site: &Site) {
    let root = site.root();
    let fid = put(root, b"f", b"");
    root.symlink(b"l", b"f", 0).unwrap();
    let link = root.walk(&["l"]).unwrap();
    fails(link.set_xattr(b"user.a", b"1", PUT), &[EPERM, EOPNOTSUPP]);
    assert!(list(&fid).is_empty());
}

fn attributes_are_seen_by_all_clients(site: &Site) {
    let here = put(site.root(), b"f", b"");
    let there = site.second().walk(&["f"]).unwrap();
    here.set_xattr(b"user.a", b"1", PUT).unwrap();
    assert_eq!(there.xattr(b"user.a").unwrap(), b"1");
    there.remove_xattr(b"user.a").unwrap();
    fails(here.xattr(b"user.a"), &[ENODATA]);
}

fn flags_that_do_not_exist_are_refused(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    for bits in [3, 4, u32::MAX] {
        let flags = XattrFlags::from_bits_retain(bits);
        fails(fid.set_xattr(b"user.a", b"1", flags), &[EINVAL]);
    }
    assert!(list(&fid).is_empty());
}

fn a_value_has_64_kib_at_most(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    let value = pattern(65_536);
    fid.set_xattr(b"user.a", &value, PUT).unwrap();
    assert!(fid.xattr(b"user.a").unwrap() == value);
    let longer = pattern(65_537);
    fails(fid.set_xattr(b"user.a", &longer, PUT), &[E2BIG]);
    assert!(fid.xattr(b"user.a").unwrap() == value);
}

fn a_list_longer_than_a_message_arrives(site: &Site) {
    let root = site.with_msize(4096);
    let fid = put(&root, b"f", b"");
    let name = |number| format!("user.attribute{number:03}").into_bytes();
    for number in 0..250 {
        fid.set_xattr(&name(number), b"x", PUT).unwrap();
    }
    let expected: Vec<_> = (0..250).map(name).collect();
    assert_eq!(list(&fid), expected);
}
