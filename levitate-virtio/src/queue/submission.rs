//! Making a request available to the device (§2.7.13, §2.8.21).

use core::marker::PhantomData;

use levitate_hal::{Dma, OutOfRange, Segments};
use zerocopy::{Immutable, IntoBytes};

use super::chain::{Chain, MAX_CHAIN_BYTES, Parts, Simple, Survey, bytes_of};
use super::ring::{Format, Ring as _};
use super::slot::Form;
use super::{Data, Queue, SubmitError, Token};
use crate::transport::Notify;

/// A request that was not submitted, with everything it was to carry.
#[derive(Debug)]
pub struct Rejected<B, C> {
    /// Why.
    pub error: SubmitError,
    /// The data, unchanged.
    pub data: Data<B>,
    /// The driver's context.
    pub context: C,
}

impl<B: Segments, C, D: Dma, N: Notify, R: Format> Queue<'_, B, C, D, N, R> {
    /// Makes a request available to the device, without notifying it.
    ///
    /// `header` is device-readable; `footer` is device-writable and holds its initial value; a zero-sized one is left out.
    ///
    /// # Errors
    ///
    /// [`SubmitError`], with what was handed in; the queue is unchanged.
    #[inline]
    pub fn submit<H, F>(
        &mut self,
        header: &H,
        mut data: Data<B>,
        footer: &F,
        context: C,
    ) -> Result<Token, Rejected<B, C>>
    where
        H: IntoBytes + Immutable,
        F: IntoBytes + Immutable,
    {
        // With a fault, or where there is no idle slot, that is none's.
        let top = self.idle.top_or_none();
        #[expect(clippy::cast_possible_truncation, reason = "no slot has more")]
        let number = top as u16;
        if let Some(slot) = self.slots.get_mut(top as usize)
            && slot.record.form.is(Form::of::<H, F>(data.is_writable()))
            && let Some(part) = data.only_part(self.shape.max_segment_bytes)
        {
            data.sync_for_device();
            // SAFETY: the offsets in the slots are of the queue's memory (invariant of `Queue`).
            let place = unsafe { self.memory.place(slot.record.offset) };
            // SAFETY: a chain of an `H` and an `F` was laid out before in this slot, so that `admit` has found room for them.
            unsafe { place.write_ends(header, footer) };
            let parts = Simple {
                place,
                data: part,
                fixed: PhantomData::<(H, F)>,
            };
            let record = &mut slot.record;
            // SAFETY: as above, and that chain was just as long and is still laid out.
            if unsafe { self.ring.add_again(record, number, self.progress, parts) } {
                let writable_bytes =
                    writable_bytes(part.len_bytes, part.is_writable, bytes_of::<F>());
                self.idle.pop(record);
                slot.fill(self.progress.sequence(), writable_bytes, data, context);
                let token = Token::of(self.index, number, &slot.record);
                self.note_submitted(number);
                return Ok(token);
            }
        }
        // The pair is made only here, so that neither need be in memory before.
        self.submit_any(header, footer, (data, context))
    }

    /// Submits a request of any form.
    #[cold]
    fn submit_any<H, F>(
        &mut self,
        header: &H,
        footer: &F,
        (mut data, context): (Data<B>, C),
    ) -> Result<Token, Rejected<B, C>>
    where
        H: IntoBytes + Immutable,
        F: IntoBytes + Immutable,
    {
        let (number, survey) = match self.admit::<H, F>(&data) {
            Ok(admitted) => admitted,
            Err(error) => {
                return Err(Rejected {
                    error,
                    data,
                    context,
                });
            }
        };
        data.sync_for_device();
        // SAFETY: the offset was made by this memory.
        let place = unsafe { self.memory.place(self.memory.offset(number)) };
        // SAFETY: `admit` has found room for them.
        unsafe { place.write_ends(header, footer) };
        let parts = Chain {
            place,
            header_bytes: bytes_of::<H>(),
            data: &data,
            survey,
            footer_bytes: bytes_of::<F>(),
            max_segment_bytes: self.shape.max_segment_bytes,
        };
        // The idle slots are some of those there are, so that `admit` has found one.
        let Some(slot) = self.slots.get_mut(usize::from(number)) else {
            let slots = self.shape.slots;
            return Err(Rejected {
                error: SubmitError::Full { slots },
                data,
                context,
            });
        };
        let record = &mut slot.record;
        record.form = match survey.pieces {
            1 => Form::of::<H, F>(data.is_writable()),
            _ => Form::NONE,
        };
        record.is_direct = parts.len() <= self.shape.direct_descriptors;
        record.footer_bytes = parts.footer_bytes;
        // SAFETY: `admit` has found room for the parts; what is longer than `direct_descriptors`, of which each slot has as many, and no
        // longer than a chain may be has a table (`Cut`).
        unsafe { self.ring.lay_out(record, number, parts) };
        // SAFETY: as above, and it is laid out.
        unsafe { self.ring.add(record, number, self.progress, parts) };
        self.idle.pop(record);
        let writable_bytes = writable_bytes(survey.len_bytes, data.is_writable(), bytes_of::<F>());
        slot.fill(self.progress.sequence(), writable_bytes, data, context);
        let token = Token::of(self.index, number, &slot.record);
        self.note_submitted(number);
        Ok(token)
    }

    /// Finds a slot for a request with such parts, if there is nothing against it; nothing is changed.
    fn admit<H, F>(&self, data: &Data<B>) -> Result<(u16, Survey), SubmitError> {
        let shape = &self.shape;
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        let slots = shape.slots;
        let slot = self.idle.top().ok_or(SubmitError::Full { slots })?;
        let survey = Survey::of(data, shape.max_segments, shape.max_segment_bytes)?;
        check_part(size_of::<H>(), shape.header_bytes)?;
        check_part(size_of::<F>(), shape.footer_bytes)?;
        let fixed_bytes = size_of::<H>().saturating_add(size_of::<F>());
        if survey.pieces == 0 && fixed_bytes == 0 {
            return Err(SubmitError::Empty);
        }
        u32::try_from(fixed_bytes)
            .ok()
            .and_then(|fixed_bytes| survey.len_bytes.checked_add(fixed_bytes))
            .filter(|len_bytes| *len_bytes <= MAX_CHAIN_BYTES)
            .ok_or(SubmitError::TooLong)?;
        Ok((slot, survey))
    }

    /// Counts a request, which got this slot.
    #[inline]
    fn note_submitted(&mut self, slot: u16) {
        self.progress.submitted = self.progress.submitted.wrapping_add(1);
        if self.shape.is_in_order {
            self.note_order(slot);
        }
    }

    #[cold]
    fn note_order(&mut self, slot: u16) {
        self.flight.push(self.slots, slot);
    }
}

/// Returns how many bytes the device may write of data so long and a footer so long; all of it is no more than a chain may have.
#[inline]
const fn writable_bytes(data_bytes: u32, is_writable: bool, footer_bytes: u32) -> u32 {
    match is_writable {
        true => data_bytes.wrapping_add(footer_bytes),
        false => footer_bytes,
    }
}

/// Refuses a header or a footer that there is no room for.
fn check_part(len_bytes: usize, region_bytes: usize) -> Result<(), SubmitError> {
    if len_bytes > region_bytes {
        return Err(SubmitError::Oversized(OutOfRange {
            offset: 0,
            len_bytes,
            region_bytes,
        }));
    }
    Ok(())
}
