#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod fail;
mod fuse;
mod handler;
mod interrupts;
mod locks;
mod mount;
mod ops;
mod options;
mod sync;
mod tree;

pub use mount::{Mount, Mounted, Unmounter};
pub use options::{MountOptions, OptionError};
