//! What the tests of `mapped-xattr` have in common.

use rustix::fs::{XattrFlags, getxattr, listxattr, setxattr};
use virtfs_local::{Options, SecurityModel};
use virtfs_vfs::{Device, FileKind, FileSystem, Make, Node, SetAttr};

use super::{Export, name, user};

pub fn options() -> Options {
    Options {
        model: SecurityModel::MappedXattr,
        ..Options::default()
    }
}

pub fn host_get(export: &Export, file: &str, key: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 300];
    let length = getxattr(export.host(file), key, &mut value).ok()?;
    value.truncate(length);
    Some(value)
}

pub fn host_set(export: &Export, file: &str, key: &str, value: &[u8]) {
    setxattr(export.host(file), key, value, XattrFlags::empty()).unwrap();
}

pub fn host_names(export: &Export, file: &str) -> Vec<String> {
    let mut list = vec![0; 4096];
    let length = listxattr(export.host(file), &mut list).unwrap();
    let names = list[..length].split(|b| *b == 0);
    let mut names: Vec<_> = names
        .filter(|n| !n.is_empty())
        .map(|n| String::from_utf8(n.to_vec()).unwrap())
        .collect();
    names.sort();
    names
}

pub fn set_mode(export: &Export, node: &Node, mode: u32) {
    let changes = SetAttr {
        mode: Some(mode),
        ..SetAttr::default()
    };
    export.set(node, None, changes).unwrap();
}

pub fn set_size(size: u64) -> SetAttr {
    SetAttr {
        size: Some(size),
        ..SetAttr::default()
    }
}

pub fn make(export: &Export, file: &str, what: Make<'_>) -> Node {
    let made = export
        .fs
        .make(&user(1000), &export.root, name(file), what, 55);
    made.unwrap_or_else(|e| panic!("{file}: {e:?}"));
    export.walk(file)
}

pub fn special(kind: FileKind, device: Device) -> Make<'static> {
    Make::Node {
        kind,
        mode: 0o640,
        device,
    }
}

pub const MODE: &str = "user.virtfs.mode";
