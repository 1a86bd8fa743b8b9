//! What clients send to a server of a file system in memory: cutting, decoding, lowering, dispatch,
//! fids, locks, attributes and flush. The first byte of an input says what the server is like.

use std::sync::Arc;

use virtfs_server::{Export, Limits, Server};
use virtfs_tests::Rng;
use virtfs_vfs::memory::MemoryFs;

use super::Target;
use super::samples::DIALOGUE;
use crate::gate::Gate;
use crate::{dialogue, mutate};

pub(super) const TARGET: Target = Target {
    name: "session",
    run,
    mutate,
};

fn run(input: &[u8]) {
    let Some((like, said)) = input.split_first() else {
        return;
    };
    let is = |bit: u32| like >> bit & 1 == 1;
    let mut limits = Limits::default();
    limits.msize = if is(0) { 8192 } else { 64 << 10 };
    if is(1) {
        (limits.fids, limits.open_files) = (4, 2);
    }
    if is(2) {
        (limits.requests, limits.request_bytes) = (2, 9000);
    }
    if is(3) {
        (limits.lock_records, limits.xattr_bytes) = (2, 64);
    }
    let gate = Arc::<Gate>::default();
    let fs = MemoryFs::with_limit(if is(4) { 64 << 10 } else { 4 << 20 });
    let fs = Arc::new(gate.before(fs));
    let mut builder = Server::builder()
        .limits(limits)
        .export(Export::new("root", fs.clone()).readonly(is(5)));
    if is(6) {
        builder = builder.export(Export::new("other", fs));
    }
    let server = builder.build().expect("a server starts");
    dialogue::run(&server, &gate, said, limits.msize);
}

fn mutate(input: &mut Vec<u8>, random: &mut Rng, limit: usize) {
    mutate::frames(input, 1, &DIALOGUE, random, limit);
}
