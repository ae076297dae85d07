//! The device's side of a packed virtqueue: [`PackedDevice`] (§2.8).

use std::sync::atomic::Ordering;

use super::{Areas, WRITTEN_BYTES, carry_out};
use crate::contender::Served;
use crate::memory::Table;
use crate::spec::{AVAIL, EVENT_AT, INDIRECT, NEXT, PackedDescriptor, USED, WRAP};

/// A device with one packed virtqueue; in order, it uses all that it serves together by one descriptor (§2.8.8).
///
/// It wants to be notified of whatever it has not served: without an event index its device area stays zero, which says so.
///
/// INVARIANT: the areas are those of a virtqueue that its driver keeps as the specification says; `next` is in the descriptor area.
#[derive(Debug)]
pub(crate) struct PackedDevice<const IS_IN_ORDER: bool> {
    descriptors: Table<PackedDescriptor>,
    /// With an event index, the device's event suppression: offset and flags in one (§2.8.14).
    suppression: Option<Table<u32>>,
    size: usize,
    next: usize,
    /// The bits that say that a descriptor is available, and used, in this lap.
    available: u16,
    used: u16,
}

impl<const IS_IN_ORDER: bool> PackedDevice<IS_IN_ORDER> {
    /// Takes a virtqueue over.
    ///
    /// # Safety
    ///
    /// As [`Device::new`](super::Device::new).
    pub(crate) unsafe fn new(areas: Areas, has_event_index: bool) -> Self {
        Self {
            descriptors: Table::at(areas.descriptor),
            suppression: has_event_index.then(|| Table::at(areas.device)),
            size: areas.size.into(),
            next: 0,
            available: AVAIL,
            used: AVAIL | USED,
        }
    }

    /// Serves all that is available.
    pub(crate) fn serve(&mut self) -> Served {
        let mut served = Served::default();
        let begin = (self.next, self.used);
        let mut last_id = None;
        while self.is_available() {
            let (at, used) = (self.next, self.used);
            let first = self.take();
            let mut last = first;
            while last.flags & NEXT != 0 {
                last = self.take();
            }
            let (header, status) = match first.flags & INDIRECT {
                0 => (first.addr, last.addr),
                // SAFETY: the driver made an indirect table of this length available.
                _ => unsafe { ends(Table::at(first.addr), first.len) },
            };
            // SAFETY: a request begins with its header and ends with its status (§5.2.6).
            served.sectors += unsafe { carry_out(header, status) };
            served.requests += 1;
            if IS_IN_ORDER {
                last_id = Some(last.id);
            } else {
                self.write_used(at, used, first, last.id);
            }
        }
        if let Some(id) = last_id {
            // Where the first one's would be; the others' are left out, for all of them were written in full.
            let (at, used) = begin;
            // SAFETY: the place is in the ring.
            let first = unsafe { self.descriptors.read(at) };
            self.write_used(at, used, first, id);
        }
        if let Some(suppression) = self.suppression {
            self.ask_for_next(suppression);
        }
        served
    }

    /// Writes the used descriptor at `at` over the one that is there, with the flags of its lap, for the buffer `id`.
    fn write_used(&self, at: usize, used: u16, there: PackedDescriptor, id: u16) {
        let element = PackedDescriptor {
            len: WRITTEN_BYTES,
            id,
            ..there
        };
        // SAFETY: the place is in the ring.
        unsafe { self.descriptors.write(at, element) };
        // SAFETY: the place is in the ring.
        let flags = unsafe { PackedDescriptor::flags(self.descriptors, at) };
        // Release: partner is the driver's load of the flags.
        flags.store(used, Ordering::Release);
    }

    /// Asks to be notified of what is made available where the device goes on (§2.8.10).
    fn ask_for_next(&self, suppression: Table<u32>) {
        let wrap = if self.available == AVAIL { WRAP } else { 0 };
        let word = u32::from(self.next as u16 | wrap) | u32::from(EVENT_AT) << 16;
        // SAFETY: the area is as long as that.
        unsafe { suppression.write(0, word.to_le()) };
    }

    fn is_available(&self) -> bool {
        // SAFETY: the place is in the ring.
        let flags = unsafe { PackedDescriptor::flags(self.descriptors, self.next) };
        // Acquire: partner is the driver's store of the flags.
        flags.load(Ordering::Acquire) & (AVAIL | USED) == self.available
    }

    /// Reads the next descriptor.
    fn take(&mut self) -> PackedDescriptor {
        // SAFETY: the place is in the ring.
        let descriptor = unsafe { self.descriptors.read(self.next) };
        self.next += 1;
        if self.next == self.size {
            self.next = 0;
            self.available ^= AVAIL | USED;
            self.used ^= AVAIL | USED;
        }
        descriptor
    }
}

/// Returns the addresses in the first and the last entry of an indirect table of `len` bytes.
///
/// # Safety
///
/// It is an indirect table of that length, of one entry at least.
unsafe fn ends(table: Table<PackedDescriptor>, len: u32) -> (u64, u64) {
    let count = len as usize / size_of::<PackedDescriptor>();
    // SAFETY: as the caller says.
    let first = unsafe { table.read(0) };
    // SAFETY: as the caller says.
    let last = unsafe { table.read(count - 1) };
    (first.addr, last.addr)
}
