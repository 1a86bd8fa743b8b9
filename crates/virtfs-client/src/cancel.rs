//! Giving up waits from another thread.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::connection::Parker;

/// Gives up the waits of a thread from another thread. Clones are the same.
///
/// It stays cancelled: there is no way back.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    cancelled: AtomicBool,
    /// The threads inside a scope.
    threads: Mutex<Vec<Arc<Parker>>>,
}

thread_local! {
    /// The scopes that the thread is in.
    static SCOPES: RefCell<Vec<Arc<Inner>>> = const { RefCell::new(Vec::new()) };
}

impl Cancel {
    /// Not cancelled yet.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// Ends the waits inside [`Cancel::scope`], now and later.
    pub fn cancel(&self) {
        self.inner.cancelled.store(true, Ordering::SeqCst);
        self.inner.threads().iter().for_each(|thread| thread.wake());
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancelled.load(Ordering::SeqCst)
    }

    /// Runs `f`. Every wait for the server that this thread makes inside it ends with
    /// [`Error::Interrupted`](crate::Error::Interrupted) soon after [`Cancel::cancel`], within
    /// a second even if the server says nothing.
    ///
    /// Its request is flushed (`Tflush`); a reply that comes before the server's `Rflush` counts.
    /// Scopes may be nested; each ends the waits inside it.
    pub fn scope<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = Entered::new(&self.inner);
        f()
    }
}

/// Whether the calling thread is to give up its waits.
pub(crate) fn cancelled() -> bool {
    let is_cancelled = |inner: &Arc<Inner>| inner.cancelled.load(Ordering::SeqCst);
    SCOPES
        .try_with(|scopes| scopes.borrow().iter().any(is_cancelled))
        .unwrap_or(false)
}

impl Inner {
    fn threads(&self) -> MutexGuard<'_, Vec<Arc<Parker>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That a thread is inside a scope.
struct Entered<'a> {
    inner: &'a Inner,
    thread: Arc<Parker>,
}

impl<'a> Entered<'a> {
    fn new(inner: &'a Arc<Inner>) -> Self {
        let thread = Parker::current();
        inner.threads().push(thread.clone());
        let _ = SCOPES.try_with(|scopes| scopes.borrow_mut().push(inner.clone()));
        Self { inner, thread }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let _ = SCOPES.try_with(|scopes| scopes.borrow_mut().pop());
        let mut threads = self.inner.threads();
        let at = threads
            .iter()
            .rposition(|thread| Arc::ptr_eq(thread, &self.thread));
        if let Some(at) = at {
            threads.swap_remove(at);
        }
    }
}
