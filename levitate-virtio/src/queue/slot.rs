//! The driver's private record of each request: [`Slot`], [`Data`], [`Token`].

use core::mem::ManuallyDrop;

use levitate_hal::{Direction, Segment, Segments};
use static_assertions::const_assert;

use super::slot_memory::SlotOffset;
use super::{QueueIndex, SubmitError};

/// Names one request from its submission until it is taken back; in another queue it names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub(super) queue: QueueIndex,
    pub(super) slot: u16,
    pub(super) generation: u32,
}

impl Token {
    /// Returns the queue that the request was submitted to.
    #[must_use]
    pub const fn queue(&self) -> QueueIndex {
        self.queue
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

/// Who has a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody: the slot is idle.
    Idle,
    /// The device.
    InFlight,
    /// The driver again; it has not been taken yet.
    Done,
}

/// No slot: the end of a list.
pub(super) const NONE: u16 = u16::MAX;

/// The private record of one request; a [`Queue`](super::Queue) is given as many as it may have requests in flight.
///
/// Its memory is never freed by dropping it: while the device has it, that would pull it away from under the device.
#[derive(Debug)]
pub struct Slot<B, C> {
    pub(super) data: ManuallyDrop<Data<B>>,
    pub(super) context: Option<C>,
    pub(super) record: Record,
}

/// What the queue itself has to know of a slot.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub(super) state: State,
    pub(super) generation: u32,
    /// The neighbours in the list that the slot is in.
    pub(super) next: u16,
    pub(super) previous: u16,
    /// Where the slot is in the memory of the slots, in bytes from its beginning.
    pub(super) offset: SlotOffset,
    /// What the device finds laid out.
    pub(super) form: Form,
    /// Whether that is in the ring, and not in a table of its own.
    pub(super) is_direct: bool,
    /// How many descriptors its chain has in a packed ring.
    pub(super) descriptors: u16,
    /// Where in a packed ring it was made available.
    pub(super) position: u16,
    /// When it was submitted, counted in requests.
    pub(super) sequence: u32,
    /// Device-writable bytes of the data.
    pub(super) data_writable_bytes: u32,
    /// Device-writable bytes of the footer.
    pub(super) footer_bytes: u32,
    /// What the device says it wrote, at most what it might.
    pub(super) written_bytes: u32,
}

impl Record {
    pub(super) const IDLE: Self = Self {
        state: State::Idle,
        generation: 0,
        next: NONE,
        previous: NONE,
        offset: SlotOffset::FIRST,
        form: Form::NONE,
        is_direct: false,
        descriptors: 0,
        position: 0,
        sequence: 0,
        data_writable_bytes: 0,
        footer_bytes: 0,
        written_bytes: 0,
    };

    /// Returns how many bytes the device may write.
    #[inline]
    pub(super) const fn writable_bytes(&self) -> u32 {
        // All parts of a request together are a `u32`.
        self.data_writable_bytes.wrapping_add(self.footer_bytes)
    }
}

// 12 KiB for a queue of 256, beside what requests carry and what the driver remembers of them.
const_assert!(size_of::<Record>() <= 48);

/// What the chains of a slot have in common from one request to the next, so that they need not be laid out anew.
///
/// A number, for it is compared for each request: lengths of header and footer, descriptors of data, and whether the device
/// writes those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form(u64);

impl Form {
    /// That of no chain.
    pub(super) const NONE: Self = Self(0);

    const FOOTER: u32 = 24;
    const PIECES: u32 = 44;
    const WRITABLE: u32 = 60;

    /// Returns the form of a chain; [`NONE`](Self::NONE) if it is too long to be told from others.
    #[inline]
    pub(super) const fn of<H, F>(pieces: u16, is_writable: bool) -> Self {
        let fixed = const {
            let (header, footer) = (size_of::<H>() as u64, size_of::<F>() as u64);
            if header < 1 << Self::FOOTER && footer < 1 << (Self::PIECES - Self::FOOTER) {
                Some(header | footer << Self::FOOTER)
            } else {
                None
            }
        };
        match fixed {
            Some(fixed) => Self(
                fixed | (pieces as u64) << Self::PIECES | (is_writable as u64) << Self::WRITABLE,
            ),
            None => Self::NONE,
        }
    }
}

impl<B, C> Slot<B, C> {
    /// Makes an idle slot.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            data: ManuallyDrop::new(Data::None),
            context: None,
            record: Record::IDLE,
        }
    }

    /// Takes the data out of a slot that the device does not have.
    pub(super) fn take_data(&mut self) -> Data<B> {
        let data = core::mem::replace(&mut self.data, ManuallyDrop::new(Data::None));
        ManuallyDrop::into_inner(data)
    }
}

impl<B, C> Default for Slot<B, C> {
    fn default() -> Self {
        Self::new()
    }
}

/// A first-in, first-out list of slots, linked through them.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    first: u16,
    last: u16,
}

impl List {
    pub(super) const EMPTY: Self = Self {
        first: NONE,
        last: NONE,
    };

    pub(super) const fn first(&self) -> Option<u16> {
        if self.first == NONE {
            None
        } else {
            Some(self.first)
        }
    }

    pub(super) fn push<B, C>(&mut self, slots: &mut [Slot<B, C>], index: u16) {
        let last = self.last;
        if let Some(slot) = slots.get_mut(usize::from(index)) {
            slot.record.previous = last;
            slot.record.next = NONE;
        }
        match slots.get_mut(usize::from(last)) {
            Some(before) => before.record.next = index,
            None => self.first = index,
        }
        self.last = index;
    }

    /// Unlinks `index`, which is in the list.
    pub(super) fn remove<B, C>(&mut self, slots: &mut [Slot<B, C>], index: u16) {
        let Some(slot) = slots.get_mut(usize::from(index)) else {
            return;
        };
        let (previous, next) = (slot.record.previous, slot.record.next);
        slot.record.previous = NONE;
        slot.record.next = NONE;
        match slots.get_mut(usize::from(previous)) {
            Some(before) => before.record.next = next,
            None => self.first = next,
        }
        match slots.get_mut(usize::from(next)) {
            Some(after) => after.record.previous = previous,
            None => self.last = previous,
        }
    }
}

/// A last-in, first-out list of slots: the next request gets the one whose memory was used last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stack {
    top: u16,
    len: u16,
}

impl Stack {
    /// Returns a stack of the first `count` slots, the very first on top.
    pub(super) fn of<B, C>(slots: &mut [Slot<B, C>], count: u16) -> Self {
        let mut stack = Self { top: NONE, len: 0 };
        for number in (0..count).rev() {
            stack.push(slots, number);
        }
        stack
    }

    #[inline]
    pub(super) const fn top(&self) -> Option<u16> {
        if self.top == NONE {
            None
        } else {
            Some(self.top)
        }
    }

    pub(super) const fn len(&self) -> u16 {
        self.len
    }

    #[inline]
    pub(super) fn push<B, C>(&mut self, slots: &mut [Slot<B, C>], index: u16) {
        if let Some(slot) = slots.get_mut(usize::from(index)) {
            self.put(&mut slot.record, index);
        }
    }

    /// As [`push`](Self::push), for whoever has the slot at hand.
    #[inline]
    pub(super) const fn put(&mut self, record: &mut Record, index: u16) {
        record.next = self.top;
        self.top = index;
        self.len = self.len.wrapping_add(1);
    }

    /// Takes the topmost slot out, whose record this is.
    #[inline]
    pub(super) const fn pop(&mut self, record: &Record) {
        self.top = record.next;
        self.len = self.len.wrapping_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_that_was_used_last_is_used_next() {
        let mut slots = [const { Slot::<(), ()>::new() }; 4];
        let mut stack = Stack::of(&mut slots, 3);
        for index in [0, 1] {
            assert_eq!(stack.top(), Some(index));
            stack.pop(&slots[usize::from(index)].record);
        }
        stack.push(&mut slots, 0);
        for index in [0, 2] {
            assert_eq!(stack.top(), Some(index));
            stack.pop(&slots[usize::from(index)].record);
        }
        assert_eq!((stack.top(), stack.len()), (None, 0));
    }

    fn order(list: &List, slots: &[Slot<(), ()>]) -> std::vec::Vec<u16> {
        let mut found = std::vec::Vec::new();
        let mut next = list.first;
        while next != NONE {
            found.push(next);
            next = slots[usize::from(next)].record.next;
        }
        found
    }

    #[test]
    fn a_list_keeps_its_order_and_gives_up_any_member() {
        let mut slots = [const { Slot::<(), ()>::new() }; 5];
        let mut list = List::EMPTY;
        for index in 0..5 {
            list.push(&mut slots, index);
        }
        list.remove(&mut slots, 2);
        assert_eq!(order(&list, &slots), [0, 1, 3, 4]);
        list.remove(&mut slots, 0);
        list.remove(&mut slots, 4);
        assert_eq!(order(&list, &slots), [1, 3]);
        list.push(&mut slots, 2);
        assert_eq!(order(&list, &slots), [1, 3, 2]);
        for index in [1, 3, 2] {
            assert_eq!(list.first(), Some(index));
            list.remove(&mut slots, index);
        }
        assert_eq!(list.first(), None);
    }
}
