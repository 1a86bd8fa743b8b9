//! Copying trees between the local file system and a server, either way.
//!
//! [`tree`] says what a side must be able to do; [`local_source`], [`remote_source`],
//! [`local_target`] and [`remote_target`] do it. [`copier`] copies from any source to any target
//! by the threads of a pool, [`content`] the bytes of a file.

mod content;
mod copier;
mod identity;
mod links;
mod local_source;
mod local_target;
mod progress;
mod remote_source;
mod remote_target;
mod run;
mod scan;
mod tree;
mod xattrs;
mod zeros;

pub(super) use self::copier::Start;
pub(super) use self::local_source::LocalSource;
pub(super) use self::local_target::LocalTarget;
pub(super) use self::remote_source::{RemoteSource, meta as remote_meta};
pub(super) use self::remote_target::RemoteTarget;
pub(super) use self::run::{Job, base_name, names};

/// How deep a tree may be: what a path that Linux takes can name. A server may have no end.
pub(super) const MAX_DEPTH: usize = 2048;
