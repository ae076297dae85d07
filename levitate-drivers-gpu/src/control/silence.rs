//! A question for an EDID that was not answered in time: its slot is taken, and nothing else suffers.

use levitate_hal::Platform;
use levitate_virtio::{Token, Transport};

use super::{Control, ControlQueue};
use crate::error::Error;
use crate::features::GpuFeatures;

impl<T: Transport, P: Platform> Control<'_, T, P> {
    /// Says whether the device can be asked for EDIDs.
    pub(crate) fn has_edid(&self) -> bool {
        self.features.device.contains(GpuFeatures::EDID)
    }

    /// Says whether the device owes the answer to a question for an EDID.
    pub(crate) fn is_silent_about_edids(&self) -> bool {
        slots_taken::<T, P>(&self.queue, self.silent_edid) != 0
    }

    /// Waits until the device owes no such answer.
    pub(crate) fn await_silent_edid(&mut self) -> Result<(), Error> {
        let edid = self.silent_edid;
        self.wait_until(1, |queue| slots_taken::<T, P>(queue, edid) == 0)
    }

    /// Returns how many commands can be in flight together.
    pub(crate) fn capacity(&self) -> u16 {
        let queue = &self.queue;
        let slots = queue.idle_slots().saturating_add(queue.in_flight());
        slots.saturating_sub(slots_taken::<T, P>(queue, self.silent_edid))
    }
}

/// Returns how many slots the question has, as long as the device has it: it names no memory, so nobody has to wait for it.
pub(super) fn slots_taken<T: Transport, P: Platform>(
    queue: &ControlQueue<'_, T, P>,
    silent_edid: Option<Token>,
) -> u16 {
    let is_in_flight = |token| queue.context(token).is_some() && !queue.is_done(token);
    u16::from(silent_edid.is_some_and(is_in_flight))
}
