//! Whether a driver told its device of everything it made available (§2.7.10.1).

use super::{Core, DRIVER_OK, DeviceModel};
use crate::device::{Completion, Suppression};
use crate::dma::AccessKind;

impl<M: DeviceModel> Core<M> {
    /// Checks, when a live driver resets the device, that it heard of every chain it had asked to hear of.
    ///
    /// A device with a thread of its own may be about to look.
    pub(super) fn check_notified(&mut self) {
        let listens = self.status & DRIVER_OK != 0
            && !self.is_broken
            && !self.has_been_deaf
            && !self.clock.is_real()
            && self.behaviour.completion != Completion::Deaf
            && self.behaviour.suppression == Suppression::Follow;
        if !listens {
            return;
        }
        // A driver may have taken the memory of a queue back by now, which is a misuse of its own.
        let is_there = |addr| self.memory.check(addr, 4, AccessKind::Read).is_ok();
        for queue in self.queues.iter().filter(|queue| {
            queue.is_enabled() && is_there(queue.areas().driver) && is_there(queue.areas().device)
        }) {
            let rule = if self.ring_features().event_index {
                "SPLIT-24"
            } else if self.memory.load_u16(queue.areas().device) == Ok(0) {
                "SPLIT-22"
            } else {
                continue;
            };
            if let Ok(unseen @ 1..) = queue.unseen(&self.memory) {
                self.violations.add(
                    rule,
                    format!("{unseen} chains were made available, and the device was not told"),
                );
            }
        }
    }
}
