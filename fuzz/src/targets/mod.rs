//! One file for each kind of enemy.

mod client;
mod deeds;
mod local;
mod messages;
mod metadata;
mod program;
mod samples;
mod session;
mod texts;
mod vhost_user;
mod virtqueue;

use virtfs_tests::Rng;

/// A fuzz target.
#[derive(Clone, Copy)]
pub struct Target {
    /// What it is called by, and the folder of its corpus.
    pub name: &'static str,
    /// Panics if an input shows a fault.
    pub run: fn(&[u8]),
    /// Changes an input, to this many bytes at most.
    pub mutate: fn(&mut Vec<u8>, &mut Rng, usize),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    messages::TARGET,
    session::TARGET,
    local::TARGET,
    metadata::TARGET,
    virtqueue::TARGET,
    vhost_user::TARGET,
    client::TARGET,
    texts::TARGET,
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
