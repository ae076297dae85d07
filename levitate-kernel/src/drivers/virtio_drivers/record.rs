//! What is known of a transport of `virtio-drivers`, also when it is gone: [`Record`].

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use levitate_virtio::Features;
use levitate_virtio::queue::layout::AVAILABLE_IDX;
use virtio_drivers::PhysAddr;

use super::transport::QUEUE;
use crate::drivers::QueueCounts;

/// What is known of a transport.
///
/// INVARIANT: `available_ring` is null, or what the caller of `watch` says.
#[derive(Debug, Default)]
pub(crate) struct Record {
    notifications: AtomicU64,
    /// Requests that were made available when somebody last looked.
    requests: AtomicU64,
    available_ring: AtomicPtr<u8>,
}

// Relaxed, everywhere: these are numbers of the only CPU, with which nothing else is published.
impl Record {
    /// Returns how often the device was notified.
    pub(crate) fn notifications(&self) -> u64 {
        self.notifications.load(Ordering::Relaxed)
    }

    /// Returns what was counted of the queue that is used.
    pub(super) fn counts(&self) -> QueueCounts {
        self.count_requests();
        QueueCounts {
            queue: QUEUE,
            requests: self.requests.load(Ordering::Relaxed),
            notifications: self.notifications(),
            // It does not say.
            features: Features::empty(),
            // Nobody sleeps.
            idle_polls: None,
        }
    }

    /// Has the requests counted that are made available in the ring at `available_ring` (§2.7.6).
    ///
    /// # Safety
    ///
    /// The CPU can read the ring until [`end`](Self::end), and it has the address that the device has.
    pub(super) unsafe fn watch(&self, available_ring: PhysAddr) {
        let ring = ptr::with_exposed_provenance_mut(available_ring as usize);
        self.available_ring.store(ring, Ordering::Relaxed);
    }

    /// Counts a notification of the device.
    pub(super) fn count_notification(&self) {
        self.notifications.fetch_add(1, Ordering::Relaxed);
        self.count_requests();
    }

    /// Ends with the driver, after which nobody reads the ring.
    pub(super) fn end(&self) {
        self.count_requests();
        self.available_ring
            .store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// Brings the requests up to date: the index of the ring is their number, as far as it has room for that.
    fn count_requests(&self) {
        let ring = self.available_ring.load(Ordering::Relaxed);
        if ring.is_null() {
            return;
        }
        // SAFETY: it is inside the ring, by the invariant.
        let index = unsafe { ring.add(AVAILABLE_IDX) }.cast::<u16>();
        // SAFETY: it can be read, by the invariant, and is aligned, as the ring is. Volatile: the driver writes it as memory of a device.
        let index = u16::from_le(unsafe { index.read_volatile() });
        let before = self.requests.load(Ordering::Relaxed);
        let new = index.wrapping_sub(before as u16);
        self.requests
            .store(before + u64::from(new), Ordering::Relaxed);
    }
}
