//! A file system made by code: a fixed tree of directories and of files whose reads and writes
//! are callbacks, for statistics, control files and tests.
//!
//! The tree does not change while it is served: nothing can be created, moved or removed. Times
//! and owners are 0, the version of every qid is 0 (a client must not cache), and the mode of
//! directories is `0555`.

mod counter;
mod file;
mod filesystem;
mod gate;
mod tree;

pub use counter::Counter;
pub use file::File;
pub use gate::{Gate, Wait};
pub use tree::Synth;
