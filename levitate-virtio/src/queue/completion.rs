//! Taking back what the device is done with (§2.7.14, §2.8.22): [`Completed`].

use levitate_hal::{Dma, Segments};
use zerocopy::{FromBytes, IntoBytes};

use super::ring::{Format, Ring, Used};
use super::slot::{Record, Slot, Stack, State};
use super::slot_memory::SlotMemory;
use super::{Data, DeviceFault, Queue, Token};
use crate::transport::{Interface, Notify};

/// A request the device is done with.
#[derive(Debug)]
pub struct Completed<F, B, C> {
    /// The request.
    pub token: Token,
    /// A copy of the footer; of it, the device wrote [`footer_bytes`](Self::footer_bytes), the rest is as it was submitted.
    pub footer: F,
    /// How many bytes of the footer the device says it wrote (all of them on a legacy device, whose word means nothing, §2.7.8.1).
    pub footer_bytes: usize,
    /// How many bytes of writable data the device says it wrote (all of them on a legacy device).
    pub data_bytes: usize,
    /// The data.
    pub data: Data<B>,
    /// The driver's context.
    pub context: C,
}

impl<B: Segments, C, D: Dma, N: Notify, R: Format> Queue<'_, B, C, D, N, R> {
    /// Collects what the device is done with; returns how many requests that were.
    ///
    /// # Errors
    ///
    /// [`DeviceFault`], now and from then on; the queue is of no use until the device is reset.
    pub fn process(&mut self) -> Result<u16, DeviceFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut total = 0_u16;
        // Each turn but the last collects something, or sees that there is something after all, so that there are no more than
        // two for each request in flight, and one.
        loop {
            let collected = match self.shape.is_in_order {
                true => self.collect_batch(),
                false => self.collect_one(),
            };
            match collected {
                Ok(0) if self.settle() => {}
                Ok(0) => return Ok(total),
                Ok(count) => total = total.saturating_add(count),
                Err(fault) => return Err(self.broken(fault)),
            }
        }
    }

    /// Takes back the request that has been done for longest, if there is one; collects what the device is done with only as far
    /// as that takes.
    ///
    /// Where notifications are wanted and the driver is about to wait for one, it is called until there is nothing.
    ///
    /// # Errors
    ///
    /// [`DeviceFault`], once all that was done properly is taken; the queue is of no use until the device is reset.
    #[inline]
    pub fn poll<F: FromBytes + IntoBytes>(
        &mut self,
    ) -> Result<Option<Completed<F, B, C>>, DeviceFault> {
        if !self.is_plain {
            return self.poll_any();
        }
        let used = match self.ring.next_used(self.in_flight) {
            Ok(Some(used)) => used,
            Ok(None) => return self.poll_idle(),
            Err(fault) => return Err(self.broken(fault)),
        };
        let (number, slot, written_bytes) =
            match used_slot(self.slots, &mut self.ring, self.interface, used) {
                Ok(found) => found,
                Err(fault) => return Err(self.broken(fault)),
            };
        self.in_flight = self.in_flight.wrapping_sub(1);
        let token = Token {
            queue: self.index,
            slot: number,
            generation: slot.record.generation,
        };
        Ok(empty(
            token,
            slot,
            written_bytes,
            &self.memory,
            &mut self.idle,
        ))
    }

    /// As [`poll`](Self::poll), where the device was done with nothing more just now.
    fn poll_idle<F: FromBytes + IntoBytes>(
        &mut self,
    ) -> Result<Option<Completed<F, B, C>>, DeviceFault> {
        match self.settle() {
            true => self.poll_any(),
            false => Ok(None),
        }
    }

    /// As [`poll`](Self::poll), where something was collected before, or is collected in batches.
    #[cold]
    fn poll_any<F: FromBytes + IntoBytes>(
        &mut self,
    ) -> Result<Option<Completed<F, B, C>>, DeviceFault> {
        let mut collected = Ok(0);
        if self.done.first().is_none() {
            collected = self.process();
        }
        // What was done before a fault comes before the fault.
        let taken = self.next_done().and_then(|token| self.take(token));
        self.is_plain = self.is_plain();
        match taken {
            Some(taken) => Ok(Some(taken)),
            None => collected.map(|_| None),
        }
    }

    /// Says whether what is next in the ring is next for whoever asks, and the device need not be told of any wish.
    pub(super) const fn is_plain(&self) -> bool {
        self.done.first().is_none()
            && self.fault.is_none()
            && !self.shape.is_in_order
            && !self.wants_notifications
    }

    /// Takes a request back that is done; `None` if it is not, or was taken before.
    ///
    /// `F` may be shorter than the footer that was submitted; of a longer one, the rest is zero.
    #[inline]
    pub fn take<F: FromBytes + IntoBytes>(&mut self, token: Token) -> Option<Completed<F, B, C>> {
        if !self.is_done(token) {
            return None;
        }
        self.done.remove(self.slots, token.slot);
        let slot = self.slots.get_mut(usize::from(token.slot))?;
        let written_bytes = slot.record.written_bytes;
        empty(token, slot, written_bytes, &self.memory, &mut self.idle)
    }

    /// Looks for one request that the device is done with; returns how many that are, all of them in the list.
    fn collect_one(&mut self) -> Result<u16, DeviceFault> {
        let Some(used) = self.ring.next_used(self.in_flight)? else {
            return Ok(0);
        };
        let (number, _, written_bytes) =
            used_slot(self.slots, &mut self.ring, self.interface, used)?;
        self.in_flight = self.in_flight.wrapping_sub(1);
        self.keep(number, written_bytes);
        Ok(1)
    }

    /// With VIRTIO_F_IN_ORDER: what the device says of one request is true of all it got before (§2.7.9, §2.8.8); returns how many
    /// are done with that, all of them in the list.
    fn collect_batch(&mut self) -> Result<u16, DeviceFault> {
        let Some(used) = self.ring.next_used(self.in_flight)? else {
            return Ok(0);
        };
        let id = used.id;
        let last = self.slots.get(used.slot as usize);
        let last = last.ok_or(DeviceFault::UnknownId { id })?.record;
        if last.state != State::InFlight {
            return Err(DeviceFault::NotInFlight { id });
        }
        let last_written_bytes = written_bytes(self.interface, &last, used)?;
        let oldest = self.flight.first().and_then(|number| self.record(number));
        let before = oldest.map_or(0, |oldest| last.sequence.wrapping_sub(oldest.sequence));
        // There are no more of them in flight than a queue has descriptors.
        let count = u16::try_from(before).unwrap_or(u16::MAX).saturating_add(1);
        if !self.ring.covers(count) {
            return Err(DeviceFault::OutOfOrder { id });
        }
        let mut descriptors = 0_u16;
        for turn in 1..=count {
            let Some(number) = self.flight.first() else {
                break;
            };
            self.flight.remove(self.slots, number);
            let Some(slot) = self.slots.get_mut(usize::from(number)) else {
                break;
            };
            // Of those before the last one the device says nothing more: they were used completely.
            let written_bytes = match turn == count {
                true => last_written_bytes,
                false => slot.record.writable_bytes(),
            };
            slot.data.sync_for_cpu();
            descriptors = descriptors.wrapping_add(slot.record.descriptors);
            self.keep(number, written_bytes);
        }
        self.in_flight = self.in_flight.wrapping_sub(count);
        self.ring.pass_used(count, descriptors);
        Ok(count)
    }

    /// Puts a slot into the list of what is done.
    fn keep(&mut self, number: u16, written_bytes: u32) {
        if let Some(slot) = self.slots.get_mut(usize::from(number)) {
            slot.record.state = State::Done;
            slot.record.written_bytes = written_bytes;
        }
        self.done.push(self.slots, number);
        self.is_plain = false;
    }

    #[cold]
    fn broken(&mut self, fault: DeviceFault) -> DeviceFault {
        self.fault = Some(fault);
        self.is_plain = false;
        fault
    }

    /// Tells the device, which is done with nothing more, of what it shall notify next; says whether it may be done with something
    /// after all.
    fn settle(&mut self) -> bool {
        let done = self.done_count();
        if self.wants_notifications {
            let awaited = u16::try_from(self.awaited.wrapping_sub(done)).unwrap_or_else(|_| {
                // It is past; left behind, it would come round.
                self.awaited = done;
                0
            });
            let after = awaited.min(self.in_flight).max(1);
            return self.ring.request_used_notification(after);
        }
        if done != self.settled {
            self.settled = done;
            self.ring.suppress_used_notifications();
        }
        false
    }

    /// Returns how many requests the device was done with, counted without end.
    #[inline]
    pub(super) const fn done_count(&self) -> u32 {
        self.sequence().wrapping_sub(self.in_flight as u32)
    }

    #[inline]
    fn record(&self, number: u16) -> Option<&Record> {
        Some(&self.slots.get(usize::from(number))?.record)
    }
}

/// Finds the slot that the device is done with, if it had it, and passes it in the ring; returns its number, itself, and how many
/// bytes the device wrote.
#[inline]
fn used_slot<'a, B: Segments, C, D: Dma>(
    slots: &'a mut [Slot<B, C>],
    ring: &mut impl Ring<D>,
    interface: Interface,
    used: Used,
) -> Result<(u16, &'a mut Slot<B, C>, u32), DeviceFault> {
    let id = used.id;
    let Some(slot) = slots.get_mut(used.slot as usize) else {
        return Err(DeviceFault::UnknownId { id });
    };
    if slot.record.state != State::InFlight {
        return Err(DeviceFault::NotInFlight { id });
    }
    let written_bytes = written_bytes(interface, &slot.record, used)?;
    slot.data.sync_for_cpu();
    ring.pass_used(1, slot.record.descriptors);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "there is such a slot, and they are numbered in 16 bits"
    )]
    let number = used.slot as u16;
    Ok((number, slot, written_bytes))
}

/// Empties a slot whose request is done, and which is in no list.
#[inline]
fn empty<F: FromBytes + IntoBytes, B, C, D: Dma>(
    token: Token,
    slot: &mut Slot<B, C>,
    written_bytes: u32,
    memory: &SlotMemory<D>,
    idle: &mut Stack,
) -> Option<Completed<F, B, C>> {
    let record = &mut slot.record;
    // SAFETY: the offsets in the slots are of the queue's memory (invariant of `Queue`).
    let place = unsafe { memory.place(record.offset) };
    let footer = memory.read_footer(&place, record.footer_bytes);
    record.state = State::Idle;
    record.generation = record.generation.wrapping_add(1);
    idle.put(record, token.slot);
    let data_bytes = written_bytes.min(record.data_writable_bytes);
    let footer_bytes = written_bytes.wrapping_sub(data_bytes);
    let context = slot.context.take()?;
    Some(Completed {
        token,
        footer,
        footer_bytes: (footer_bytes as usize).min(size_of::<F>()),
        data_bytes: data_bytes as usize,
        data: slot.take_data(),
        context,
    })
}

/// Returns how many bytes the device wrote, as it says; a legacy device's word means nothing (§2.7.8.1).
#[inline]
fn written_bytes(interface: Interface, record: &Record, used: Used) -> Result<u32, DeviceFault> {
    let capacity_bytes = record.writable_bytes();
    match interface {
        Interface::Legacy => Ok(capacity_bytes),
        Interface::Modern if used.len_bytes <= capacity_bytes => Ok(used.len_bytes),
        Interface::Modern if used.is_len_meant => Err(DeviceFault::UsedLengthTooLong {
            len_bytes: used.len_bytes,
            capacity_bytes,
        }),
        Interface::Modern => Ok(0),
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_length_without_a_meaning_counts_only_if_it_fits() {
        let record = Record {
            data_writable_bytes: 512,
            footer_bytes: 1,
            ..Record::IDLE
        };
        let written = |len_bytes, is_len_meant| {
            let used = Used {
                id: 0,
                slot: 0,
                len_bytes,
                is_len_meant,
            };
            written_bytes(Interface::Modern, &record, used)
        };
        assert_eq!(written(513, true), Ok(513));
        assert_eq!(written(513, false), Ok(513), "as QEMU has it");
        assert_eq!(written(514, false), Ok(0), "reserved, and no fault");
        assert_eq!(
            written(514, true),
            Err(DeviceFault::UsedLengthTooLong {
                len_bytes: 514,
                capacity_bytes: 513
            })
        );
    }
}
