//! Making a request available to the device (§2.7.13, §2.8.21).

mod any;

use levitate_hal::{Dma, Segments};
use zerocopy::{Immutable, IntoBytes};

use super::chain::{Chain, Part, Simple, Survey, bytes_of};
use super::ring::{Format, Ring as _};
use super::slot::{Form, Way, is_kept};
use super::slot_memory::{Place, SlotMemory};
use super::{Data, Queue, Slot, SubmitError, Token};
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
    #[inline(always)]
    pub fn submit<H, F>(
        &mut self,
        header: &H,
        data: Data<B>,
        footer: &F,
        context: C,
    ) -> Result<Token, Rejected<B, C>>
    where
        H: IntoBytes + Immutable,
        F: IntoBytes + Immutable,
    {
        if let Data::None = data {
            return self.submit_bare(header, footer, context);
        }
        self.submit_soon(header, data, footer, context, |queue, carried| {
            queue.submit_late(header, footer, carried)
        })
    }

    /// As [`submit`](Self::submit), into a slot that is laid out for such a request; where there is none, `otherwise` gets what it was to
    /// carry.
    #[inline(always)]
    fn submit_soon<H, F>(
        &mut self,
        header: &H,
        data: Data<B>,
        footer: &F,
        context: C,
        otherwise: impl FnOnce(&mut Self, (Data<B>, C)) -> Result<Token, Rejected<B, C>>,
    ) -> Result<Token, Rejected<B, C>>
    where
        H: IntoBytes + Immutable,
        F: IntoBytes + Immutable,
    {
        // With a fault, or where there is no idle slot, that is none's.
        let number = self.idle.top_or_none();
        if let Some(slot) = self.slots.get_mut(number as usize)
            && let Some(part) = data.only_part(self.shape.max_segment_bytes)
        {
            let (found, wanted) = (slot.record.form, Form::of::<H, F, _>(&data, footer));
            #[expect(clippy::cast_possible_truncation, reason = "no slot has more")]
            let token = Token::new(self.index, number as u16, self.progress.sequence());
            // One comparison each, for form and way in one; by either way all is in line up to the end.
            if found.is(wanted.by(Way::Table)) {
                // SAFETY: the offsets in the slots are of the queue's memory; a chain of an `H`, an `F` and data of this kind was laid out
                // before in this slot, as its form says (both invariants of `Queue`), so that `admit` has found room for them.
                let place = unsafe {
                    fill(
                        slot,
                        &self.memory,
                        token,
                        part,
                        (header, footer),
                        (data, context),
                    )
                };
                let (footer_bytes, position) = (bytes_of::<F>(), Simple::<H, F>::POSITION);
                // SAFETY: as above, and that chain was just as long, and is laid out in a table.
                unsafe { place.change_table_entry(footer_bytes, position, &part) };
                if let Some(ring) = self.ring.as_split() {
                    ring.make_available(&mut self.progress, slot.record.word);
                    self.idle.pop(&slot.record);
                } else if let Some(ring) = self.ring.as_packed() {
                    let table = place.table(footer_bytes, Simple::<H, F>::LEN);
                    ring.add_table(&mut slot.record, &table);
                    self.progress.note_submitted();
                    self.idle.pop(&slot.record);
                }
                return Ok(token);
            }
            if found.is(wanted.by(Way::Direct)) {
                // SAFETY: as above.
                unsafe {
                    fill(
                        slot,
                        &self.memory,
                        token,
                        part,
                        (header, footer),
                        (data, context),
                    )
                };
                if let Some(ring) = self.ring.as_split() {
                    ring.change_descriptor(slot.record.head, Simple::<H, F>::POSITION, &part);
                    ring.make_available(&mut self.progress, slot.record.word);
                    self.idle.pop(&slot.record);
                    return Ok(token);
                }
                if let Some(ring) = self.ring.as_packed() {
                    self.progress.note_submitted();
                    self.idle.pop(&slot.record);
                    let (record, memory) = (&mut slot.record, &self.memory);
                    let data = (part.addr, part.len_bytes);
                    let token = match part.is_writable {
                        // SAFETY: as above, the chain is direct, and which way the part goes is in the slot's form, which is the same.
                        true => unsafe {
                            ring.add_simple::<H, F, true>(record, memory, data, token)
                        },
                        // SAFETY: as above.
                        false => unsafe {
                            ring.add_simple::<H, F, false>(record, memory, data, token)
                        },
                    };
                    return Ok(token);
                }
                return Ok(token);
            }
        }
        // The pair is made only here, so that neither need be in memory before.
        otherwise(self, (data, context))
    }

    /// As [`submit`](Self::submit), for a request without data, which is laid out as the one before was.
    #[inline]
    fn submit_bare<H, F>(
        &mut self,
        header: &H,
        footer: &F,
        context: C,
    ) -> Result<Token, Rejected<B, C>>
    where
        H: IntoBytes + Immutable,
        F: IntoBytes + Immutable,
    {
        if self.idle.top().is_none() {
            self.find_idle();
        }
        let form = Form::of::<H, F, B>(&Data::None, footer);
        let is_of_form = |slot: &Slot<B, C>| slot.record.form.is_by_any_way(form);
        let top = self.slots.get(self.idle.top_or_none() as usize);
        if top.is_some_and(|slot| !is_of_form(slot)) && !self.shape.is_in_order {
            // Commands that take turns find their slots the other way round; in order, no slot is used twice in a row.
            self.idle.exchange(self.slots);
        }
        // With a fault, or where there is no idle slot, that is none's.
        let number = self.idle.top_or_none();
        if let Some(slot) = self.slots.get_mut(number as usize)
            && is_of_form(slot)
        {
            let sequence = self.progress.sequence();
            // SAFETY: the form is that of a request without data, and so is the record's kind (invariant of `Queue`).
            unsafe { slot.fill_again(sequence, bytes_of::<F>(), Data::None, context) };
            // SAFETY: the offsets in the slots are of the queue's memory (invariant of `Queue`).
            let place = unsafe { self.memory.place(slot.record.offset) };
            // SAFETY: a chain of an `H` and an `F` was laid out before in this slot, so that `admit` has found room for them.
            unsafe { write_fixed(&place, header, footer) };
            let chain = Chain {
                place,
                header_bytes: bytes_of::<H>(),
                data: &Data::<B>::None,
                survey: Survey::NOTHING,
                footer_bytes: bytes_of::<F>(),
                max_segment_bytes: self.shape.max_piece_bytes(),
            };
            // SAFETY: as above, and that chain was just as long and is still laid out.
            unsafe { self.ring.add(&mut slot.record, &mut self.progress, chain) };
            self.idle.pop(&slot.record);
            return Ok(self.token_of_last(number));
        }
        self.submit_any(header, footer, (Data::None, context))
    }

    /// Names the request that was submitted last, and got this slot.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "no slot has more")]
    const fn token_of_last(&self, number: u32) -> Token {
        Token::new(self.index, number as u16, self.progress.last())
    }
}

/// Fills an idle slot, which is laid out for such a request, with all of it but for what the device finds in a descriptor; returns where
/// its parts are.
///
/// # Safety
///
/// The slot's offset is of this `memory`, a chain of an `H` and an `F` was laid out in the slot, and `data` is of the kind that its
/// record has.
#[inline(always)]
unsafe fn fill<'a, B: Segments, C, D: Dma, H, F>(
    slot: &mut Slot<B, C>,
    memory: &'a SlotMemory<D>,
    token: Token,
    part: Part,
    (header, footer): (&H, &F),
    (mut data, context): (Data<B>, C),
) -> Place<'a>
where
    H: IntoBytes + Immutable,
    F: IntoBytes + Immutable,
{
    data.sync_for_device();
    let writable_bytes = writable_bytes(part.len_bytes, part.is_writable, bytes_of::<F>());
    // SAFETY: the caller vouches for it.
    unsafe { slot.fill_again(token.sequence(), writable_bytes, data, context) };
    // SAFETY: the caller vouches for it.
    let place = unsafe { memory.place(slot.record.offset) };
    // SAFETY: as above.
    unsafe { write_fixed(&place, header, footer) };
    place
}

/// Writes the header of a request that is laid out as the one before it was, and the footer, unless that is [kept](is_kept).
///
/// # Safety
///
/// A chain of an `H` and an `F` was laid out in this slot.
#[inline(always)]
unsafe fn write_fixed<H, F>(place: &Place<'_>, header: &H, footer: &F)
where
    H: IntoBytes + Immutable,
    F: IntoBytes + Immutable,
{
    // SAFETY: the caller vouches for it.
    unsafe { place.write_header(header) };
    if !is_kept::<F>() {
        // SAFETY: as above.
        unsafe { place.write_footer(footer) };
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
