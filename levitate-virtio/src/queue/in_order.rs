//! Requests that are used in the order they were submitted in (VIRTIO_F_IN_ORDER, §2.7.9, §2.8.8): [`Order`].

use levitate_hal::{Dma, Segments};

use super::completion::written_bytes;
use super::ring::{Format, Ring as _};
use super::slot::{Slot, Stack};
use super::{DeviceFault, Queue};
use crate::transport::Notify;

/// Which requests the device has, the oldest first, and of how many of them it has said that they are done.
///
/// One word of it is about many: what it says of one request is true of all it got before. They are taken out one by one nevertheless,
/// each when it is asked for.
///
/// Slots become idle at one end and are used at the other. Behind that of the newest request is the one that the next request gets: a
/// slot that is used stays linked as it is, so that a line of all slots, but for those that are done and not taken, has those in flight
/// first, and then those that are idle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    /// The first slot of the line, or none: that of the oldest request, if any is in flight.
    first: u32,
    /// The last slot of the line, if there is one.
    last: u32,
    /// How many of the oldest are done as the device has said, and still to be taken out.
    promised: u16,
    /// How many bytes the device wrote for the last of these, as it says, and no more than it may; all it may for the others.
    last_bytes: u32,
}

impl Order {
    /// That of a queue without requests, whose idle slots are the first `slots` there are.
    pub(super) const fn of(slots: u16) -> Self {
        Self {
            first: 0,
            last: slots.wrapping_sub(1) as u32,
            promised: 0,
            last_bytes: 0,
        }
    }

    /// Returns the slot of the oldest request, if there is one that is in flight.
    #[inline]
    pub(super) const fn first(&self) -> u32 {
        self.first
    }

    /// Puts a slot, which is in no list and has none behind it, behind those that are `idle`.
    #[inline]
    pub(super) fn put<B, C>(&mut self, slots: &mut [Slot<B, C>], idle: &mut Stack, number: u32) {
        if self.first == Stack::NONE {
            self.first = number;
        } else if let Some(before) = slots.get_mut(self.last as usize) {
            before.record.set_next(number);
        }
        idle.begin_with(number);
        self.last = number;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "no slot has more; and as a record has it, a request's number tells those in flight apart"
)]
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
                self.order.first = slot.record.cut_off();
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
        self.order.first = record.cut_off();
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
