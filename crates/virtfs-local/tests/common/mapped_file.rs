//! What the tests of `mapped-file` have in common.

use std::fs;
use std::path::PathBuf;

use virtfs_local::{Options, SecurityModel};
use virtfs_vfs::{Errno, FileSystem, Node, Place, Removal, SetAttr};

use super::{Export, RDWR, cx, name, user};

pub fn options() -> Options {
    Options {
        model: SecurityModel::MappedFile,
        ..Options::default()
    }
}

pub fn export() -> Export {
    let export = Export::with(options());
    export.fs.prepare_thread();
    export
}

/// The metadata of a file, by its path.
pub fn metadata(export: &Export, path: &str) -> Option<String> {
    fs::read_to_string(metadata_path(export, path)).ok()
}

pub fn metadata_path(export: &Export, path: &str) -> PathBuf {
    match path.rsplit_once('/') {
        Some((dir, name)) => export.host(dir).join(".virtfs_metadata").join(name),
        None => export.host(".virtfs_metadata").join(path),
    }
}

/// Makes a file of a user's, with the mode 0640.
pub fn create(export: &Export, dir: &Node, file: &str, owner: u32) -> Node {
    let made = export
        .fs
        .create(&user(owner), dir, name(file), RDWR, 0o640, owner);
    made.unwrap_or_else(|e| panic!("{file}: {e:?}")).0
}

pub fn rmdir(export: &Export, dir: &Node, file: &str) -> Result<(), Errno> {
    let place = Place::Entry(dir, name(file));
    export.fs.remove(&cx(), place, Removal::Directory)
}

pub fn chown(uid: u32) -> SetAttr {
    SetAttr {
        uid: Some(uid),
        ..SetAttr::default()
    }
}

pub fn chmod(mode: u32) -> SetAttr {
    SetAttr {
        mode: Some(mode),
        ..SetAttr::default()
    }
}

pub const USER_7: &str = "virtfs.uid=7\nvirtfs.gid=7\nvirtfs.mode=33184\n";
