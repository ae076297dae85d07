//! The available and the used ring of the split floors: [`SplitRing`] (§2.7.6, §2.7.8).

use std::sync::atomic::{Ordering, fence};

use super::QUEUE_SIZE;
use crate::contender::Served;
use crate::device::{Areas, SplitDevice};
use crate::memory::Table;
use crate::spec::{Descriptor, ENTRIES, INDEX, NO_NOTIFY, UsedElement};

const MASK: u16 = QUEUE_SIZE - 1;

/// A split virtqueue with its device; what is in the descriptors is the business of who has it.
#[derive(Debug)]
pub(super) struct SplitRing<const IS_IN_ORDER: bool> {
    pub(super) descriptors: Table<Descriptor>,
    available: Table<u16>,
    used: Table<u16>,
    used_ring: Table<UsedElement>,
    available_index: u16,
    used_index: u16,
    notifications: u64,
    device: SplitDevice<IS_IN_ORDER>,
}

impl<const IS_IN_ORDER: bool> SplitRing<IS_IN_ORDER> {
    pub(super) fn new() -> Self {
        let size = usize::from(QUEUE_SIZE);
        let (descriptors, available, used_ring) = (
            Table::new(size),
            Table::new(size + 3),
            Table::<UsedElement>::new(size + 1),
        );
        let used = used_ring.cast::<u16>();
        let areas = Areas {
            size: QUEUE_SIZE,
            descriptor: descriptors.address_of(0),
            driver: available.address_of(0),
            device: used.address_of(0),
        };
        // SAFETY: all that the floors make available is in tables.
        let device = unsafe { SplitDevice::new(areas, false) };
        Self {
            descriptors,
            available,
            used,
            used_ring: Table::at(used.address_of(ENTRIES)),
            available_index: 0,
            used_index: 0,
            notifications: 0,
            device,
        }
    }

    /// Puts the chain from `head` into the available ring.
    #[inline(always)]
    pub(super) fn push(&mut self, head: u16) {
        let entry = ENTRIES + usize::from(self.available_index & MASK);
        // SAFETY: the ring has an entry for each of the queue's, after flags and index.
        unsafe { self.available.write(entry, head) };
        self.skip();
    }

    /// Goes past an entry of the available ring, which stays what it is.
    #[inline(always)]
    pub(super) fn skip(&mut self) {
        self.available_index = self.available_index.wrapping_add(1);
    }

    /// Takes everything back that was pushed and not published.
    pub(super) fn rewind(&mut self) {
        self.available_index = 0;
    }

    /// Makes available what was pushed.
    #[inline(always)]
    pub(super) fn publish(&mut self) {
        // SAFETY: the ring begins with flags and index.
        let index = unsafe { self.available.atomic(INDEX) };
        // Release: the device must see the ring's entries before the index (§2.7.13.3.1).
        index.store(self.available_index, Ordering::Release);
    }

    /// Makes available what was pushed, and notifies the device if it wants to be.
    #[inline(always)]
    pub(super) fn notify(&mut self) {
        self.publish();
        // SeqCst: the device must see the index before its flags are read (§2.7.13.4.1).
        fence(Ordering::SeqCst);
        // SAFETY: the ring begins with flags and index.
        let flags = unsafe { self.used.atomic(0) }.load(Ordering::Relaxed);
        if flags & NO_NOTIFY == 0 {
            self.notifications = self.notifications.wrapping_add(1);
        }
    }

    pub(super) fn serve(&mut self) -> Served {
        self.device.serve()
    }

    /// Returns how many chains the device has used that were not popped.
    #[inline(always)]
    pub(super) fn used(&self) -> u16 {
        // SAFETY: the ring begins with flags and index.
        let index = unsafe { self.used.atomic(INDEX) };
        // Acquire: the entries must be read after the index (§2.7.14).
        index.load(Ordering::Acquire).wrapping_sub(self.used_index)
    }

    /// Takes the next chain out of the used ring.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> u16 {
        self.pop_element().0 as u16
    }

    /// As [`pop`](Self::pop); returns what the device says, and how much it wrote.
    #[inline(always)]
    pub(super) fn pop_element(&mut self) -> (u32, u32) {
        let entry = usize::from(self.used_index & MASK);
        // SAFETY: the ring has an entry for each of the queue's.
        let element = unsafe { self.used_ring.read(entry) };
        self.used_index = self.used_index.wrapping_add(1);
        (element.id, element.len)
    }

    /// Goes past all that the device has used; returns how many chains that were.
    pub(super) fn pop_all(&mut self) -> usize {
        let used = self.used();
        self.used_index = self.used_index.wrapping_add(used);
        used.into()
    }
}
