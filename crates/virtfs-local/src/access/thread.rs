//! Which rights the calling thread has, and how it gets others.

use std::cell::{Cell, RefCell};
use std::io::{Write, stderr};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::Gid;
use rustix::io;
use rustix::thread::{CapabilitySets, set_capabilities, set_thread_groups};
use virtfs_vfs::{Credentials, Errno};

use super::own::{self, Own};
use crate::sys::fsid;

/// Whose rights a thread has.
#[derive(Clone, Debug)]
pub(super) enum Now {
    /// Those of the thread that started it: the server's, as long as no thread was anybody else.
    Inherited,
    /// The server's.
    Server,
    /// A user's.
    User(Arc<Credentials>),
}

thread_local! {
    static NOW: RefCell<Now> = const { RefCell::new(Now::Inherited) };
    /// How many scopes of other rights than the request's the thread is in.
    static SCOPES: Cell<u32> = const { Cell::new(0) };
}

/// Whether any thread of the process ever got other rights than the server's.
static SWITCHED: AtomicBool = AtomicBool::new(false);

pub(super) fn was_switched() -> bool {
    SWITCHED.load(Ordering::Relaxed)
}

#[cfg(debug_assertions)]
pub(super) fn now() -> Now {
    NOW.with_borrow(Clone::clone)
}

#[cfg(debug_assertions)]
pub(super) fn is_in_scope() -> bool {
    SCOPES.get() > 0
}

/// Whether the thread has a user's rights.
pub(super) fn is_user() -> bool {
    NOW.with_borrow(|now| matches!(now, Now::User(_)))
}

/// Whether the thread has the server's capabilities: as the server, or as root.
pub(crate) fn has_own_capabilities() -> bool {
    NOW.with_borrow(|now| match now {
        Now::User(user) => user.uid == 0,
        Now::Inherited | Now::Server => true,
    })
}

/// Gives a thread that was started by one with other rights the server's.
pub(crate) fn settle() {
    if NOW.with_borrow(|now| matches!(now, Now::Inherited)) {
        become_server();
    }
}

/// Gives the thread the server's rights, if it has not got them, or ends the process.
pub(super) fn become_server() {
    let needs = NOW.with_borrow(|now| match now {
        Now::Server => false,
        Now::Inherited => was_switched(),
        Now::User(_) => true,
    });
    if needs {
        return_to_server();
    }
}

/// Gives the thread the rights of a user, if it has not got them. If that fails it has the server's.
pub(super) fn become_user(user: &Arc<Credentials>) -> Result<(), Errno> {
    let has = NOW.with_borrow(|now| match now {
        Now::User(now) => Arc::ptr_eq(now, user) || now == user,
        Now::Inherited | Now::Server => false,
    });
    if has {
        return Ok(());
    }
    if !crate::thread::is_prepared() {
        become_server();
        crate::thread::prepared()?;
    }
    let own = own::get().filter(|own| own.can_switch());
    let own = own.ok_or(Errno::EACCES)?;
    SWITCHED.store(true, Ordering::SeqCst);
    match switch(&own, user, own.capabilities_of(user)) {
        Ok(()) => {
            NOW.set(Now::User(user.clone()));
            return Ok(());
        }
        Err(Failed::Unchanged(_)) if !is_user() => {
            let back = set_capabilities(None, own.capabilities());
            back.unwrap_or_else(|error| end(error));
            NOW.set(Now::Server);
        }
        Err(_) => return_to_server(),
    }
    Err(Errno::EACCES)
}

fn return_to_server() {
    // Nobody could become a user without it.
    let own = own::get().unwrap_or_else(|| end(io::Errno::INVAL));
    if let Err(Failed::Unchanged(error) | Failed::Midway(error)) =
        switch(&own, &own.user, own.capabilities())
    {
        end(error);
    }
    NOW.set(Now::Server);
}

/// Becomes a user and goes back, whatever is in force.
pub(super) fn attempt(own: &Own, user: &Credentials) -> io::Result<()> {
    let tried = switch(own, user, own.capabilities_of(user));
    let back = match tried {
        Err(Failed::Unchanged(_)) => set_capabilities(None, own.capabilities()),
        _ => switch(own, &own.user, own.capabilities()).map_err(Failed::into_errno),
    };
    back.unwrap_or_else(|error| end(error));
    tried.map_err(Failed::into_errno)
}

/// How far a switch got.
#[derive(Clone, Copy, Debug)]
enum Failed {
    /// Nothing but capabilities has changed.
    Unchanged(io::Errno),
    /// The thread is neither what it was nor what it was to be.
    Midway(io::Errno),
}

impl Failed {
    fn into_errno(self) -> io::Errno {
        match self {
            Self::Unchanged(error) | Self::Midway(error) => error,
        }
    }
}

/// Sets all that the kernel looks at. The capabilities come last: the kernel changes them itself when
/// the user becomes root or root another.
fn switch(own: &Own, user: &Credentials, capabilities: CapabilitySets) -> Result<(), Failed> {
    set_capabilities(None, own.to_switch()).map_err(Failed::Unchanged)?;
    let groups: Vec<_> = user.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    set_thread_groups(&groups).map_err(Failed::Unchanged)?;
    let rest = || {
        fsid::set_gid(user.gid)?;
        fsid::set_uid(user.uid)?;
        set_capabilities(None, capabilities)
    };
    rest().map_err(Failed::Midway)
}

/// Other rights than the request's, for as long as it lives.
pub(super) struct Scope {
    /// Whose the thread goes back to; the server's if `None`.
    back: Option<Arc<Credentials>>,
    /// Rights belong to a thread.
    _of_thread: PhantomData<*const ()>,
}

impl Scope {
    pub(super) fn of_server() -> Self {
        let scope = Self::enter();
        become_server();
        scope
    }

    pub(super) fn of(user: &Arc<Credentials>) -> Result<Self, Errno> {
        let scope = Self::enter();
        become_user(user)?;
        Ok(scope)
    }

    fn enter() -> Self {
        SCOPES.set(SCOPES.get() + 1);
        Self {
            back: NOW.with_borrow(|now| match now {
                Now::User(user) => Some(user.clone()),
                Now::Inherited | Now::Server => None,
            }),
            _of_thread: PhantomData,
        }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        SCOPES.set(SCOPES.get() - 1);
        let Some(user) = &self.back else {
            return become_server();
        };
        // It was possible before; what comes next must not run with other rights.
        if become_user(user).is_err() {
            end(io::Errno::PERM);
        }
    }
}

/// Ends the process, whose thread has nobody's rights.
pub(super) fn end(error: io::Errno) -> ! {
    let _ = writeln!(
        stderr(),
        "virtfs: a thread cannot get back the rights that it had: {error}; ending"
    );
    std::process::abort()
}
