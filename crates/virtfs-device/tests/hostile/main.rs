//! A driver that breaks the rules harms itself alone: the ring stops and its session ends, nothing
//! but the buffers of its own requests is written, nothing panics, and after a reset the device
//! serves as before.
#![forbid(unsafe_code)]

mod answer;
mod chains;
mod ending;
mod flush;
mod frames;
mod hand;
mod memory;
mod racing;
mod rings;
mod site;
