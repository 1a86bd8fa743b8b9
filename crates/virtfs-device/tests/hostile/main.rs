//! A driver that breaks the rules harms itself alone: the ring stops and its session ends, nothing
//! but the buffers of its own requests is written, nothing panics, and after a reset the device
//! serves as before.
#![forbid(unsafe_code)]

mod chains;
mod ending;
mod frames;
mod memory;
mod racing;
mod rings;
mod site;
