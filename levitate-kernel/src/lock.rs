//! A lock that interrupt handlers may take too: [`Mutex`].

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, Ordering};

use lock_api::GuardNoSend;

use crate::arch::masking::{self, Masked};

/// A value that one holder at a time may use, with interrupts masked meanwhile.
pub(crate) type Mutex<T> = lock_api::Mutex<MaskingLock, T>;

/// Masks interrupts on this CPU while it is held, and spins while another CPU holds it.
///
/// INVARIANT: `before` is only used by the holder.
pub(crate) struct MaskingLock {
    is_held: AtomicBool,
    before: UnsafeCell<Masked>,
}

// SAFETY: `before` is the only part that is not atomic, and only the holder of the lock uses it.
unsafe impl Sync for MaskingLock {}

// SAFETY: `is_held` goes from false to true for one caller at a time, and back in `unlock` alone.
unsafe impl lock_api::RawMutex for MaskingLock {
    const INIT: Self = Self {
        is_held: AtomicBool::new(false),
        before: UnsafeCell::new(Masked::NOTHING),
    };

    // Interrupts are masked on the CPU that took the lock, so that CPU has to release it.
    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        while !self.try_lock() {
            spin_loop();
        }
    }

    fn try_lock(&self) -> bool {
        let before = masking::mask();
        // Acquire: partner is the Release in `unlock`, so that this holder sees what the last one wrote.
        if self
            .is_held
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            masking::restore(before);
            return false;
        }
        // SAFETY: the lock is held by this caller, and only the holder uses `before`.
        unsafe { *self.before.get() = before };
        true
    }

    unsafe fn unlock(&self) {
        // SAFETY: the caller holds the lock, and only the holder uses `before`.
        let before = unsafe { *self.before.get() };
        // Release: partner is the Acquire in `try_lock`.
        self.is_held.store(false, Ordering::Release);
        masking::restore(before);
    }
}
