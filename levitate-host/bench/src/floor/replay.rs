//! The device alone, but for the few stores that have it serve the same requests again: [`SplitReplay`], [`PackedReplay`].
//!
//! It is what everybody's time over a ring of the same kind has in it; where a driver works while its stores are still on their way, it
//! is less than the sum of both.

use std::sync::atomic::Ordering;

use super::split_preset::SplitPreset;
use super::{CHAIN, Ends, QUEUE_SIZE};
use crate::contender::{Contender, MAX_DEPTH, Request, Served};
use crate::device::{Areas, PackedDevice};
use crate::memory::Table;
use crate::spec::{AVAIL, INDIRECT, NEXT, PackedDescriptor, USED};

/// A split virtqueue whose available ring is filled once.
#[derive(Debug)]
pub(crate) struct SplitReplay<const IS_INDIRECT: bool, const IS_IN_ORDER: bool>(
    SplitPreset<IS_INDIRECT, IS_IN_ORDER>,
);

impl<const IS_INDIRECT: bool, const IS_IN_ORDER: bool> SplitReplay<IS_INDIRECT, IS_IN_ORDER> {
    /// Prepares for batches of `depth`, of which the queue's size is a multiple.
    pub(crate) fn new(depth: usize) -> Self {
        let mut preset = SplitPreset::<IS_INDIRECT, IS_IN_ORDER>::new();
        for place in 0..usize::from(QUEUE_SIZE) {
            let head = SplitPreset::<IS_INDIRECT, IS_IN_ORDER>::head(place % depth);
            preset.ring.push(head);
        }
        preset.ring.rewind();
        Self(preset)
    }
}

impl<const IS_INDIRECT: bool, const IS_IN_ORDER: bool> Contender
    for SplitReplay<IS_INDIRECT, IS_IN_ORDER>
{
    #[inline(always)]
    fn submit(&mut self, request: &Request) {
        // SAFETY: there is a header and a status for each place.
        unsafe { self.0.ends.renew(request.place, request.sector) };
        self.0.ring.skip();
    }

    fn notify(&mut self) {
        self.0.ring.publish();
    }

    fn serve(&mut self) -> Served {
        self.0.ring.serve()
    }

    fn complete(&mut self, _count: usize) -> usize {
        self.0.ring.pop_all()
    }
}

/// A packed virtqueue whose laps begin with the same request each time.
///
/// INVARIANT: `next` and `told` are in the ring.
#[derive(Debug)]
pub(crate) struct PackedReplay<const IS_INDIRECT: bool, const IS_IN_ORDER: bool> {
    ends: Ends,
    descriptors: Table<PackedDescriptor>,
    heads: Box<[PackedDescriptor; MAX_DEPTH]>,
    size: usize,
    next: usize,
    /// Where the device says that it is done with all of a batch: where its last request begins, in order its first one.
    told: usize,
    available: u16,
    device: PackedDevice<IS_IN_ORDER>,
}

impl<const IS_INDIRECT: bool, const IS_IN_ORDER: bool> PackedReplay<IS_INDIRECT, IS_IN_ORDER> {
    /// Descriptors of a request in the ring.
    const STRIDE: usize = if IS_INDIRECT { 1 } else { CHAIN };

    pub(crate) fn new() -> Self {
        let size = MAX_DEPTH * Self::STRIDE;
        let (ends, descriptors) = (Ends::new(MAX_DEPTH), Table::new(size));
        let tables = Table::<PackedDescriptor>::new(MAX_DEPTH * CHAIN);
        let chains = if IS_INDIRECT { tables } else { descriptors };
        let mut heads = Box::new([PackedDescriptor::default(); MAX_DEPTH]);
        for (number, head) in heads.iter_mut().enumerate() {
            let first = number * CHAIN;
            let unlinked = if IS_INDIRECT { NEXT } else { 0 };
            let chain = ends.chain(number).map(|descriptor| PackedDescriptor {
                addr: descriptor.addr,
                len: descriptor.len,
                id: 0,
                flags: descriptor.flags & !unlinked,
            });
            *head = match IS_INDIRECT {
                true => PackedDescriptor {
                    addr: tables.address_of(first),
                    len: (CHAIN * size_of::<PackedDescriptor>()) as u32,
                    id: 0,
                    flags: INDIRECT,
                },
                false => chain[0],
            };
            for (place, descriptor) in (first..).zip(chain) {
                // SAFETY: there are as many as that in either.
                unsafe { chains.write(place, descriptor) };
            }
        }
        let areas = Areas {
            size: size as u16,
            descriptor: descriptors.address_of(0),
            ..Areas::default()
        };
        // SAFETY: all that is made available is in tables.
        let device = unsafe { PackedDevice::new(areas, false) };
        Self {
            ends,
            descriptors,
            heads,
            size,
            next: 0,
            told: 0,
            available: AVAIL,
            device,
        }
    }
}

impl<const IS_INDIRECT: bool, const IS_IN_ORDER: bool> Contender
    for PackedReplay<IS_INDIRECT, IS_IN_ORDER>
{
    #[inline(always)]
    fn submit(&mut self, request: &Request) {
        let number = self.next / Self::STRIDE;
        // SAFETY: there is a header and a status for each place.
        unsafe { self.ends.renew(number, request.sector) };
        let head = self.heads[number % MAX_DEPTH];
        // SAFETY: the place is in the ring.
        unsafe { self.descriptors.write(self.next, head) };
        // SAFETY: as above.
        let flags = unsafe { PackedDescriptor::flags(self.descriptors, self.next) };
        // Release: partner is the device's load of the flags.
        flags.store(head.flags | self.available, Ordering::Release);
        if !IS_IN_ORDER {
            self.told = self.next;
        }
        self.next += Self::STRIDE;
        if self.next == self.size {
            self.next = 0;
            self.available ^= AVAIL | USED;
        }
    }

    fn notify(&mut self) {}

    fn serve(&mut self) -> Served {
        self.device.serve()
    }

    fn complete(&mut self, count: usize) -> usize {
        // SAFETY: the place is in the ring.
        let flags = unsafe { PackedDescriptor::flags(self.descriptors, self.told) };
        if IS_IN_ORDER {
            self.told = self.next;
        }
        // Acquire: partner is the device's store of the flags. Used, both bits are the same (§2.8.1).
        let flags = flags.load(Ordering::Acquire) & (AVAIL | USED);
        if flags == 0 || flags == AVAIL | USED {
            count
        } else {
            0
        }
    }
}
