//! Interrupts that a device raises by a write to memory: [`Messages`] has which one is whose.

use alloc::vec::Vec;
use core::ops::Range;

/// What a device writes, and where, to raise an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageTarget {
    /// Where, as devices address it.
    pub(crate) address: u64,
    /// What.
    pub(crate) data: u32,
}

/// One of the messages a PCI function can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The function: its bus, device and function number, as it is on every request that it makes.
    pub(crate) requester: u16,
    /// Its own number for the message.
    pub(crate) event: u16,
}

/// The interrupts of a controller that are for messages, set aside one after the other and never given back.
#[derive(Debug)]
pub(crate) struct Messages {
    numbers: Range<u32>,
    /// The first interrupt is for the first of these, and so on.
    set_aside: Vec<Message>,
}

impl Messages {
    /// Starts with all of `numbers` free.
    pub(crate) const fn new(numbers: Range<u32>) -> Self {
        Self {
            numbers,
            set_aside: Vec::new(),
        }
    }

    /// Returns the interrupt that was set aside for `message`.
    pub(crate) fn find(&self, message: Message) -> Option<u32> {
        let mut numbers = self.numbers.clone().zip(&self.set_aside);
        let (number, _) = numbers.find(|(_, taken)| **taken == message)?;
        Some(number)
    }

    /// Returns the interrupt that is set aside next; `None` if there is none left.
    pub(crate) fn first_free(&self) -> Option<u32> {
        self.numbers.clone().nth(self.set_aside.len())
    }

    /// Sets the next free interrupt aside for `message`; `None` if there is none.
    pub(crate) fn set_aside(&mut self, message: Message) -> Option<u32> {
        let number = self.first_free()?;
        self.set_aside.push(message);
        Some(number)
    }

    /// Returns the message that the interrupt was set aside for.
    pub(crate) fn message(&self, number: u32) -> Option<Message> {
        let index = number.checked_sub(self.numbers.start)?;
        self.set_aside.get(index as usize).copied()
    }
}
