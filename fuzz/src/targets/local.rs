//! What clients send to a server of a directory of the host. The first byte of an input says which
//! security model it has, and what else is special about it.

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use rustix::fs::{XattrFlags, lsetxattr};
use tempfile::TempDir;
use virtfs_local::{LocalFs, Options, Owner, SecurityModel, Squash, Xattrs};
use virtfs_server::{Export, Limits, Server};
use virtfs_tests::Rng;

use super::Target;
use super::samples::DIALOGUE;
use crate::gate::Gate;
use crate::{dialogue, mutate};

pub(super) const TARGET: Target = Target {
    name: "local",
    run,
    mutate,
};

const MSIZE: u32 = 64 << 10;

fn run(input: &[u8]) {
    let Some((like, said)) = input.split_first() else {
        return;
    };
    let dir = directory();
    let is = |bit: u32| like >> bit & 1 == 1;
    let root = rustix::process::geteuid().is_root();
    let model = match (is(0), is(1)) {
        (false, true) => SecurityModel::MappedFile,
        (true, false) => SecurityModel::MappedXattr,
        (true, true) if root => SecurityModel::Passthrough,
        _ => SecurityModel::None,
    };
    let mut options = Options {
        model,
        ..Options::default()
    };
    if is(2) {
        // So few that nodes and files lose their descriptors and get them back.
        (options.max_nodes_open, options.max_files_open) = (16, 16);
    }
    if is(3) {
        options.xattr = Xattrs::All;
    }
    if is(4) {
        let everybody = "0:0:1,1:1000:70000".parse();
        options.uid_map = everybody.expect("a map of users");
        options.squash = Squash::Root(Owner { uid: 1, gid: 1 });
    }
    let share = dir.path().join("share");
    fs::create_dir(&share).expect("a directory to serve");
    serve(&share, options, said);
    // Nothing was made beside it.
    let beside = fs::read_dir(dir.path()).expect("the directory is there");
    assert_eq!(beside.count(), 1, "something left the export");
}

/// A directory in memory, if there is one that keeps extended attributes (from Linux 6.6 on).
pub(super) fn directory() -> TempDir {
    static IN_MEMORY: LazyLock<bool> = LazyLock::new(|| {
        let dir = tempfile::tempdir_in("/dev/shm");
        dir.is_ok_and(|dir| lsetxattr(dir.path(), "user.a", b"", XattrFlags::empty()).is_ok())
    });
    let dir = match *IN_MEMORY {
        true => tempfile::tempdir_in("/dev/shm"),
        false => tempfile::tempdir(),
    };
    dir.expect("a directory")
}

/// Serves a directory to clients who say this.
pub(super) fn serve(share: &Path, options: Options, said: &[u8]) {
    // A model may be one that the host's file system cannot have.
    let Ok(fs) = LocalFs::open(share, options) else {
        return;
    };
    let mut limits = Limits::default();
    limits.msize = MSIZE;
    let gate = Arc::<Gate>::default();
    let server = Server::builder()
        .limits(limits)
        .export(Export::new("root", Arc::new(gate.before(fs))))
        .build();
    dialogue::run(&server.expect("a server starts"), &gate, said, MSIZE);
}

fn mutate(input: &mut Vec<u8>, random: &mut Rng, limit: usize) {
    mutate::frames(input, 1, &DIALOGUE, random, limit);
}
