//! A split virtqueue whose device keeps the order, with all descriptors filled for each request: [`SplitInOrder`] (§2.7.9).

use super::split_ring::SplitRing;
use super::{CHAIN, Ends, QUEUE_SIZE, Turns};
use crate::contender::{Contender, MAX_DEPTH, Request, Served};
use crate::spec::Descriptor;

/// From one chain to the next.
const STRIDE: usize = QUEUE_SIZE as usize / MAX_DEPTH;

#[derive(Debug)]
pub(crate) struct SplitInOrder {
    ring: SplitRing<true>,
    ends: Ends,
    turns: Turns,
}

impl SplitInOrder {
    pub(crate) fn new() -> Self {
        Self {
            ring: SplitRing::new(),
            ends: Ends::new(MAX_DEPTH),
            turns: Turns::default(),
        }
    }
}

impl Contender for SplitInOrder {
    #[inline(always)]
    fn submit(&mut self, request: &Request) {
        let number = usize::from(self.turns.take());
        // SAFETY: there is a header and a status for each number.
        unsafe { self.ends.fill(number, request.sector) };
        let first = number * STRIDE;
        let [head, data, status]: [Descriptor; CHAIN] = self.ends.chain(number);
        let data = Descriptor {
            addr: request.data.address_of(0),
            len: request.len_bytes,
            ..data
        };
        for (place, descriptor) in [head, data, status].into_iter().enumerate() {
            // What is behind the last one of a chain does not matter.
            let next = (first + place + 1) as u16;
            let descriptor = Descriptor { next, ..descriptor };
            // SAFETY: a stride is longer than a chain, and there is one for each number.
            unsafe { self.ring.descriptors.write(first + place, descriptor) };
        }
        self.ring.push(first as u16);
    }

    fn notify(&mut self) {
        self.ring.notify();
    }

    fn serve(&mut self) -> Served {
        self.ring.serve()
    }

    /// The index says how many are done, and the order which: the entries of the used ring say nothing more.
    #[inline(always)]
    fn complete(&mut self, _count: usize) -> usize {
        let mut well = 0;
        for _ in 0..self.ring.pop_all() {
            let number = self.turns.give();
            // SAFETY: the device is trusted: it used what it was given.
            well += usize::from(unsafe { self.ends.is_well(number.into()) });
        }
        well
    }
}
