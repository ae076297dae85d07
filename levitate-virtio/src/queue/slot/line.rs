//! All slots in the order they are used in: [`Line`].

use super::{Record, Slot, Stack};

/// A line of all slots, but for those that are done and not taken, where the device uses what it has in order.
///
/// First come those that became idle of late, then those in flight, the oldest first, then those that the next requests get, which are
/// what is `idle`, a [`Stack`]. A request that is submitted, or taken back as it is found, changes no link of the line, only where in it the
/// device is; what became idle is moved from the beginning of the line to its end all at once, when nothing is idle there.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Line {
    /// The first slot of the line, or none.
    head: u32,
    /// The slot of the oldest request, if any is in flight; else the one that the next request gets, or none.
    first: u32,
    /// The slot before `first`, unless `first` is the head.
    before: u32,
    /// The last slot of the line, if `first` is one.
    last: u32,
}

impl Line {
    /// That of a queue without requests, whose idle slots are the first `slots` there are.
    pub(in super::super) const fn of(slots: u16) -> Self {
        Self {
            head: 0,
            first: 0,
            before: Stack::NONE,
            last: slots.wrapping_sub(1) as u32,
        }
    }

    /// Returns the slot of the oldest request, if there is one that is in flight.
    #[inline]
    pub(in super::super) const fn first(&self) -> u32 {
        self.first
    }

    /// Has the slot of the oldest request idle, whose number and record this is.
    #[inline]
    pub(in super::super) const fn pass(&mut self, number: u32, record: &Record) {
        self.first = record.next_or_none();
        self.before = number;
    }

    /// Takes the slot of the oldest request out of the line; returns its number, and there is none behind it from then on.
    pub(in super::super) fn take_out<B, C>(
        &mut self,
        slots: &mut [Slot<B, C>],
        idle: &mut Stack,
    ) -> u32 {
        self.lengthen(slots, idle);
        let number = self.first;
        if let Some(slot) = slots.get_mut(number as usize) {
            self.first = slot.record.cut_off();
            self.head = self.first;
        }
        number
    }

    /// Puts a slot, which is in no list and has none behind it, behind those that are idle.
    pub(in super::super) fn put<B, C>(
        &mut self,
        slots: &mut [Slot<B, C>],
        idle: &mut Stack,
        number: u32,
    ) {
        self.lengthen(slots, idle);
        self.append(slots, idle, number);
        self.last = number;
    }

    /// Moves what is idle at the beginning of the line to its end; says whether that was anything.
    pub(in super::super) fn lengthen<B, C>(
        &mut self,
        slots: &mut [Slot<B, C>],
        idle: &mut Stack,
    ) -> bool {
        let (head, before) = (self.head, self.before);
        if head == self.first {
            return false;
        }
        if let Some(slot) = slots.get_mut(before as usize) {
            slot.record.cut_off();
        }
        self.append(slots, idle, head);
        self.last = before;
        true
    }

    /// Puts slots that are linked to one another behind those that are idle; nothing is before `first`, unless that is just what is put.
    fn append<B, C>(&mut self, slots: &mut [Slot<B, C>], idle: &mut Stack, head: u32) {
        if self.first == Stack::NONE {
            self.first = head;
        } else if let Some(last) = slots.get_mut(self.last as usize) {
            last.record.set_next(head);
        }
        self.head = self.first;
        idle.begin_with(head);
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::collections::VecDeque;
    use std::vec::Vec;

    use super::*;

    const SLOTS: u16 = 3;

    /// A line, and what has to be true of it.
    #[derive(Clone)]
    struct Tried {
        slots: Vec<Slot<(), ()>>,
        idle: Stack,
        line: Line,
        expected_idle: VecDeque<u32>,
        in_flight: VecDeque<u32>,
        /// What was taken out.
        done: VecDeque<u32>,
    }

    impl Clone for Slot<(), ()> {
        fn clone(&self) -> Self {
            let mut slot = Self::new();
            slot.record = self.record;
            slot
        }
    }

    impl Tried {
        fn new() -> Self {
            let mut slots: Vec<_> = (0..SLOTS).map(|_| Slot::new()).collect();
            Self {
                idle: Stack::of(&mut slots, SLOTS),
                line: Line::of(SLOTS),
                slots,
                expected_idle: (0..SLOTS).map(u32::from).collect(),
                in_flight: VecDeque::new(),
                done: VecDeque::new(),
            }
        }

        /// Does one of the things there are, if it can be done.
        fn go(&mut self, step: u32) -> Option<()> {
            let (slots, idle) = (&mut self.slots, &mut self.idle);
            match step {
                // A request is submitted.
                0 => {
                    let expected = self.expected_idle.pop_front();
                    if idle.top().is_none() {
                        let is_longer = self.line.lengthen(slots, idle);
                        assert_eq!(is_longer, expected.is_some());
                    }
                    assert_eq!(idle.top().map(u32::from), expected);
                    let number = expected?;
                    idle.pop(&slots[number as usize].record);
                    self.in_flight.push_back(number);
                }
                // The oldest is taken back as it is found.
                1 => {
                    let number = self.in_flight.pop_front()?;
                    assert_eq!(self.line.first(), number);
                    self.line.pass(number, &slots[number as usize].record);
                    self.expected_idle.push_back(number);
                }
                // The oldest is done.
                2 => {
                    let number = self.in_flight.pop_front()?;
                    assert_eq!(self.line.take_out(slots, idle), number);
                    assert_eq!(slots[number as usize].record.next(), None);
                    self.done.push_back(number);
                }
                // What is done is taken, from the back and from the front.
                _ => {
                    let number = match step {
                        3 => self.done.pop_back()?,
                        _ => self.done.pop_front()?,
                    };
                    self.line.put(slots, idle, number);
                    self.expected_idle.push_back(number);
                }
            }
            Some(())
        }
    }

    /// Goes on in every way there is, so many steps.
    fn go_on(tried: &Tried, steps: u32) -> u32 {
        if steps == 0 {
            return 1;
        }
        let ways = (0..5).map(|step| {
            let mut tried = tried.clone();
            tried.go(step).map_or(0, |()| go_on(&tried, steps - 1))
        });
        ways.sum()
    }

    /// An interpreter takes hours for what takes a moment.
    const STEPS: u32 = if cfg!(miri) { 5 } else { 12 };

    #[test]
    fn a_slot_is_used_when_all_were_that_became_idle_before() {
        let sequences = go_on(&Tried::new(), STEPS);
        assert!(
            sequences > if cfg!(miri) { 50 } else { 100_000 },
            "{sequences}"
        );
    }
}
