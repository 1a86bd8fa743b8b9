//! Locks whose holder cannot have left anything half done.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whatever became of former holders.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
