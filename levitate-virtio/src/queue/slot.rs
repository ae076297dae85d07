//! What a queue keeps of each request: [`Slot`], [`Data`], [`Token`].

use core::fmt;
use core::mem::MaybeUninit;

use levitate_hal::{Direction, Segment, Segments};

use super::chain::Part;
use super::{QueueIndex, SubmitError};

mod line;
mod lists;
mod record;

pub(super) use line::Line;
use lists::NONE;
pub(super) use lists::{List, Stack};
use record::Kind;
pub(super) use record::{Form, Record, State, Way, Written, is_kept};

/// Names one request from its submission until it is taken back; in another queue it names nothing.
// The number of the request, of all that the slot ever had, the queue and the slot; one number, for parts that are put together in memory
// have to be there before a CPU loads all of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u64);

impl Token {
    #[inline]
    pub(super) const fn new(queue: QueueIndex, slot: u16, sequence: u32) -> Self {
        Self((sequence as u64) << 32 | (queue.get() as u64) << 16 | slot as u64)
    }

    /// Names the request that a slot has now.
    #[inline]
    pub(super) const fn of(queue: QueueIndex, slot: u16, record: &Record) -> Self {
        Self::new(queue, slot, record.sequence)
    }

    /// Returns the queue that the request was submitted to.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "it is cut out")]
    pub const fn queue(&self) -> QueueIndex {
        QueueIndex::new((self.0 >> 16) as u16)
    }

    /// Returns the number of the request, as its record has it.
    #[inline]
    pub(super) const fn sequence(&self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it is cut out")]
    pub(super) const fn slot(&self) -> u16 {
        self.0 as u16
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("queue", &self.queue())
            .field("slot", &self.slot())
            .field("sequence", &(self.0 >> 32))
            .finish()
    }
}

/// What a request carries between its header and its footer.
#[derive(Debug)]
pub enum Data<B> {
    /// Nothing.
    None,
    /// Memory the device reads.
    Readable(B),
    /// Memory the device writes.
    Writable(B),
}

impl<B> Data<B> {
    /// Returns the memory, if there is any.
    pub fn into_inner(self) -> Option<B> {
        match self {
            Self::None => None,
            Self::Readable(buffer) | Self::Writable(buffer) => Some(buffer),
        }
    }
}

impl<B: Segments> Data<B> {
    pub(super) fn segment(&self, index: usize) -> Option<Segment> {
        match self {
            Self::None => None,
            Self::Readable(buffer) | Self::Writable(buffer) => buffer.segment(index),
        }
    }

    /// Returns the only piece of the data, if there is nothing else, and nothing against it; it is at most so long, which is not 0.
    #[inline]
    pub(super) fn only_part(&self, max_bytes: u64) -> Option<Part> {
        let segment = self.segment(0)?;
        let is_only = self.segment(1).is_none() && self.check_direction().is_ok();
        // It is not empty either: the long way leaves that out.
        let is_fit = (segment.len_bytes as u64).wrapping_sub(1) < max_bytes;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is no more than `max_bytes`"
        )]
        let len_bytes = segment.len_bytes as u32;
        (is_only && is_fit).then_some(Part {
            addr: segment.addr,
            len_bytes,
            is_writable: self.is_writable(),
        })
    }

    /// Refuses memory that was mapped for the other direction.
    pub(super) fn check_direction(&self) -> Result<(), SubmitError> {
        let (wanted, direction) = match self {
            Self::None => return Ok(()),
            Self::Readable(buffer) => (Direction::ToDevice, buffer.direction()),
            Self::Writable(buffer) => (Direction::FromDevice, buffer.direction()),
        };
        if direction == wanted || direction == Direction::Both {
            Ok(())
        } else {
            Err(SubmitError::WrongDirection { wanted, direction })
        }
    }

    pub(super) const fn is_writable(&self) -> bool {
        matches!(self, Self::Writable(_))
    }

    pub(super) fn sync_for_device(&mut self) {
        match self {
            Self::None => {}
            Self::Readable(buffer) | Self::Writable(buffer) => buffer.sync_for_device(),
        }
    }

    pub(super) fn sync_for_cpu(&mut self) {
        match self {
            Self::None => {}
            Self::Readable(buffer) | Self::Writable(buffer) => buffer.sync_for_cpu(),
        }
    }
}

/// The private record of one request, and what it carries; a [`Queue`](super::Queue) is given as many as it may have requests in
/// flight.
///
/// Its memory is never freed by dropping it: while the device has it, that would pull it away from under the device.
///
/// INVARIANT: unless the `record` says that the slot is idle, `context` is there, and so is `buffer`, if the record's kind says so.
// The record first, so that a slot and its record have one address, and one register.
#[repr(C)]
pub struct Slot<B, C> {
    pub(super) record: Record,
    buffer: MaybeUninit<B>,
    context: MaybeUninit<C>,
}

impl<B, C> Slot<B, C> {
    /// Makes an idle slot.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            record: Record::IDLE,
            buffer: MaybeUninit::uninit(),
            context: MaybeUninit::uninit(),
        }
    }

    /// Fills an idle slot with the `sequence`th request, which the device gets, and of which it may write so many bytes.
    ///
    /// Of a slot that is not idle, what it carried is leaked.
    #[inline]
    pub(super) fn fill(&mut self, sequence: u32, writable_bytes: u32, data: Data<B>, context: C) {
        self.record.kind = Kind::of(&data);
        // SAFETY: the record has that kind.
        unsafe { self.fill_again(sequence, writable_bytes, data, context) };
    }

    /// As [`fill`](Self::fill), with data of the kind that the record has already.
    ///
    /// # Safety
    ///
    /// The record has the kind of `data`.
    #[inline]
    pub(super) unsafe fn fill_again(
        &mut self,
        sequence: u32,
        writable_bytes: u32,
        data: Data<B>,
        context: C,
    ) {
        debug_assert_eq!(
            self.record.kind,
            Kind::of(&data),
            "the kind of the slot's form"
        );
        match data {
            Data::None => {}
            Data::Readable(buffer) | Data::Writable(buffer) => {
                self.buffer.write(buffer);
            }
        }
        self.context.write(context);
        self.record.begin(sequence, writable_bytes);
    }

    /// Empties the slot, if it is not idle: the request is over.
    pub(super) fn empty(&mut self) -> Option<(Data<B>, C)> {
        match self.record.state() {
            State::Idle => None,
            // SAFETY: the slot is not idle.
            State::InFlight | State::Done => Some(unsafe { self.take() }),
        }
    }

    /// Empties the slot, if its request is done; returns what the device wrote, too.
    pub(super) fn empty_done(&mut self) -> Option<(Written, Data<B>, C)> {
        let written = self.record.done()?;
        // SAFETY: the slot is not idle, for its request is done.
        let (data, context) = unsafe { self.take() };
        Some((written, data, context))
    }

    /// Takes what the slot carries, which is idle from then on.
    ///
    /// # Safety
    ///
    /// The slot is not idle.
    #[inline]
    unsafe fn take(&mut self) -> (Data<B>, C) {
        self.record.forget_done();
        // SAFETY: the slot is not idle, as the caller vouches for, and nothing is known to be done.
        unsafe { self.take_in_flight() }
    }

    /// As [`take`](Self::take).
    ///
    /// # Safety
    ///
    /// The slot was not idle, and its record does not say that the request is done.
    #[inline]
    pub(super) unsafe fn take_in_flight(&mut self) -> (Data<B>, C) {
        self.record.end();
        let data = match self.record.kind {
            Kind::None => Data::None,
            // SAFETY: the buffer is there (invariant), for the slot was not idle, as the caller vouches for; now it is, so that it is
            // taken once.
            Kind::Readable => Data::Readable(unsafe { self.buffer.assume_init_read() }),
            // SAFETY: as above.
            Kind::Writable => Data::Writable(unsafe { self.buffer.assume_init_read() }),
        };
        // SAFETY: as above.
        (data, unsafe { self.context.assume_init_read() })
    }

    /// Returns what the driver remembers of the request, unless the slot is idle.
    pub(super) const fn context(&self) -> Option<&C> {
        match self.record.state() {
            State::Idle => None,
            // SAFETY: it is there (invariant), for the slot is not idle.
            State::InFlight | State::Done => Some(unsafe { self.context.assume_init_ref() }),
        }
    }

    /// Returns what the driver remembers of the request, to change it, unless the slot is idle.
    pub(super) const fn context_mut(&mut self) -> Option<&mut C> {
        match self.record.state() {
            State::Idle => None,
            // SAFETY: it is there (invariant), for the slot is not idle.
            State::InFlight | State::Done => Some(unsafe { self.context.assume_init_mut() }),
        }
    }
}

impl<B, C> Default for Slot<B, C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B, C> fmt::Debug for Slot<B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}
