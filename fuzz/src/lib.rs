//! Fuzz targets: functions that take bytes from an enemy and panic if something is wrong.
//!
//! A [`Target`] is run by `tests/replay.rs` on the kept corpus (`cargo test`, no special flags),
//! and by `libfuzzer/`, which looks for new inputs by coverage. Both change inputs by
//! [`mutate`], which knows the frames that most inputs are made of ([`frames`]).
#![forbid(unsafe_code)]

mod dialogue;
pub mod frames;
mod gate;
pub mod mutate;
mod replies;
mod targets;

pub use targets::{TARGETS, Target, target};
