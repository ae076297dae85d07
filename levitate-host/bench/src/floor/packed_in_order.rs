//! A packed virtqueue whose device keeps the order, with all descriptors of a request in the ring: [`PackedInOrder`] (§2.8.8).

use super::packed_ring::PackedRing;
use super::{CHAIN, Ends, Turns};
use crate::contender::{Contender, MAX_DEPTH, Request, Served};

#[derive(Debug)]
pub(crate) struct PackedInOrder {
    ring: PackedRing<true>,
    ends: Ends,
    turns: Turns,
}

impl PackedInOrder {
    pub(crate) fn new() -> Self {
        Self {
            ring: PackedRing::new(),
            ends: Ends::new(MAX_DEPTH),
            turns: Turns::default(),
        }
    }
}

impl Contender for PackedInOrder {
    #[inline(always)]
    fn submit(&mut self, request: &Request) {
        let id = self.turns.take();
        self.ring.add(&self.ends, request, id);
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
        while let Some(last) = self.ring.peek() {
            let count = self.turns.up_to(last);
            for _ in 0..count {
                let number = self.turns.give();
                // SAFETY: the device is trusted: it used what it was given.
                well += usize::from(unsafe { self.ends.is_well(number.into()) });
            }
            self.ring.pass(usize::from(count) * CHAIN);
        }
        well
    }
}
