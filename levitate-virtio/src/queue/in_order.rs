//! Requests that are used in the order they were submitted in (VIRTIO_F_IN_ORDER, §2.7.9, §2.8.8): [`Order`].

use levitate_hal::{Dma, Segments};

use super::completion::written_bytes;
use super::ring::{Format, Progress, Ring};
use super::slot::{Line, Record, Slot, Stack, Written};
use super::{DeviceFault, Queue};
use crate::transport::Notify;

/// Which requests the device has, the oldest first, and of how many of them it has said that they are done.
///
/// One word of it is about many: what it says of one request is true of all it got before. They are taken out one by one nevertheless,
/// each when it is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    line: Line,
    /// The number of the first request that the device has not said of that it is done, if that is beyond what is taken out; else any.
    promised: u64,
    /// How many bytes the device wrote for the last of these, as it says, and no more than it may; all it may for the others.
    last_bytes: u32,
}

impl Order {
    /// That of a queue without requests, whose idle slots are the first `slots` there are.
    pub(super) const fn of(slots: u16) -> Self {
        Self {
            line: Line::of(slots),
            promised: 0,
            last_bytes: 0,
        }
    }

    /// Returns the slot of the oldest request, if there is one that is in flight.
    #[inline]
    pub(super) const fn first(&self) -> u32 {
        self.line.first()
    }

    /// Puts a slot, which is in no list and has none behind it, behind those that are `idle`.
    pub(super) fn put<B, C>(&mut self, slots: &mut [Slot<B, C>], idle: &mut Stack, number: u32) {
        self.line.put(slots, idle, number);
    }

    /// Has slots `idle` that are known only here; says whether there are any.
    pub(super) fn find_idle<B, C>(&mut self, slots: &mut [Slot<B, C>], idle: &mut Stack) -> bool {
        self.line.lengthen(slots, idle)
    }

    /// Takes the oldest request back, if the device is done with it; nothing happens where anything is out of the ordinary.
    #[inline(always)]
    pub(super) fn take<'a, B, C, D: Dma>(
        &mut self,
        ring: &mut impl Ring<D>,
        progress: Progress,
        slots: &'a mut [Slot<B, C>],
    ) -> Option<(u32, &'a mut Slot<B, C>, Written)> {
        let number = self.line.first();
        let slot = slots.get_mut(number as usize)?;
        let written = match self.is_promised(progress) {
            false => ring.take_used_of(progress, number, &slot.record)?,
            true => self.keep_promise(ring, progress, &slot.record),
        };
        self.line.pass(number, &slot.record);
        Some((number, slot, written))
    }

    /// Says whether the device has said that the oldest request is done, which is still to be taken out.
    #[inline]
    const fn is_promised(&self, progress: Progress) -> bool {
        progress.done < self.promised
    }

    /// Has the oldest request done, as was promised.
    #[inline]
    fn keep_promise<D: Dma>(
        &self,
        ring: &mut impl Ring<D>,
        progress: Progress,
        record: &Record,
    ) -> Written {
        let capacity_bytes = record.capacity_bytes();
        let len_bytes = match progress.done.wrapping_add(1) == self.promised {
            true => self.last_bytes,
            // Of those before the last one the device says nothing more: they were used completely.
            false => {
                ring.pass_used(record.descriptors);
                capacity_bytes
            }
        };
        Written {
            len_bytes,
            capacity_bytes,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "no slot has more; and as a record has it, a request's number tells those in flight apart"
)]
impl<B: Segments, C, D: Dma, N: Notify, R: Format> Queue<'_, B, C, D, N, R> {
    /// Takes the oldest request out, if the device is done with it; returns its slot, which is in no list, with its request done.
    pub(super) fn next_in_order(&mut self) -> Result<Option<u16>, DeviceFault> {
        if !self.order.is_promised(self.progress) {
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

    /// Reads what the device says next, of which nothing is promised before; `None` unless the oldest request is from then on.
    pub(super) fn hear(&mut self) -> Option<()> {
        let (number, _, written) = self.ring.take_used(self.progress, self.slots)?;
        self.learn(number, written.len_bytes)
    }

    /// Has the oldest request, which is done, leave the order.
    pub(super) fn leave(&mut self) -> Option<u16> {
        let number = self.order.line.take_out(self.slots, &mut self.idle);
        let record = &mut self.slots.get_mut(number as usize)?.record;
        let written = self
            .order
            .keep_promise(&mut self.ring, self.progress, record);
        record.note_done(written.len_bytes);
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
        self.order.promised = self.progress.done.wrapping_add(count.into());
        self.order.last_bytes = last_bytes;
        Some(())
    }
}
