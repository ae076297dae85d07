//! A split virtqueue whose descriptors are taken from a free list and filled for each request: [`SplitDirect`].

use super::split_ring::SplitRing;
use super::{CHAIN, Ends, QUEUE_SIZE};
use crate::contender::{Contender, Request, Served};
use crate::memory::Table;
use crate::spec::Descriptor;

/// INVARIANT: every entry of `next`, and `free`, is below the queue's size.
#[derive(Debug)]
pub(crate) struct SplitDirect {
    ring: SplitRing<false>,
    ends: Ends,
    /// What comes after each descriptor, in a chain or among the free ones: the driver's own memory, not the device's.
    next: Table<u16>,
    free: u16,
}

impl SplitDirect {
    pub(crate) fn new() -> Self {
        let size = usize::from(QUEUE_SIZE);
        let next = Table::new(size);
        for (entry, after) in (0..size).zip(1..) {
            // SAFETY: the table has as many entries as the queue.
            unsafe { next.write(entry, after % QUEUE_SIZE) };
        }
        Self {
            ring: SplitRing::new(),
            ends: Ends::new(size),
            next,
            free: 0,
        }
    }

    #[inline(always)]
    fn after(&self, descriptor: u16) -> u16 {
        // SAFETY: descriptors are below the queue's size, as is the table's length.
        unsafe { self.next.read(descriptor.into()) }
    }

    #[inline(always)]
    fn fill(&mut self, at: u16, descriptor: Descriptor, next: u16) {
        let descriptor = Descriptor { next, ..descriptor };
        // SAFETY: descriptors are below the queue's size.
        unsafe { self.ring.descriptors.write(at.into(), descriptor) };
    }
}

impl Contender for SplitDirect {
    #[inline(always)]
    fn submit(&mut self, request: &Request) {
        let first = self.free;
        let second = self.after(first);
        let third = self.after(second);
        self.free = self.after(third);
        let number = usize::from(first);
        // SAFETY: there is a header and a status for each descriptor.
        unsafe { self.ends.fill(number, request.sector) };
        let [head, data, status]: [Descriptor; CHAIN] = self.ends.chain(number);
        let data = Descriptor {
            addr: request.data.address_of(0),
            len: request.len_bytes,
            ..data
        };
        self.fill(first, head, second);
        self.fill(second, data, third);
        self.fill(third, status, 0);
        self.ring.push(first);
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
            let first = self.ring.pop();
            // SAFETY: the device is trusted: it used what it was given.
            well += usize::from(unsafe { self.ends.is_well(first.into()) });
            let third = self.after(self.after(first));
            // SAFETY: descriptors are below the queue's size.
            unsafe { self.next.write(third.into(), self.free) };
            self.free = first;
        }
        well
    }
}
