//! Whether a driver told its device of everything it made available, and of nothing else (§2.7.10.1, §2.9).

use super::{Core, DRIVER_OK, DeviceModel, NEEDS_RESET};
use crate::device::{Completion, Suppression};
use crate::dma::{AccessKind, DeviceMemory};
use crate::queue::DeviceQueue;

/// The bit of a notification that has the wrap counter.
const WRAP: u16 = 1 << 15;

impl<M: DeviceModel> Core<M> {
    /// Notes, when a live driver reads the status, what it has made available by then.
    ///
    /// Between making a chain available and deciding whether to notify, no driver has to do with the status:
    /// one that reads it waits for an answer, or asks why none came.
    pub(super) fn note_wait(&mut self) {
        // One that is told that the device needs a reset must not notify any more (§2.1.2).
        if !self.listens() || self.status & NEEDS_RESET != 0 {
            return;
        }
        let memory = &self.memory;
        let reachable = self
            .queues
            .iter_mut()
            .filter(|queue| is_reachable(queue, memory));
        reachable.for_each(|queue| queue.note_wait(memory));
    }

    /// Checks, when a live driver resets the device, that it heard of every chain the driver had waited for.
    ///
    /// What was made available after the last wait may be given up before the driver has decided whether to notify.
    pub(super) fn check_notified(&mut self) {
        if !self.listens() {
            return;
        }
        let features = self.ring_features();
        for queue in self
            .queues
            .iter()
            .filter(|queue| is_reachable(queue, &self.memory))
        {
            if let Some((rule, unseen)) = queue.unheard(&self.memory, features) {
                let what = format!(
                    "{unseen} entries were made available and waited for, and the device was not told"
                );
                self.violations.add(rule, what);
            }
        }
    }

    /// Checks the data of a notification: where the driver goes on in the available ring, or in the packed one (§2.9).
    pub(crate) fn check_notified_of(&mut self, queue: u16, next: u16) {
        let is_packed = self.ring_features().packed;
        let Some(rings) = self.queues.get(usize::from(queue)) else {
            return;
        };
        // Where the rings are out of reach, the device finds out as it serves the notification.
        let Ok(wanted) = rings.notification_data(&self.memory) else {
            return;
        };
        if !rings.is_enabled() || next == wanted {
            return;
        }
        let rule = match (is_packed, next ^ wanted) {
            (false, _) => "DN-01",
            (true, WRAP) => "DN-02",
            (true, _) => "PACKED-04",
        };
        let what = format!("queue {queue} was notified with {next:#06x}, not {wanted:#06x}");
        self.violations.add(rule, what);
    }

    /// Says whether the device wants to be told of chains; one with a thread of its own may be about to look.
    fn listens(&self) -> bool {
        self.status & DRIVER_OK != 0
            && !self.is_broken
            && !self.has_been_deaf
            && !self.clock.is_real()
            && self.behaviour.completion != Completion::Deaf
            && self.behaviour.suppression == Suppression::Follow
    }
}

/// Says whether the rings are there: a driver may have taken their memory back by now, which is a misuse of its own.
fn is_reachable(queue: &DeviceQueue, memory: &DeviceMemory) -> bool {
    let is_there = |addr| memory.check(addr, 4, AccessKind::Read).is_ok();
    queue.is_enabled() && is_there(queue.areas().driver) && is_there(queue.areas().device)
}
