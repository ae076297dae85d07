//! The device's side of a split virtqueue: [`SplitDevice`] (§2.7).

use std::sync::atomic::Ordering;

use super::{Areas, WRITTEN_BYTES, carry_out};
use crate::contender::Served;
use crate::memory::Table;
use crate::spec::{Descriptor, ENTRIES, INDEX, INDIRECT, NEXT, UsedElement};

/// A device with one split virtqueue; in order, it uses all that it serves together by one entry (§2.7.9).
///
/// INVARIANT: the areas are a virtqueue that its driver keeps as the specification says.
#[derive(Debug)]
pub(crate) struct SplitDevice<const IS_IN_ORDER: bool> {
    descriptors: Table<Descriptor>,
    available: Table<u16>,
    used: Table<u16>,
    used_ring: Table<UsedElement>,
    mask: u16,
    next: u16,
    has_event_index: bool,
}

impl<const IS_IN_ORDER: bool> SplitDevice<IS_IN_ORDER> {
    /// Takes a virtqueue over.
    ///
    /// # Panics
    ///
    /// Its size is no power of two.
    ///
    /// # Safety
    ///
    /// As [`Device::new`](super::Device::new).
    pub(crate) unsafe fn new(areas: Areas, has_event_index: bool) -> Self {
        let size = areas.size;
        assert!(size.is_power_of_two(), "a queue size of {size}");
        Self {
            descriptors: Table::at(areas.descriptor),
            available: Table::at(areas.driver),
            used: Table::at(areas.device),
            used_ring: Table::at(areas.device + 2 * ENTRIES as u64),
            mask: size - 1,
            next: 0,
            has_event_index,
        }
    }

    /// Serves all that is available.
    pub(crate) fn serve(&mut self) -> Served {
        let mut served = Served::default();
        // SAFETY: the ring begins with flags and index.
        let available = unsafe { self.available.atomic(INDEX) };
        // Acquire: partner is the driver's store of the index.
        let available = available.load(Ordering::Acquire);
        let first = self.next;
        let mut last = None;
        while self.next != available {
            let entry = usize::from(self.next & self.mask);
            // SAFETY: the ring has an entry for each of the queue's, after flags and index.
            let head = unsafe { self.available.read(ENTRIES + entry) };
            served.sectors += self.carry_out(head);
            served.requests += 1;
            if IS_IN_ORDER {
                last = Some(head);
            } else {
                self.write_used(self.next, head);
            }
            self.next = self.next.wrapping_add(1);
        }
        if let Some(last) = last {
            // Where the first one's would be; the others' are left out, for all of them were written in full.
            self.write_used(first, last);
        }
        // SAFETY: the ring begins with flags and index.
        let used = unsafe { self.used.atomic(INDEX) };
        // Release: partner is the driver's load of the index.
        used.store(self.next, Ordering::Release);
        if self.has_event_index {
            let event = ENTRIES + 4 * (usize::from(self.mask) + 1);
            // SAFETY: `avail_event` is after the ring, whose entries are as long as four of these.
            unsafe { self.used.write(event, self.next) };
        }
        served
    }

    /// Writes the entry of the used ring at `index`, which counts without end, for the chain from `head`.
    fn write_used(&self, index: u16, head: u16) {
        let element = UsedElement {
            id: head.into(),
            len: WRITTEN_BYTES,
        };
        let entry = usize::from(index & self.mask);
        // SAFETY: the ring has an entry for each of the queue's.
        unsafe { self.used_ring.write(entry, element) };
    }

    /// Follows the chain from `head` to its end.
    fn carry_out(&self, head: u16) -> u64 {
        // SAFETY: the driver made this entry of the table available.
        let mut first = unsafe { self.descriptors.read(head.into()) };
        let mut table = self.descriptors;
        if first.flags & INDIRECT != 0 {
            table = Table::at(first.addr);
            // SAFETY: an indirect table has an entry at least.
            first = unsafe { table.read(0) };
        }
        let mut last = first;
        while last.flags & NEXT != 0 {
            // SAFETY: the driver linked this entry of the table.
            last = unsafe { table.read(last.next.into()) };
        }
        // SAFETY: a request begins with its header and ends with its status (§5.2.6).
        unsafe { carry_out(first.addr, last.addr) }
    }
}
