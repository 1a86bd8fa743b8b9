//! Extended attributes.

mod common;

use std::fs;

use common::mounted;
use common::sys::{xattr_list_size, xattr_size};
use rustix::fs::{XattrFlags, getxattr, listxattr, removexattr, setxattr};
use rustix::io::Errno;

#[test]
fn values_are_set_read_listed_and_removed() {
    let (served, mount) = mounted("");
    let (here, there) = (mount.path("file"), served.host("file"));
    fs::write(&here, "").unwrap();
    let long = vec![b'v'; 3000];
    for (name, value) in [
        ("user.a", &b"1"[..]),
        ("user.empty", b""),
        ("user.long", &long),
    ] {
        setxattr(&here, name, value, XattrFlags::empty()).unwrap();
        for path in [&here, &there] {
            let mut seen = vec![0; 4096];
            let len = getxattr(path, name, &mut seen).unwrap();
            assert_eq!(&seen[..len], value);
            assert_eq!(xattr_size(path, name).unwrap(), value.len());
        }
    }
    let mut list = vec![0; 4096];
    let len = listxattr(&here, &mut list).unwrap();
    let list = String::from_utf8(list[..len].to_vec()).unwrap();
    let mut names: Vec<_> = list.split_terminator('\0').collect();
    names.sort_unstable();
    assert_eq!(names, ["user.a", "user.empty", "user.long"]);
    assert_eq!(xattr_list_size(&here).unwrap(), len);
    removexattr(&here, "user.a").unwrap();
    assert_eq!(
        getxattr(&there, "user.a", &mut [0_u8; 8]),
        Err(Errno::NODATA)
    );
}

#[test]
fn errors_are_those_of_a_local_file() {
    let (served, mount) = mounted("");
    let (here, there) = (mount.path("file"), served.host("file"));
    fs::write(&here, "").unwrap();
    let mut seen = Vec::new();
    for path in [&there, &here] {
        setxattr(path, "user.x", b"value", XattrFlags::empty()).unwrap();
        seen.push([
            setxattr(path, "user.x", b"v", XattrFlags::CREATE).err(),
            setxattr(path, "user.y", b"v", XattrFlags::REPLACE).err(),
            getxattr(path, "user.x", &mut [0_u8; 2]).err(),
            listxattr(path, &mut [0_u8; 2]).err(),
            getxattr(path, "user.none", &mut [0_u8; 2]).err(),
            removexattr(path, "user.none").err(),
            setxattr(path, "odd.name", b"v", XattrFlags::empty()).err(),
            setxattr(path, "user.x", &vec![0; 70_000], XattrFlags::empty()).err(),
        ]);
    }
    assert_eq!(seen[0], seen[1]);
    // None of them is taken for "there are no attributes here".
    assert_eq!(getxattr(&here, "user.x", &mut [0_u8; 8]), Ok(5));
}
