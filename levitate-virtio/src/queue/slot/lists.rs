//! Lists of slots, linked through the slots' records: [`List`], [`Stack`].

use super::{Record, Slot};

/// No slot: the end of a list.
pub(in super::super) const NONE: u16 = u16::MAX;

/// A first-in, first-out list of slots, linked through them.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct List {
    first: u16,
    last: u16,
}

impl List {
    pub(in super::super) const EMPTY: Self = Self {
        first: NONE,
        last: NONE,
    };

    pub(in super::super) const fn first(&self) -> Option<u16> {
        if self.first == NONE {
            None
        } else {
            Some(self.first)
        }
    }

    pub(in super::super) fn push<B, C>(&mut self, slots: &mut [Slot<B, C>], index: u16) {
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
    pub(in super::super) fn remove<B, C>(&mut self, slots: &mut [Slot<B, C>], index: u16) {
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

/// A last-in, first-out list of slots: the next request gets the one whose memory was used last; in order, what is idle at the end
/// of the line of all slots ([`Line`](super::Line)).
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Stack {
    /// Or none; a `u32`, for as an index it is not as short as a `u16`.
    top: u32,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "`top` is a `u16`, made longer"
)]
impl Stack {
    pub(in super::super) const EMPTY: Self = Self { top: Self::NONE };

    /// No slot.
    pub(in super::super) const NONE: u32 = NONE as u32;

    /// Returns a stack of the first `count` slots, the very first on top.
    pub(in super::super) fn of<B, C>(slots: &mut [Slot<B, C>], count: u16) -> Self {
        let mut stack = Self::EMPTY;
        for number in (0..count).rev() {
            stack.push(slots, number);
        }
        stack
    }

    /// Returns the topmost slot, or the number of none.
    #[inline]
    pub(in super::super) const fn top_or_none(&self) -> u32 {
        self.top
    }

    pub(in super::super) const fn top(&self) -> Option<u16> {
        match self.top as u16 {
            NONE => None,
            top => Some(top),
        }
    }

    #[inline]
    pub(in super::super) fn push<B, C>(&mut self, slots: &mut [Slot<B, C>], index: u16) {
        if let Some(slot) = slots.get_mut(usize::from(index)) {
            self.put(&mut slot.record, index.into());
        }
    }

    /// As [`push`](Self::push), for whoever has the slot's record at hand.
    #[inline]
    pub(in super::super) const fn put(&mut self, record: &mut Record, index: u32) {
        record.next = self.top as u16;
        self.top = index;
    }

    /// Makes a slot the only one, if there is none.
    #[inline]
    pub(in super::super) const fn begin_with(&mut self, index: u32) {
        if self.top == Self::NONE {
            self.top = index;
        }
    }

    /// Has the two topmost slots change places, if there are two.
    pub(in super::super) fn exchange<B, C>(&mut self, slots: &mut [Slot<B, C>]) {
        let Some(top) = self.top() else { return };
        let Some(second) = slots
            .get(usize::from(top))
            .and_then(|slot| slot.record.next())
        else {
            return;
        };
        if let Some(slot) = slots.get_mut(usize::from(second)) {
            let third = core::mem::replace(&mut slot.record.next, top);
            self.top = second.into();
            if let Some(slot) = slots.get_mut(usize::from(top)) {
                slot.record.next = third;
            }
        }
    }

    /// Takes the topmost slot out, whose record this is.
    #[inline]
    pub(in super::super) const fn pop(&mut self, record: &Record) {
        self.top = record.next as u32;
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
        assert_eq!(stack.top(), None);
    }

    #[test]
    fn the_two_slots_on_top_change_places() {
        let mut slots = [const { Slot::<(), ()>::new() }; 3];
        for (count, expected) in [(0, &[][..]), (1, &[0]), (2, &[1, 0]), (3, &[1, 0, 2])] {
            let mut stack = Stack::of(&mut slots, count);
            stack.exchange(&mut slots);
            let mut found = std::vec::Vec::new();
            while let Some(top) = stack.top() {
                found.push(top);
                stack.pop(&slots[usize::from(top)].record);
            }
            assert_eq!(found, expected);
        }
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
