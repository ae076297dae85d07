//! The descriptor ring of the packed floors: [`PackedRing`] (§2.8).

use std::sync::atomic::{Ordering, fence};

use super::{Ends, QUEUE_SIZE};
use crate::contender::{Request, Served};
use crate::device::{Areas, PackedDevice};
use crate::memory::Table;
use crate::spec::{AVAIL, EVENT_DISABLE, PackedDescriptor, USED};

/// A packed virtqueue with its device.
///
/// INVARIANT: `next` and `next_used` are in the ring.
#[derive(Debug)]
pub(super) struct PackedRing<const IS_IN_ORDER: bool> {
    descriptors: Table<PackedDescriptor>,
    /// The device's event suppression: offset and flags (§2.8.14).
    suppression: Table<u16>,
    next: usize,
    /// The flags that make a descriptor available in this lap.
    available: u16,
    next_used: usize,
    /// The flags of a used descriptor in this lap.
    used: u16,
    notifications: u64,
    device: PackedDevice<IS_IN_ORDER>,
}

/// Where the next request begins, whose first flags are written last: till then the device sees nothing of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    place: usize,
    flags: u16,
}

impl<const IS_IN_ORDER: bool> PackedRing<IS_IN_ORDER> {
    pub(super) fn new() -> Self {
        let descriptors = Table::new(usize::from(QUEUE_SIZE));
        let suppression = Table::new(2);
        let areas = Areas {
            size: QUEUE_SIZE,
            descriptor: descriptors.address_of(0),
            driver: Table::<u16>::new(2).address_of(0),
            device: suppression.address_of(0),
        };
        // SAFETY: all that the floors make available is in tables.
        let device = unsafe { PackedDevice::new(areas, false) };
        Self {
            descriptors,
            suppression,
            next: 0,
            available: AVAIL,
            next_used: 0,
            used: AVAIL | USED,
            notifications: 0,
            device,
        }
    }

    /// Makes a request available that is not in a table, under the number `id`.
    #[inline(always)]
    pub(super) fn add(&mut self, ends: &Ends, request: &Request, id: u16) {
        let number = usize::from(id);
        // SAFETY: there is a header and a status for each number.
        unsafe { ends.fill(number, request.sector) };
        let [head, data, status] = ends.chain(number).map(|descriptor| PackedDescriptor {
            addr: descriptor.addr,
            len: descriptor.len,
            id,
            flags: descriptor.flags,
        });
        let data = PackedDescriptor {
            addr: request.data.address_of(0),
            len: request.len_bytes,
            ..data
        };
        let head = self.begin(head);
        self.push(data);
        self.push(status);
        self.publish(head);
    }

    /// Puts the first descriptor of a request down.
    #[inline(always)]
    pub(super) fn begin(&mut self, descriptor: PackedDescriptor) -> Head {
        let head = Head {
            place: self.next,
            flags: descriptor.flags | self.available,
        };
        // SAFETY: the place is in the ring.
        let entry = unsafe { self.descriptors.entry(self.next) }.as_ptr();
        // SAFETY: the descriptor is there, and the device leaves it alone until its flags say otherwise.
        unsafe { (*entry).addr = descriptor.addr };
        // SAFETY: as above.
        unsafe { (*entry).len = descriptor.len };
        // SAFETY: as above.
        unsafe { (*entry).id = descriptor.id };
        self.advance();
        head
    }

    /// Puts a further descriptor of a request down.
    #[inline(always)]
    pub(super) fn push(&mut self, descriptor: PackedDescriptor) {
        let descriptor = PackedDescriptor {
            flags: descriptor.flags | self.available,
            ..descriptor
        };
        // SAFETY: the place is in the ring.
        unsafe { self.descriptors.write(self.next, descriptor) };
        self.advance();
    }

    /// Makes a request available.
    #[inline(always)]
    pub(super) fn publish(&mut self, head: Head) {
        // SAFETY: the place is in the ring.
        let flags = unsafe { PackedDescriptor::flags(self.descriptors, head.place) };
        // Release: the device must see the rest of the request before its first flags (§2.8.21.1).
        flags.store(head.flags, Ordering::Release);
    }

    #[inline(always)]
    fn advance(&mut self) {
        self.next += 1;
        if self.next == usize::from(QUEUE_SIZE) {
            self.next = 0;
            self.available ^= AVAIL | USED;
        }
    }

    /// Notifies the device if it wants to be.
    #[inline(always)]
    pub(super) fn notify(&mut self) {
        // SeqCst: the device must see the descriptors before its event suppression is read (§2.8.21.3.1).
        fence(Ordering::SeqCst);
        // SAFETY: the flags come after the offset.
        let flags = unsafe { self.suppression.atomic(1) }.load(Ordering::Relaxed);
        if flags & EVENT_DISABLE == 0 {
            self.notifications = self.notifications.wrapping_add(1);
        }
    }

    pub(super) fn serve(&mut self) -> Served {
        self.device.serve()
    }

    /// Returns the identifier of the next request that the device has used, which has `descriptors` of them.
    #[inline(always)]
    pub(super) fn pop(&mut self, descriptors: usize) -> Option<u16> {
        let id = self.peek()?;
        self.pass(descriptors);
        Some(id)
    }

    /// Returns what the device has used next; in order, that is all up to there.
    #[inline(always)]
    pub(super) fn peek(&self) -> Option<u16> {
        let place = self.next_used;
        // SAFETY: the place is in the ring.
        let flags = unsafe { PackedDescriptor::flags(self.descriptors, place) };
        // Acquire: the rest of the descriptor must be read after its flags (§2.8.22).
        if flags.load(Ordering::Acquire) & (AVAIL | USED) != self.used {
            return None;
        }
        // SAFETY: the place is in the ring.
        let element = unsafe { self.descriptors.read(place) };
        Some(element.id)
    }

    /// Goes past so many descriptors that are used, fewer than the ring has.
    #[inline(always)]
    pub(super) fn pass(&mut self, descriptors: usize) {
        self.next_used += descriptors;
        if self.next_used >= usize::from(QUEUE_SIZE) {
            self.next_used -= usize::from(QUEUE_SIZE);
            self.used ^= AVAIL | USED;
        }
    }
}
