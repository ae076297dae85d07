//! A packed virtqueue with all descriptors of a request in the ring: [`PackedDirect`].

use super::packed_ring::PackedRing;
use super::{CHAIN, Ends, Free};
use crate::contender::{Contender, MAX_DEPTH, Request, Served};

#[derive(Debug)]
pub(crate) struct PackedDirect {
    ring: PackedRing<false>,
    ends: Ends,
    free: Free,
}

impl PackedDirect {
    pub(crate) fn new() -> Self {
        Self {
            ring: PackedRing::new(),
            ends: Ends::new(MAX_DEPTH),
            free: Free::all(),
        }
    }
}

impl Contender for PackedDirect {
    #[inline(always)]
    fn submit(&mut self, request: &Request) {
        // SAFETY: no batch is larger than that.
        let id = unsafe { self.free.take() };
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
        while let Some(id) = self.ring.pop(CHAIN) {
            // SAFETY: the device is trusted: it used what it was given.
            well += usize::from(unsafe { self.ends.is_well(id.into()) });
            // SAFETY: it was taken.
            unsafe { self.free.give(id) };
        }
        well
    }
}
