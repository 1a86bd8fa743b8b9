//! The vhost-user front, as VMMs and their guests see it.
#![cfg(feature = "vhost-user")]

mod ends;
mod memory;
mod refusals;
mod rings;
mod vmm;
