//! The reset of the queue by itself, through the registers of version 2 (§2.6.1, §4.2.2): [`QueueReset`].

use super::Device;
use crate::sabotage::Sabotage;
use crate::spec::{self, register};

/// How far the reset of the queue has come.
#[derive(Debug, Default)]
pub(super) struct QueueReset {
    is_ongoing: bool,
    /// The last register access was the driver's, which read that none is under way.
    is_read_as_done: bool,
}

impl QueueReset {
    /// Says whether the driver has asked for it, and was not seen to take it for done.
    pub(super) const fn is_ongoing(&self) -> bool {
        self.is_ongoing
    }

    /// Notes that the driver does something else than to look whether it is done.
    pub(super) const fn interrupt(&mut self) {
        self.is_read_as_done = false;
    }
}

impl Device {
    /// Says whether it was agreed that the queue can be reset.
    pub(crate) const fn may_reset_queue(&self) -> bool {
        self.accepted & spec::F_RING_RESET != 0
    }

    /// The driver asks for the reset: from now on what it has in the queue is not answered, unless by a lie.
    pub(super) const fn start_queue_reset(&mut self) {
        if self.may_reset_queue() && self.queue_sel == 0 {
            self.queue_reset.is_ongoing = true;
            self.ready = 0;
        }
    }

    /// Returns what `QueueReset` reads.
    pub(super) const fn read_queue_reset(&mut self) -> u32 {
        match self.stubborn.checked_sub(1) {
            Some(left) if self.queue_reset.is_ongoing => {
                self.stubborn = left;
                1
            }
            _ => 0,
        }
    }

    /// Follows what the driver reads, be it a lie: where nothing is under way and the queue is not enabled, it takes it for reset.
    pub(super) fn follow_queue_reset(&mut self, offset: usize, value: u32) {
        if self.queue_reset.is_read_as_done && offset == register::QUEUE_READY && value == 0 {
            self.forget_queue();
        }
        self.queue_reset.is_read_as_done = offset == register::QUEUE_RESET && value == 0;
    }

    /// The queue is reset, by the device's word: it reaches nothing any more of what it reached by it.
    pub(super) fn forget_queue(&mut self) {
        self.queue_reset = QueueReset::default();
        self.ready = 0;
        if let Some(ring) = self.ring.take()
            && self.sabotage != Sabotage::EarlyRelease
        {
            ring.forget(&self.memory);
        }
    }
}
