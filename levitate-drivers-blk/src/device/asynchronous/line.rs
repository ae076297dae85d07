//! The tasks that wait for room, in the order in which they came: [`Line`].
//!
//! The list goes through the futures themselves, so that it has room for any number of them, and nobody is woken but who is called.

use core::pin::Pin;

use pin_list::id::Checked;
use pin_list::{NodeData, PinList};

use super::shared::Place;
use super::wakes::Wakes;
use crate::listener::Waiter;

type Places = dyn pin_list::Types<Id = Checked, Protected = InLine, Removed = (), Unprotected = ()>;

/// The place of a future in the line.
pub(super) type Node = pin_list::Node<Places>;

/// What a request needs besides the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// An idle slot.
    Slot,
    /// An idle slot and the driver's own buffer.
    Bounce,
}

/// What there is, taken or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Supply {
    /// Idle slots.
    pub(super) slots: u16,
    /// Whether nobody has the driver's own buffer.
    pub(super) has_bounce: bool,
}

/// Who waits for room, and what is set aside for those who were called.
pub(super) struct Line {
    waiting: PinList<Places>,
    /// Slots that are set aside.
    slots: u16,
    /// For how many of those the driver's own buffer is too: one at most, unless a reset has come between.
    bounces: u16,
}

/// One that waits.
pub(super) struct InLine {
    number: u64,
    need: Need,
    /// `None` once it is woken for another reason than that it is called, and while it looks.
    waiter: Option<Waiter>,
}

impl Supply {
    /// Says whether it is enough for a request.
    pub(super) const fn suffices(self, need: Need) -> bool {
        self.slots != 0 && (self.has_bounce || matches!(need, Need::Slot))
    }
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            waiting: PinList::new(Checked::new()),
            slots: 0,
            bounces: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Says whether anything is set aside.
    pub(super) const fn is_any_set_aside(&self) -> bool {
        self.slots != 0
    }

    /// Returns what of `supply` is not set aside.
    pub(super) const fn left_of(&self, supply: Supply) -> Supply {
        Supply {
            slots: supply.slots.saturating_sub(self.slots),
            has_bounce: supply.has_bounce && self.bounces == 0,
        }
    }

    /// Sets aside what a request needs.
    pub(super) const fn set_aside(&mut self, need: Need) {
        self.slots = self.slots.saturating_add(1);
        if let Need::Bounce = need {
            self.bounces = self.bounces.saturating_add(1);
        }
    }

    /// Takes back what was set aside.
    pub(super) const fn release(&mut self, need: Need) {
        self.slots = self.slots.saturating_sub(1);
        if let Need::Bounce = need {
            self.bounces = self.bounces.saturating_sub(1);
        }
    }

    /// Calls the first in line as long as there is what it needs: takes it out, sets that aside for it, and wakes it.
    ///
    /// One that the driver's own buffer is missing for keeps its place, and does not hold up those that do not need it.
    /// Says whether `wakes` had room for all.
    pub(super) fn call(&mut self, supply: Supply, wakes: &mut Wakes) -> bool {
        let mut left = self.left_of(supply);
        let mut next = self.waiting.cursor_front_mut();
        while left.slots != 0
            && let Some(first) = next.protected_mut()
        {
            let need = first.need;
            if !left.suffices(need) {
                next.move_next();
                continue;
            }
            if !wakes.take_from(&mut first.waiter) {
                return false;
            }
            let _ = next.remove_current(());
            left.slots = left.slots.saturating_sub(1);
            left.has_bounce &= need == Need::Slot;
            self.slots = self.slots.saturating_add(1);
            self.bounces = self.bounces.saturating_add(u16::from(need == Need::Bounce));
        }
        true
    }

    /// Says whether the future was called.
    pub(super) fn is_called(&self, node: &Node) -> bool {
        node.initialized()
            .is_some_and(|place| place.protected(&self.waiting).is_none())
    }

    /// Says whether the future waits in the line.
    pub(super) fn is_waiting(&self, node: &Node) -> bool {
        node.initialized()
            .is_some_and(|place| place.protected(&self.waiting).is_some())
    }

    /// Lets a future wait, who is not in the line: as the last one.
    pub(super) fn join(&mut self, node: Pin<&mut Node>, number: u64, need: Need) {
        self.waiting.push_back(node, InLine::new(number, need), ());
    }

    /// Lets a future wait, who is not in the line: as the first one, for it was called, and there is nothing after all.
    pub(super) fn join_again(&mut self, node: Pin<&mut Node>, number: u64, need: Need) {
        self.waiting.push_front(node, InLine::new(number, need), ());
    }

    /// Takes a future out of the line; its waker is to be dropped with nothing borrowed.
    pub(super) fn leave(&mut self, node: Pin<&mut Node>) -> Option<Waiter> {
        match node.initialized_mut()?.reset(&mut self.waiting) {
            (NodeData::Linked(place), ()) => place.waiter,
            (NodeData::Removed(()), ()) => None,
        }
    }

    /// Replaces the waker of a future that waits in the line; returns `waiter` if it does not.
    pub(super) fn replace_waiter(&mut self, node: &Node, waiter: Option<Waiter>) -> Option<Waiter> {
        let place = node
            .initialized()
            .and_then(|place| place.protected_mut(&mut self.waiting));
        match place {
            Some(place) => core::mem::replace(&mut place.waiter, waiter),
            None => waiter,
        }
    }

    /// Takes the tasks that `is_meant` is true for, which keep their places; says whether `wakes` had room for all of them.
    pub(super) fn take(&mut self, is_meant: impl Fn(&Waiter) -> bool, wakes: &mut Wakes) -> bool {
        let mut is_complete = true;
        let mut next = self.waiting.cursor_front_mut();
        while is_complete && let Some(place) = next.protected_mut() {
            if place.waiter.as_ref().is_some_and(&is_meant) {
                is_complete = wakes.take_from(&mut place.waiter);
            }
            next.move_next();
        }
        is_complete
    }

    /// Returns the first that is not woken.
    pub(super) fn any(&self) -> Option<(Place, &Waiter)> {
        let mut next = self.waiting.cursor_front();
        while let Some(place) = next.protected() {
            if let Some(waiter) = &place.waiter {
                let (number, need) = (place.number, place.need);
                return Some((Place::Room { number, need }, waiter));
            }
            next.move_next();
        }
        None
    }
}

impl InLine {
    const fn new(number: u64, need: Need) -> Self {
        Self {
            number,
            need,
            waiter: None,
        }
    }
}

#[cfg(test)]
mod tests;
