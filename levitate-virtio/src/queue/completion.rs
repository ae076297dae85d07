//! Taking back what the device is done with (§2.7.14, §2.8.22): [`Completed`].

use levitate_hal::{Dma, Segments};
use zerocopy::{FromBytes, IntoBytes};

use super::polling::Pace;
use super::ring::{Format, Ring as _, Used};
use super::slot::{Record, Stack, State, Written, is_kept};
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
    /// Whether that is all that it might write: all writable data, and the footer.
    pub is_whole: bool,
    /// The data.
    pub data: Data<B>,
    /// The driver's context.
    pub context: C,
}

impl<F, B: Segments, C> Completed<F, B, C> {
    #[inline]
    pub(super) fn new(
        token: Token,
        footer: F,
        record: &Record,
        written: Written,
        mut data: Data<B>,
        context: C,
    ) -> Self {
        data.sync_for_cpu();
        // Data comes before the footer.
        let capacity_bytes = written.capacity_bytes.wrapping_sub(record.footer_bytes);
        let data_bytes = written.len_bytes.min(capacity_bytes);
        let footer_bytes = written.len_bytes.wrapping_sub(data_bytes);
        Self {
            token,
            footer,
            footer_bytes: (footer_bytes as usize).min(size_of::<F>()),
            data_bytes: data_bytes as usize,
            is_whole: written.len_bytes == written.capacity_bytes,
            data,
            context,
        }
    }
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
            let found = match self.shape.is_in_order {
                true => self.next_in_order(),
                false => self.next_in_any_order(),
            };
            match found {
                Ok(Some(number)) => {
                    self.keep(number);
                    total = total.saturating_add(1);
                }
                Ok(None) if self.settle() => {}
                Ok(None) => return Ok(total),
                Err(fault) => return Err(self.broken(fault)),
            }
        }
    }

    /// Takes a request back that is done; `None` if it is not, or was taken before.
    ///
    /// `F` may be shorter than the footer that was submitted; of a longer one, the rest is zero.
    #[inline]
    pub fn take<F: FromBytes + IntoBytes>(&mut self, token: Token) -> Option<Completed<F, B, C>> {
        match self.is_done(token) {
            true => self.take_done(token.slot()),
            false => None,
        }
    }

    /// Takes a request back that is in the list of what is done.
    #[inline(always)]
    pub(super) fn take_done<F: FromBytes + IntoBytes>(
        &mut self,
        number: u16,
    ) -> Option<Completed<F, B, C>> {
        self.unlist(number);
        self.give_back(number)
    }

    /// Gives a request back that is done and in no list.
    #[inline(always)]
    pub(super) fn give_back<F: FromBytes + IntoBytes>(
        &mut self,
        number: u16,
    ) -> Option<Completed<F, B, C>> {
        self.put_idle(number);
        self.empty(number)
    }

    /// Has a slot idle, which is in no list, and whose request is about to be given back.
    #[inline]
    pub(super) fn put_idle(&mut self, number: u16) {
        match self.shape.is_in_order {
            _ if self.fault.is_some() => {}
            true => self.order.put(self.slots, &mut self.idle, number.into()),
            false => self.idle.push(self.slots, number),
        }
    }

    /// Gives a request back that is done, and whose slot is where it has to be.
    #[inline(always)]
    pub(super) fn empty<F: FromBytes + IntoBytes>(
        &mut self,
        number: u16,
    ) -> Option<Completed<F, B, C>> {
        let slot = self.slots.get_mut(usize::from(number))?;
        let token = Token::of(self.index, number, &slot.record);
        let (written, data, context) = slot.empty_done()?;
        let footer = take_footer(&self.memory, &slot.record);
        Some(Completed::new(
            token,
            footer,
            &slot.record,
            written,
            data,
            context,
        ))
    }

    /// Takes a slot out of the list of what is done.
    pub(super) fn unlist(&mut self, number: u16) {
        self.done.remove(self.slots, number);
        self.done_len = self.done_len.wrapping_sub(1);
        self.pace = self.pace();
    }

    /// Looks for a request that the device is done with; returns its slot, which is in no list, with its request done.
    fn next_in_any_order(&mut self) -> Result<Option<u16>, DeviceFault> {
        let Some(used) = self.ring.next_used(self.progress)? else {
            return Ok(None);
        };
        let record = self.record(used)?;
        let written_bytes = written_bytes(self.interface, record, used)?;
        let descriptors = record.descriptors;
        self.ring.pass_used(descriptors);
        if let Some(slot) = self.slots.get_mut(usize::from(used.number())) {
            slot.record.note_done(written_bytes);
        }
        self.progress.done = self.progress.done.wrapping_add(1);
        Ok(Some(used.number()))
    }

    /// Returns the record of a request that the device says it is done with, if it had it.
    #[inline]
    pub(super) fn record(&self, used: Used) -> Result<&Record, DeviceFault> {
        let id = used.id;
        match self.slots.get(used.slot as usize) {
            Some(slot) if slot.record.state() == State::InFlight => Ok(&slot.record),
            Some(_) => Err(DeviceFault::NotInFlight { id }),
            None => Err(DeviceFault::UnknownId { id }),
        }
    }

    /// Puts a slot whose request is done into the list of what is.
    fn keep(&mut self, number: u16) {
        self.done.push(self.slots, number);
        self.done_len = self.done_len.wrapping_add(1);
        self.pace = Pace::Slow;
    }

    #[cold]
    fn broken(&mut self, fault: DeviceFault) -> DeviceFault {
        self.set_fault(fault);
        fault
    }

    /// Has the queue out of use: nothing is submitted, and no slot is idle for anything new.
    pub(super) const fn set_fault(&mut self, fault: DeviceFault) {
        self.fault = Some(fault);
        self.idle = Stack::EMPTY;
        self.pace = Pace::Slow;
    }

    /// Tells the device, which is done with nothing more, of what it shall notify next; says whether it may be done with something
    /// after all.
    fn settle(&mut self) -> bool {
        let done = self.progress.done;
        if self.wants_notifications {
            let awaited = u16::try_from(self.awaited.wrapping_sub(done)).unwrap_or_else(|_| {
                // It is past; left behind, it would come round.
                self.awaited = done;
                0
            });
            let after = awaited.min(self.in_flight()).max(1);
            return self.ring.request_used_notification(self.progress, after);
        }
        if done != self.settled {
            self.settled = done;
            self.ring.suppress_used_notifications(self.progress);
        }
        false
    }
}

/// Reads the footer of the request that a slot had last; one that is [kept](is_kept) is as it was at first again.
#[inline]
pub(super) fn take_footer<F: FromBytes + IntoBytes, D: Dma>(
    memory: &SlotMemory<D>,
    record: &Record,
) -> F {
    // SAFETY: the offsets in the slots are of the queue's memory (invariant of `Queue`).
    let place = unsafe { memory.place(record.offset) };
    // SAFETY: a footer as long as the record says was laid out in this slot.
    let footer = unsafe { place.read_footer(record.footer_bytes) };
    let is_kept = match is_kept::<F>() {
        // What is written where it is longer is written again before the device sees it.
        true => record.footer_bytes >= 1,
        false => record.footer_bytes == 1,
    };
    if is_kept {
        // SAFETY: as above, of a byte or more.
        unsafe { place.write_footer(&record.form.kept_footer()) };
    }
    footer
}

/// Returns how many bytes the device wrote, as it says; a legacy device's word means nothing (§2.7.8.1).
#[inline]
pub(super) fn written_bytes(
    interface: Interface,
    record: &Record,
    used: Used,
) -> Result<u32, DeviceFault> {
    let capacity_bytes = record.capacity_bytes();
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
    use crate::queue::Slot;

    #[test]
    fn a_length_without_a_meaning_counts_only_if_it_fits() {
        let mut slot = Slot::<(), ()>::new();
        slot.fill(0, 513, Data::None, ());
        let record = slot.record;
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
