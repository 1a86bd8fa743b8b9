//! The operations, a file for each group.

pub(crate) mod create;
pub(crate) mod entry;
pub(crate) mod io;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod make;
pub(crate) mod open;
pub(crate) mod set;
pub(crate) mod stat;
pub(crate) mod walk;
pub(crate) mod xattr;
