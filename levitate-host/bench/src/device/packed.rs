//! The device's side of a packed virtqueue: [`PackedDevice`] (§2.8).

use std::sync::atomic::Ordering;

use super::{Areas, WRITTEN_BYTES, carry_out};
use crate::contender::Served;
use crate::memory::Table;
use crate::spec::{AVAIL, INDIRECT, NEXT, PackedDescriptor, USED};

/// A device with one packed virtqueue, which always wants to be notified: its device area stays zero.
///
/// INVARIANT: the descriptor area is that of a virtqueue that its driver keeps as the specification says; `next` is in it.
#[derive(Debug)]
pub(crate) struct PackedDevice {
    descriptors: Table<PackedDescriptor>,
    size: usize,
    next: usize,
    /// The bits that say that a descriptor is available, and used, in this lap.
    available: u16,
    used: u16,
}

impl PackedDevice {
    /// Takes a virtqueue over.
    ///
    /// # Safety
    ///
    /// As [`Device::new`](super::Device::new).
    pub(crate) unsafe fn new(areas: Areas) -> Self {
        Self {
            descriptors: Table::at(areas.descriptor),
            size: areas.size.into(),
            next: 0,
            available: AVAIL,
            used: AVAIL | USED,
        }
    }

    /// Serves all that is available.
    pub(crate) fn serve(&mut self) -> Served {
        let mut served = Served::default();
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
            let element = PackedDescriptor {
                len: WRITTEN_BYTES,
                id: last.id,
                ..first
            };
            // SAFETY: the place is in the ring.
            unsafe { self.descriptors.write(at, element) };
            // SAFETY: the place is in the ring.
            let flags = unsafe { PackedDescriptor::flags(self.descriptors, at) };
            // Release: partner is the driver's load of the flags.
            flags.store(used, Ordering::Release);
        }
        served
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
