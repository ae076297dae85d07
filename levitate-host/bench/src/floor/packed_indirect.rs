//! A packed virtqueue with an indirect table for each request, laid out once and used again: [`PackedIndirect`].

use super::packed_ring::PackedRing;
use super::{CHAIN, Ends, Free};
use crate::contender::{Contender, MAX_DEPTH, Request, Served};
use crate::memory::Table;
use crate::spec::{INDIRECT, NEXT, PackedDescriptor};

#[derive(Debug)]
pub(crate) struct PackedIndirect {
    ring: PackedRing<false>,
    ends: Ends,
    tables: Table<PackedDescriptor>,
    free: Free,
}

impl PackedIndirect {
    pub(crate) fn new() -> Self {
        let (ends, tables) = (Ends::new(MAX_DEPTH), Table::new(MAX_DEPTH * CHAIN));
        for number in 0..MAX_DEPTH {
            for (place, descriptor) in (number * CHAIN..).zip(ends.chain(number)) {
                let descriptor = PackedDescriptor {
                    addr: descriptor.addr,
                    len: descriptor.len,
                    id: 0,
                    // In an indirect table nothing is linked: its entries follow one another (§2.8.8).
                    flags: descriptor.flags & !NEXT,
                };
                // SAFETY: there is a table for each number.
                unsafe { tables.write(place, descriptor) };
            }
        }
        Self {
            ring: PackedRing::new(),
            ends,
            tables,
            free: Free::all(),
        }
    }
}

impl Contender for PackedIndirect {
    #[inline(always)]
    fn submit(&mut self, request: &Request) {
        // SAFETY: no batch is larger than that.
        let id = unsafe { self.free.take() };
        let number = usize::from(id);
        // SAFETY: there is a header and a status for each number.
        unsafe { self.ends.renew(number, request.sector) };
        let first = number * CHAIN;
        // SAFETY: the second entry of a table.
        let data = unsafe { self.tables.entry(first + 1) }.as_ptr();
        // SAFETY: the descriptor is there, and driver and device take turns on one thread.
        unsafe { (*data).addr = request.data.address_of(0) };
        // SAFETY: as above.
        unsafe { (*data).len = request.len_bytes };
        let head = self.ring.begin(PackedDescriptor {
            addr: self.tables.address_of(first),
            len: (CHAIN * size_of::<PackedDescriptor>()) as u32,
            id,
            flags: INDIRECT,
        });
        self.ring.publish(head);
    }

    fn notify(&mut self) {
        self.ring.notify();
    }

    fn serve(&mut self) -> Served {
        self.ring.serve()
    }

    #[inline(always)]
    fn complete(&mut self, _count: usize) -> usize {
        let mut well = 0;
        while let Some(id) = self.ring.pop(1) {
            // SAFETY: the device is trusted: it used what it was given.
            well += usize::from(unsafe { self.ends.is_well(id.into()) });
            // SAFETY: it was taken.
            unsafe { self.free.give(id) };
        }
        well
    }
}
