//! The host's file system behind [`virtfs_vfs::FileSystem`].
//!
//! A client's file is a *node*: an inode and the entry by which it was reached. The inode is an
//! `O_PATH` descriptor that all who reached the file share, the entry is a parent node and a name.
//! Calls act on descriptors; no path is ever joined, no symbolic link followed, and nothing but
//! regular files and directories is opened.
//!
//! - [`LocalFs`] is the door; `ops` has one file for each group of operations.
//! - `tree` knows which nodes exist, `budget` and `restore` take descriptors away and bring them
//!   back, `contain` keeps changes inside the export.
//! - `access` says whose rights a thread has; each operation begins there.
//! - `ownership` has the security models, `sys` the calls that need `unsafe`.
#![deny(unsafe_code)]

mod access;
mod below;
mod bounce;
mod budget;
mod call;
pub mod check;
mod chmod;
mod contain;
mod direct;
mod directory;
mod entryname;
mod hostfs;
mod ids;
mod inode;
mod localfs;
mod node;
mod opened;
mod ops;
mod options;
mod ownership;
mod proc;
mod qid;
mod restore;
mod search;
mod sync;
mod sys;
mod thread;
mod trace;
mod tree;
mod weaktable;
mod xattrs;

pub use access::{CannotActAs, can_act_as};
pub use ids::{IdMap, IdMapError, IdRange, OVERFLOW_ID, Owner, Squash};
pub use localfs::LocalFs;
pub use options::{
    Containment, FileHandles, Multidevs, Options, ParseModelError, SecurityModel, Writeout, Xattrs,
};
pub use proc::{proc_in_use, use_proc};
