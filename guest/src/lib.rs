//! Boots real, unmodified Linux kernels as 9P clients of a server and runs shell scripts on the
//! mount.
//!
//! ```no_run
//! use virtfs_guest::{Cache, Guest, Item, Mount, Server};
//!
//! let item = Item::inline("hello", "echo hello >file; [ \"$(cat file)\" = hello ]")?;
//! let mount = Mount { cache: Cache::Loose, ..Mount::default() };
//! let output = Guest::uml(Server::from_env()?)?.run(&[item], &mount)?;
//! output.check();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The kernels are not part of the repository: `guest/run prepare` builds or fetches them into a
//! cache folder, and [`Guest::uml`], [`Guest::tcg`] and [`Guest::qemu`] look for them there. Each run has a PID,
//! mount and network namespace of its own in which the server and the guest live, so nothing
//! outlives it and several may run at once. That takes root.

#![forbid(unsafe_code)]

mod guest;
mod item;
mod machine;
mod model;
mod mount;
mod output;
mod prepared;
mod run_dir;
mod server;
mod transport;

pub use guest::Guest;
pub use item::Item;
pub use machine::{Bus, Root};
pub use model::Model;
pub use mount::{Access, Cache, Mount};
pub use output::{ItemResult, Output};
pub use server::Server;
pub use transport::Transport;
