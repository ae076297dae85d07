//! Submitting a request of any form: what is checked, and laid out anew.

use levitate_hal::{Dma, OutOfRange, Segments};
use zerocopy::{Immutable, IntoBytes};

use super::super::chain::{Chain, MAX_CHAIN_BYTES, Parts as _, Survey, bytes_of};
use super::super::ring::{Format, Ring as _};
use super::super::slot::{Form, Way};
use super::super::{Data, Queue, SubmitError, Token};
use super::{Rejected, writable_bytes};
use crate::transport::Notify;

impl<B: Segments, C, D: Dma, N: Notify, R: Format> Queue<'_, B, C, D, N, R> {
    /// Gives back what there is no slot for.
    #[cold]
    fn full(&self, data: Data<B>, context: C) -> Rejected<B, C> {
        Rejected {
            error: self.lacks(1),
            data,
            context,
        }
    }

    /// Submits a request of any form, or one that there is a slot for after all.
    #[cold]
    #[inline(never)]
    pub(super) fn submit_late<H, F>(
        &mut self,
        header: &H,
        footer: &F,
        (data, context): (Data<B>, C),
    ) -> Result<Token, Rejected<B, C>>
    where
        H: IntoBytes + Immutable,
        F: IntoBytes + Immutable,
    {
        if !self.find_idle() {
            return self.submit_any(header, footer, (data, context));
        }
        self.submit_soon(header, data, footer, context, |queue, carried| {
            queue.submit_any(header, footer, carried)
        })
    }

    /// Looks for idle slots where there are none at hand; says whether there were.
    #[cold]
    #[inline(never)]
    pub(super) fn find_idle(&mut self) -> bool {
        // With a fault there are none.
        self.idle.top().is_none()
            && self.fault.is_none()
            && self.order.find_idle(self.slots, &mut self.idle)
    }

    /// Submits a request of any form.
    #[cold]
    pub(super) fn submit_any<H, F>(
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
        // SAFETY: `admit` has found room for it.
        unsafe { place.write_header(header) };
        // SAFETY: as above.
        unsafe { place.write_footer(footer) };
        let parts = Chain {
            place,
            header_bytes: bytes_of::<H>(),
            data: &data,
            survey,
            footer_bytes: bytes_of::<F>(),
            max_segment_bytes: self.shape.max_piece_bytes(),
        };
        // The idle slots are some of those there are, so that `admit` has found one.
        let Some(slot) = self.slots.get_mut(usize::from(number)) else {
            return Err(self.full(data, context));
        };
        let record = &mut slot.record;
        record.way = Way::of(parts.len() <= self.shape.direct_descriptors);
        // It has none before everything is there that goes with one: what follows asks whoever made `B`, who may panic.
        record.form = Form::NONE;
        record.footer_bytes = parts.footer_bytes;
        // SAFETY: `admit` has found room for the parts; what is longer than `direct_descriptors`, of which each slot has as many, and no
        // longer than a chain may be has a table (`Cut`).
        unsafe { self.ring.lay_out(record, number.into(), parts) };
        let sequence = self.progress.sequence();
        // SAFETY: as above, and it is laid out.
        unsafe { self.ring.add(record, &mut self.progress, parts) };
        self.idle.pop(record);
        // INVARIANT: it is laid out, and what `fill` notes is the kind of just this data.
        record.form = match (&data, survey.pieces) {
            (Data::None, _) | (_, 1) => Form::of::<H, F, _>(&data, footer).by(record.way),
            _ => Form::NONE,
        };
        let writable_bytes = writable_bytes(survey.len_bytes, data.is_writable(), bytes_of::<F>());
        slot.fill(sequence, writable_bytes, data, context);
        Ok(self.token_of_last(number.into()))
    }

    /// Finds a slot for a request with such parts, if there is nothing against it; nothing is changed.
    fn admit<H, F>(&self, data: &Data<B>) -> Result<(u16, Survey), SubmitError> {
        let shape = &self.shape;
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        let slot = self.idle.top().ok_or_else(|| self.lacks(1))?;
        let survey = Survey::of(data, shape.max_segments, shape.max_piece_bytes())?;
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
