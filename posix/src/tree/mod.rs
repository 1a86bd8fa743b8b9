//! Trees of files: what is in one, how two differ, and one made from a seed.

mod compare;
mod make;
mod odd_names;
mod snapshot;

pub(crate) use compare::{Compared, same, same_as};
pub(crate) use make::make;
pub(crate) use snapshot::{Snapshot, take as snapshot};
