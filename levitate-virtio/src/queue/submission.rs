//! Making a request available to the device (§2.7.13, §2.8.21).

use core::marker::PhantomData;
use core::mem::ManuallyDrop;

use levitate_hal::{Dma, OutOfRange, Segments};
use zerocopy::{Immutable, IntoBytes};

use super::chain::{Chain, Part, Parts, Simple, Survey, bytes_of};
use super::ring::{Format, Ring as _};
use super::slot::{Form, State};
use super::slot_memory::Place;
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
        let Some((number, place, part)) = self.admit_again::<H, F>(&data) else {
            return self.submit_any(header, data, footer, context);
        };
        data.sync_for_device();
        // SAFETY: a chain of an `H` and an `F` was laid out before in this slot, so that `admit` has found room for them.
        unsafe { self.memory.write_ends(&place, header, footer) };
        let parts = Simple {
            place,
            data: part,
            fixed: PhantomData::<(H, F)>,
        };
        let token = self.add(number, &parts, part.len_bytes, part.is_writable);
        self.fill(number, data, context);
        Ok(token)
    }

    /// Finds a slot that has a chain of such a form laid out already, and the only part of the data, if there is nothing against
    /// the request; what it is allowed was found out when that was laid out.
    #[inline]
    fn admit_again<H, F>(&self, data: &Data<B>) -> Option<(u16, Place, Part)> {
        if self.fault.is_some() {
            return None;
        }
        let number = self.idle.top()?;
        let is_writable = data.is_writable();
        let form = Form::of::<H, F>(1, is_writable);
        let record = &self.slots.get(usize::from(number))?.record;
        if form == Form::NONE || form != record.form {
            return None;
        }
        let segment = data.segment(0)?;
        let len_bytes = u32::try_from(segment.len_bytes).ok()?;
        // With header and footer, that is no more than a chain may have.
        if len_bytes > self.shape.max_segment_bytes
            || data.segment(1).is_some()
            || data.check_direction().is_err()
        {
            return None;
        }
        let part = Part {
            addr: segment.addr,
            len_bytes,
            is_writable,
        };
        // SAFETY: the offsets in the slots are of the queue's memory (invariant of `Queue`).
        let place = unsafe { self.memory.place(record.offset) };
        Some((number, place, part))
    }

    /// Submits a request of any form.
    #[cold]
    fn submit_any<H, F>(
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
        let offset = self.memory.offset(number);
        // SAFETY: the offset was made by this memory.
        let place = unsafe { self.memory.place(offset) };
        // SAFETY: `admit` has found room for them.
        unsafe { self.memory.write_ends(&place, header, footer) };
        let parts = Chain {
            place,
            header_bytes: bytes_of::<H>(),
            data: &data,
            survey,
            footer_bytes: bytes_of::<F>(),
            max_segment_bytes: self.shape.max_segment_bytes,
        };
        if let Some(slot) = self.slots.get_mut(usize::from(number)) {
            let record = &mut slot.record;
            record.form = match survey.is_simple() {
                true => Form::of::<H, F>(survey.pieces, data.is_writable()),
                false => Form::NONE,
            };
            record.is_direct = parts.len() <= self.shape.direct_descriptors;
            record.footer_bytes = parts.footer_bytes;
            self.ring
                .lay_out(number, &parts, record.is_direct, &self.memory);
        }
        let token = self.add(number, &parts, survey.len_bytes, data.is_writable());
        self.fill(number, data, context);
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
            .ok_or(SubmitError::TooLong)?;
        Ok((slot, survey))
    }

    /// Gives the topmost idle slot, whose chain is laid out but for the only part of its data, to the device.
    #[inline]
    fn add(
        &mut self,
        number: u16,
        parts: &impl Parts,
        data_bytes: u32,
        is_writable: bool,
    ) -> Token {
        let sequence = self.sequence();
        let mut token = Token {
            queue: self.index,
            slot: number,
            generation: 0,
        };
        // The idle slots are some of those there are.
        if let Some(slot) = self.slots.get_mut(usize::from(number)) {
            let record = &mut slot.record;
            self.idle.pop(record);
            record.state = State::InFlight;
            record.sequence = sequence;
            record.data_writable_bytes = if is_writable { data_bytes } else { 0 };
            self.ring.add(record, number, parts, &self.memory);
            token.generation = record.generation;
        }
        if self.shape.is_in_order {
            self.flight.push(self.slots, number);
        }
        self.in_flight = self.in_flight.wrapping_add(1);
        self.counts.requests = self.counts.requests.wrapping_add(1);
        token
    }

    /// Keeps what a request carries while the device has it.
    #[inline]
    fn fill(&mut self, number: u16, data: Data<B>, context: C) {
        if let Some(slot) = self.slots.get_mut(usize::from(number)) {
            slot.data = ManuallyDrop::new(data);
            slot.context = Some(context);
        }
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
