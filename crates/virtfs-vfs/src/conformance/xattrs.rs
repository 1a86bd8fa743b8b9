//! Extended attributes.

use super::ops::fails;
use super::{Fixture, Has};
use crate::{Errno, Node, XattrPut};

fn get(t: &Fixture, node: &Node, name: &[u8]) -> Result<Vec<u8>, Errno> {
    t.fs().xattr(&t.cx(), node, None, name, 65536)
}

fn put(t: &Fixture, node: &Node, name: &[u8], value: &[u8], how: XattrPut) -> Result<(), Errno> {
    t.fs().xattr_put(&t.cx(), node, None, name, value, how)
}

fn remove(t: &Fixture, node: &Node, name: &[u8]) -> Result<(), Errno> {
    t.fs().xattr_remove(&t.cx(), node, None, name)
}

/// The names of the `user.` namespace, sorted.
fn list(t: &Fixture, node: &Node) -> Vec<Vec<u8>> {
    let names = t.fs().xattr_list(&t.cx(), node, None, 65536).unwrap();
    assert!(names.is_empty() || names.ends_with(b"\0"));
    let mut names: Vec<_> = names
        .split(|&b| b == 0)
        .filter(|name| name.starts_with(b"user."))
        .map(<[u8]>::to_vec)
        .collect();
    names.sort();
    names
}

pub(super) fn an_attribute_is_put_got_listed_and_removed(t: &Fixture) {
    if !t.has(Has::XATTRS) {
        return;
    }
    let file = t.file(t.root(), "f", b"");
    let dir = t.dir(t.root(), "d");
    for node in [&file, &dir] {
        assert!(list(t, node).is_empty());
        put(t, node, b"user.a", b"1", XattrPut::Any).unwrap();
        put(t, node, b"user.b.c", b"22", XattrPut::Any).unwrap();
        assert_eq!(get(t, node, b"user.a").unwrap(), b"1");
        assert_eq!(list(t, node), [&b"user.a"[..], b"user.b.c"]);
        put(t, node, b"user.a", b"another", XattrPut::Any).unwrap();
        assert_eq!(get(t, node, b"user.a").unwrap(), b"another");
        remove(t, node, b"user.a").unwrap();
        fails(get(t, node, b"user.a"), &[Errno::ENODATA]);
        assert_eq!(list(t, node), [b"user.b.c"]);
    }
}

pub(super) fn a_value_is_any_bytes_or_none(t: &Fixture) {
    if !t.has(Has::XATTRS) {
        return;
    }
    let node = t.file(t.root(), "f", b"");
    let long = vec![0xa5; 2000];
    for value in [&b""[..], b"\0\xff\n", &long] {
        put(t, &node, b"user.a", value, XattrPut::Any).unwrap();
        assert_eq!(get(t, &node, b"user.a").unwrap(), value);
    }
}

pub(super) fn create_refuses_what_is_there(t: &Fixture) {
    if !t.has(Has::XATTRS) {
        return;
    }
    let node = t.file(t.root(), "f", b"");
    put(t, &node, b"user.a", b"1", XattrPut::Create).unwrap();
    let again = put(t, &node, b"user.a", b"2", XattrPut::Create);
    fails(again, &[Errno::EEXIST]);
    assert_eq!(get(t, &node, b"user.a").unwrap(), b"1");
}

pub(super) fn replace_refuses_what_is_not_there(t: &Fixture) {
    if !t.has(Has::XATTRS) {
        return;
    }
    let node = t.file(t.root(), "f", b"");
    let missing = put(t, &node, b"user.a", b"1", XattrPut::Replace);
    fails(missing, &[Errno::ENODATA]);
    assert!(list(t, &node).is_empty());
    put(t, &node, b"user.a", b"1", XattrPut::Any).unwrap();
    put(t, &node, b"user.a", b"2", XattrPut::Replace).unwrap();
    assert_eq!(get(t, &node, b"user.a").unwrap(), b"2");
}

pub(super) fn a_missing_attribute_is_no_data(t: &Fixture) {
    if !t.has(Has::XATTRS) {
        return;
    }
    let node = t.file(t.root(), "f", b"");
    fails(get(t, &node, b"user.a"), &[Errno::ENODATA]);
    fails(remove(t, &node, b"user.a"), &[Errno::ENODATA]);
}

pub(super) fn what_is_beyond_the_limit_is_too_big(t: &Fixture) {
    if !t.has(Has::XATTRS) {
        return;
    }
    let node = t.file(t.root(), "f", b"");
    put(t, &node, b"user.a", b"0123456789", XattrPut::Any).unwrap();
    let (fs, cx) = (t.fs(), t.cx());
    fails(fs.xattr(&cx, &node, None, b"user.a", 9), &[Errno::E2BIG]);
    assert_eq!(fs.xattr(&cx, &node, None, b"user.a", 10).unwrap().len(), 10);
    fails(fs.xattr_list(&cx, &node, None, 3), &[Errno::E2BIG]);
    put(t, &node, b"user.empty", b"", XattrPut::Any).unwrap();
    assert!(
        fs.xattr(&cx, &node, None, b"user.empty", 0)
            .unwrap()
            .is_empty()
    );
}

pub(super) fn namespaces_that_do_not_exist_are_refused(t: &Fixture) {
    if !t.has(Has::XATTRS) {
        return;
    }
    let node = t.file(t.root(), "f", b"");
    for name in [&b"bogus.a"[..], b"a", b"system.bogus"] {
        fails(get(t, &node, name), &[Errno::EOPNOTSUPP]);
        fails(
            put(t, &node, name, b"1", XattrPut::Any),
            &[Errno::EOPNOTSUPP],
        );
        fails(remove(t, &node, name), &[Errno::EOPNOTSUPP]);
    }
}

pub(super) fn attributes_belong_to_the_file_and_not_to_a_name(t: &Fixture) {
    if !t.has(Has::XATTRS) {
        return;
    }
    let node = t.file(t.root(), "f", b"");
    put(t, &node, b"user.a", b"1", XattrPut::Any).unwrap();
    t.link(&node, t.root(), "g").unwrap();
    assert_eq!(get(t, &t.at("g"), b"user.a").unwrap(), b"1");
    t.rename((t.root(), "f"), (t.root(), "h")).unwrap();
    assert_eq!(get(t, &t.at("h"), b"user.a").unwrap(), b"1");
    let (other, open) = t.open_file(t.root(), "f", b"");
    assert!(list(t, &other).is_empty());
    let by_open = t.fs().xattr(&t.cx(), &other, Some(&open), b"user.a", 9);
    fails(by_open, &[Errno::ENODATA]);
}

pub(super) fn an_acl_is_kept(t: &Fixture) {
    if !t.has(Has::ACLS) {
        return;
    }
    // Version 2; owner rw, user 1000 r, group r, mask r, others none: (tag, permissions, id).
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 6, u32::MAX),
        (0x02, 4, 1000),
        (0x04, 4, u32::MAX),
        (0x10, 4, u32::MAX),
        (0x20, 0, u32::MAX),
    ];
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        acl.extend(tag.to_le_bytes());
        acl.extend(permissions.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    let (file, dir) = (t.file(t.root(), "f", b""), t.dir(t.root(), "d"));
    let (access, default) = (
        &b"system.posix_acl_access"[..],
        &b"system.posix_acl_default"[..],
    );
    for (node, name) in [(&file, access), (&dir, access), (&dir, default)] {
        fails(get(t, node, name), &[Errno::ENODATA]);
        put(t, node, name, &acl, XattrPut::Any).unwrap();
        assert_eq!(get(t, node, name).unwrap(), acl);
        remove(t, node, name).unwrap();
        fails(get(t, node, name), &[Errno::ENODATA]);
    }
}
