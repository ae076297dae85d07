//! Locking that survives a failed test: [`lock`].

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, also if a test panicked while it held it: the first panic is the one to report.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
