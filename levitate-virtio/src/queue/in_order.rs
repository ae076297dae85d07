//! Requests that are used in the order they were submitted in (VIRTIO_F_IN_ORDER, §2.7.9, §2.8.8): [`Order`].

use levitate_hal::{Dma, Segments};

use super::completion::written_bytes;
use super::ring::{Format, Ring as _};
use super::slot::Slot;
use super::{DeviceFault, Queue};
use crate::transport::Notify;

/// Which requests the device has, the oldest first, and of how many of them it has said that they are done.
///
/// One word of it is about many: what it says of one request is true of all it got before. They are taken out one by one nevertheless,
/// each when it is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    /// The slot of the oldest one, if there is any; the others follow by their records.
    first: u32,
    /// The slot of the newest one, if there is any.
    last: u32,
    /// How many of the oldest are done as the device has said, and still to be taken out.
    promised: u16,
    /// How many bytes the device wrote for the last of these, as it says, and no more than it may; all it may for the others.
    last_bytes: u32,
}

impl Order {
    /// That of a queue without requests.
    pub(super) const EMPTY: Self = Self {
        first: 0,
        last: 0,
        promised: 0,
        last_bytes: 0,
    };

    /// Puts a slot, which is in no list, behind those that are `in_flight` before it.
    #[inline]
    pub(super) fn push<B, C>(&mut self, slots: &mut [Slot<B, C>], number: u32, in_flight: u16) {
        if in_flight == 0 {
            self.first = number;
        } else if let Some(before) = slots.get_mut(self.last as usize) {
            before.record.set_next(number);
        }
        self.last = number;
    }

    /// Returns the slot of the oldest request, if there is one that is in flight.
    #[inline]
    pub(super) const fn first(&self) -> u32 {
        self.first
    }
}

impl<B: Segments, C, D: Dma, N: Notify, R: Format> Queue<'_, B, C, D, N, R> {
    /// Takes the oldest request out, if the device is done with it; returns its slot, which is in no list, with its request done.
    pub(super) fn next_in_order(&mut self) -> Result<Option<u16>, DeviceFault> {
        if self.order.promised == 0 {
            let Some(used) = self.ring.next_used(self.progress)? else {
                return Ok(None);
            };
            let last = self.record(used)?;
            let last_bytes = written_bytes(self.interface, last, used)?;
            let descriptors = last.descriptors;
            self.learn(used.slot, last_bytes)
                .ok_or(DeviceFault::OutOfOrder { id: used.id })?;
            self.ring.pass_used(descriptors);
        }
        Ok(self.leave())
    }

    /// As [`next_in_order`](Self::next_in_order), where nothing is wrong.
    #[inline]
    pub(super) fn take_in_order(&mut self) -> Option<u16> {
        if self.order.promised == 0 {
            let (number, slot, written) = self.ring.take_used(self.progress, self.slots)?;
            if number == self.order.first {
                self.order.first = slot.record.next_or_none();
                slot.record.note_done(written.len_bytes);
                self.progress.done = self.progress.done.wrapping_add(1);
                return Some(number as u16);
            }
            self.learn(number, written.len_bytes)?;
        }
        self.leave()
    }

    /// Has the oldest request, which is done, leave the order.
    #[inline]
    fn leave(&mut self) -> Option<u16> {
        let number = self.order.first;
        let record = &mut self.slots.get_mut(number as usize)?.record;
        self.order.promised = self.order.promised.wrapping_sub(1);
        let written_bytes = match self.order.promised {
            0 => self.order.last_bytes,
            // Of those before the last one the device says nothing more: they were used completely.
            _ => {
                self.ring.pass_used(record.descriptors);
                record.capacity_bytes()
            }
        };
        self.order.first = record.next_or_none();
        record.note_done(written_bytes);
        self.progress.done = self.progress.done.wrapping_add(1);
        Some(number as u16)
    }

    /// Notes that a request is done, of which the device wrote so many bytes, and all that it got before; the ring passes only this one.
    ///
    /// `None` if it says too little of them.
    fn learn(&mut self, last: u32, last_bytes: u32) -> Option<()> {
        let record = &self.slots.get(last as usize)?.record;
        // Nothing is done that was not taken out, so that the oldest one in flight has this number.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "as a record has it; of those in flight it tells all apart"
        )]
        let before = record.sequence.wrapping_sub(self.progress.done as u32);
        // There are no more of them in flight than a queue has descriptors.
        let count = u16::try_from(before).ok()?.checked_add(1)?;
        if !self.ring.covers(self.progress, count) {
            return None;
        }
        self.order.promised = count;
        self.order.last_bytes = last_bytes;
        Some(())
    }
}
