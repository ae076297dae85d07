//! The driver's private record of each request: [`Slot`], [`Data`], [`Token`].

use core::mem::ManuallyDrop;

use levitate_hal::{Direction, Segment, Segments};

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
    pub(super) state: State,
    pub(super) generation: u32,
    pub(super) next: u16,
    pub(super) previous: u16,
    pub(super) data: ManuallyDrop<Data<B>>,
    pub(super) context: Option<C>,
    /// Device-writable bytes of the data.
    pub(super) data_writable_bytes: u32,
    /// Device-writable bytes of the footer.
    pub(super) footer_bytes: u32,
    /// What the device says it wrote, at most the sum of both.
    pub(super) written_bytes: u32,
    /// Where in the available ring it was made available.
    pub(super) available_index: u16,
}

impl<B, C> Slot<B, C> {
    /// Makes an idle slot.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: State::Idle,
            generation: 0,
            next: NONE,
            previous: NONE,
            data: ManuallyDrop::new(Data::None),
            context: None,
            data_writable_bytes: 0,
            footer_bytes: 0,
            written_bytes: 0,
            available_index: 0,
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
    len: u16,
}

impl List {
    pub(super) const EMPTY: Self = Self {
        first: NONE,
        last: NONE,
        len: 0,
    };

    pub(super) const fn first(&self) -> Option<u16> {
        if self.first == NONE {
            None
        } else {
            Some(self.first)
        }
    }

    pub(super) const fn len(&self) -> u16 {
        self.len
    }

    pub(super) fn push<B, C>(&mut self, slots: &mut [Slot<B, C>], index: u16) {
        let last = self.last;
        if let Some(slot) = slots.get_mut(usize::from(index)) {
            slot.previous = last;
            slot.next = NONE;
        }
        match slots.get_mut(usize::from(last)) {
            Some(before) => before.next = index,
            None => self.first = index,
        }
        self.last = index;
        self.len = self.len.saturating_add(1);
    }

    /// Unlinks `index`, which is in the list.
    pub(super) fn remove<B, C>(&mut self, slots: &mut [Slot<B, C>], index: u16) {
        let Some(slot) = slots.get_mut(usize::from(index)) else {
            return;
        };
        let (previous, next) = (slot.previous, slot.next);
        slot.previous = NONE;
        slot.next = NONE;
        match slots.get_mut(usize::from(previous)) {
            Some(before) => before.next = next,
            None => self.first = next,
        }
        match slots.get_mut(usize::from(next)) {
            Some(after) => after.previous = previous,
            None => self.last = previous,
        }
        self.len = self.len.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(list: &List, slots: &[Slot<(), ()>]) -> std::vec::Vec<u16> {
        let mut found = std::vec::Vec::new();
        let mut next = list.first;
        while next != NONE {
            found.push(next);
            next = slots[usize::from(next)].next;
        }
        assert_eq!(found.len(), usize::from(list.len()));
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
        assert_eq!((list.first(), list.len()), (None, 0));
    }
}
