//! Whose rights a thread has in the kernel: the server's own, or those of the user whom a request
//! comes from ([`virtfs_vfs::Credentials`]).
//!
//! Every request goes through [`enter`] (`localfs.rs`, where no operation can be named without it).
//! A thread keeps the rights of its last request, so that one user's requests in a row cost nothing.
//! What needs the server's own rights on the way, since no user can be asked for them, says so by
//! [`as_server`] or [`or_as_server`]: to find what a user has already reached, never more.
//!
//! File-system user and group, supplementary groups and effective capabilities are set one by one, by
//! calls that change the calling thread alone. No user but root has a capability; root has the
//! server's. A thread that cannot get the server's rights back ends the process: nothing that it did
//! from then on could be right.

mod own;
mod thread;
#[cfg(debug_assertions)]
mod verify;

use std::sync::Arc;

use virtfs_vfs::{Credentials, Cx, Errno};

pub(crate) use own::remember;
pub use own::{CannotActAs, can_act_as};
pub(crate) use thread::{has_own_capabilities, settle};

/// Gives the calling thread the rights that a request has. `EACCES` if the kernel does not let the
/// server act as that user: then it has the server's, and nothing may be done for the user.
pub(crate) fn enter(cx: &Cx<'_>) -> Result<(), Errno> {
    match cx.credentials() {
        None => thread::become_server(),
        Some(user) => thread::become_user(user)?,
    }
    verify(cx);
    Ok(())
}

/// Runs `f` with the server's own rights. Not for what depends on names or numbers that a client
/// chose, unless the result is checked against what the user has reached before.
pub(crate) fn as_server<T>(f: impl FnOnce() -> T) -> T {
    let _scope = thread::Scope::of_server();
    f()
}

/// Runs `f` with the rights of a user, or the server's, whoever the request is from. `None` if the
/// kernel does not let the server act as that user any more.
pub(crate) fn acting_as<T>(user: Option<&Arc<Credentials>>, f: impl FnOnce() -> T) -> Option<T> {
    let _scope = match user {
        Some(user) => thread::Scope::of(user).ok()?,
        None => thread::Scope::of_server(),
    };
    Some(f())
}

/// Runs `f`, and with the server's own rights once more if the user lacks a right that only finding
/// the file again takes. For what gives a user no more than they had: see [`as_server`].
pub(crate) fn or_as_server<T>(mut f: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    let lacks = |error: &Errno| matches!(*error, Errno::EACCES | Errno::EPERM);
    match f() {
        // Without CAP_DAC_READ_SEARCH a handle leads nowhere.
        Err(error) if (lacks(&error) || error == Errno::ESTALE) && thread::is_user() => {
            as_server(f).map_err(|of_server| match lacks(&of_server) {
                true => error,
                false => of_server,
            })
        }
        result => result,
    }
}

/// In debug builds: ends the process if the kernel does not have the rights in force that a request
/// is to have.
#[cfg(debug_assertions)]
pub(crate) fn verify(cx: &Cx<'_>) {
    verify::verify(cx);
}

#[cfg(not(debug_assertions))]
pub(crate) fn verify(_cx: &Cx<'_>) {}
