//! What the kernel's requests mean, one file for each group of them.

pub(crate) mod attr;
mod create;
mod entry;
mod io;
mod list;
mod lock;
mod open;
mod xattr;
