//! `virtfs serve --access user` and `--peer-uid` as their users see them: the real program, the
//! host's own databases, as root, as another user and in a user namespace.
//!
//! The tests want root, and the programs setpriv, unshare (util-linux) and strace.

#[path = "../serve/devices/guest.rs"]
#[allow(dead_code, reason = "what the other tests need")]
mod guest;
#[path = "../serve/running.rs"]
#[allow(dead_code, reason = "what the other tests need")]
mod running;

mod cost;
mod databases;
mod peers;
mod privileges;
mod site;
mod users;
