//! A split virtqueue with a chain for each request that is laid out once, in the queue or in an indirect table: [`SplitPreset`].

use super::split_ring::SplitRing;
use super::{CHAIN, Ends, Free, QUEUE_SIZE};
use crate::contender::{Contender, MAX_DEPTH, Request, Served};
use crate::memory::Table;
use crate::spec::{Descriptor, INDIRECT};

/// From one chain to the next: one entry is to spare, so that a request's number is found by a shift.
const STRIDE: usize = QUEUE_SIZE as usize / MAX_DEPTH;

#[derive(Debug)]
pub(crate) struct SplitPreset<const IS_INDIRECT: bool, const IS_IN_ORDER: bool> {
    pub(super) ring: SplitRing<IS_IN_ORDER>,
    pub(super) ends: Ends,
    /// Where the chains are: the ring's own table, or another one.
    chains: Table<Descriptor>,
    free: Free,
}

impl<const IS_INDIRECT: bool, const IS_IN_ORDER: bool> SplitPreset<IS_INDIRECT, IS_IN_ORDER> {
    pub(crate) fn new() -> Self {
        let (ring, ends) = (SplitRing::new(), Ends::new(MAX_DEPTH));
        let chains = match IS_INDIRECT {
            true => Table::new(MAX_DEPTH * STRIDE),
            false => ring.descriptors,
        };
        for number in 0..MAX_DEPTH {
            let first = number * STRIDE;
            for (place, descriptor) in ends.chain(number).into_iter().enumerate() {
                let next = if IS_INDIRECT {
                    place + 1
                } else {
                    first + place + 1
                };
                let next = next as u16;
                // SAFETY: a stride is longer than a chain, and there is one for each number.
                unsafe { chains.write(first + place, Descriptor { next, ..descriptor }) };
            }
            if IS_INDIRECT {
                let head = Descriptor {
                    addr: chains.address_of(first),
                    len: (CHAIN * size_of::<Descriptor>()) as u32,
                    flags: INDIRECT,
                    next: 0,
                };
                // SAFETY: the queue has more entries than there are numbers.
                unsafe { ring.descriptors.write(number, head) };
            }
        }
        Self {
            ring,
            ends,
            chains,
            free: Free::all(),
        }
    }
}

impl<const IS_INDIRECT: bool, const IS_IN_ORDER: bool> SplitPreset<IS_INDIRECT, IS_IN_ORDER> {
    /// Returns the descriptor of the queue that the request `number` begins with.
    pub(super) const fn head(number: usize) -> u16 {
        let head = if IS_INDIRECT { number } else { number * STRIDE };
        head as u16
    }
}

impl<const IS_INDIRECT: bool> SplitPreset<IS_INDIRECT, false> {
    /// Has the request `number` read from `sector` on to that address, and puts it into the available ring.
    ///
    /// # Safety
    ///
    /// There are so many.
    #[inline(always)]
    pub(super) unsafe fn fill(&mut self, number: usize, sector: u64, address: u64, len_bytes: u32) {
        // SAFETY: there is a header and a status for each number.
        unsafe { self.ends.renew(number, sector) };
        let first = number * STRIDE;
        // SAFETY: there is a chain for each number.
        let data = unsafe { self.chains.entry(first + 1) }.as_ptr();
        // SAFETY: the descriptor is there, and driver and device take turns on one thread.
        unsafe { (*data).addr = address };
        // SAFETY: as above.
        unsafe { (*data).len = len_bytes };
        self.ring.push(Self::head(number));
    }
}

impl<const IS_INDIRECT: bool> Contender for SplitPreset<IS_INDIRECT, false> {
    #[inline(always)]
    fn submit(&mut self, request: &Request) {
        // SAFETY: no batch is larger than that.
        let number = usize::from(unsafe { self.free.take() });
        let address = request.data.address_of(0);
        // SAFETY: it is one of those there are.
        unsafe { self.fill(number, request.sector, address, request.len_bytes) };
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
        for _ in 0..self.ring.used() {
            let head = self.ring.pop();
            let number = if IS_INDIRECT {
                head
            } else {
                head / STRIDE as u16
            };
            // SAFETY: the device is trusted: it used what it was given.
            well += usize::from(unsafe { self.ends.is_well(number.into()) });
            // SAFETY: it was taken.
            unsafe { self.free.give(number) };
        }
        well
    }
}
