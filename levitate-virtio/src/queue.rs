//! A virtqueue as a set of request slots: [`Queue`] (§2.6).
//!
//! Each slot has room for a device-readable header and a device-writable footer in memory the queue owns, and a chain of
//! descriptors that stays laid out from one request to the next. A request moves its data into the queue and gets it back
//! when it is taken. The ring format is behind this interface; a driver does not see it.

use levitate_hal::{Dma, Segments};

#[cfg(test)]
#[cfg(not(loom))]
mod accesses;
mod chain;
mod completion;
mod contexts;
mod error;
#[cfg(test)]
#[cfg(not(loom))]
mod heap;
mod in_order;
mod inspect;
pub mod layout;
// The model checker follows what the rings do with shared memory; all else of them is the same for it.
#[cfg_attr(all(test, loom), path = "queue/modelled_memory.rs")]
#[cfg_attr(not(all(test, loom)), path = "queue/ring_memory.rs")]
mod memory;
#[cfg(test)]
#[cfg(loom)]
mod model;
mod next;
pub mod packed;
mod polling;
mod prepare;
mod restart;
mod ring;
mod size;
mod slot;
#[cfg_attr(all(test, loom), path = "queue/modelled_slot_memory.rs")]
mod slot_memory;
mod split;
mod submission;
#[cfg(test)]
#[cfg(not(loom))]
mod trace;

pub use completion::Completed;
pub use error::{DeviceFault, QueueError, SubmitError};
pub use prepare::{PreparedQueue, QueueConfig};
pub use restart::RestartError;
pub use ring::{Format, Split, SplitOrPacked};
pub use size::{QueueIndex, QueueSize};
pub use slot::{Data, Slot, Token};
pub use submission::Rejected;

use crate::init::{Identity, Quiesced};
use crate::transport::{Interface, Notify};
use in_order::Order;
use polling::Pace;
use ring::{Progress, Ring as _, RingConfig};
use slot::{List, Stack, State};
use slot_memory::SlotMemory;

/// A live virtqueue that holds up to as many requests as it was given slots.
///
/// `B` is the data a request can carry, `C` what the driver wants to remember of it, `N` the transport's notifier, and `R` the
/// ring formats there is code for.
///
/// Dropping a queue leaks its memory, and that of the requests in flight: only [`Queue::release`], with the proof
/// that the device was reset, gives it back. [`Queue::restart`], with the proof that the queue was, gives back the requests.
///
/// INVARIANT: the offsets in the records of `slots` are of `memory`, and a form there is one that `memory` has room for, that is
/// laid out, and whose data is of the kind that the record has. In the memory of an idle slot whose form has a footer of one byte
/// (`is_kept`), that is what the form says.
#[derive(Debug)]
pub struct Queue<'s, B, C, D: Dma, N, R: Format = SplitOrPacked> {
    ring: R::Ring<D>,
    slots: &'s mut [Slot<B, C>],
    memory: SlotMemory<D>,
    shape: Shape,
    idle: Stack,
    progress: Progress,
    index: QueueIndex,
    interface: Interface,
    notifier: N,
    notifications: u64,
    /// With one, there is no idle slot.
    fault: Option<DeviceFault>,
    /// What `pace()` said last; each change to `Slow` is noted at once.
    pace: Pace,
    wants_notifications: bool,
    /// How many requests are to be done, of all there ever were, before the device notifies.
    awaited: u64,
    /// How many requests were done when the device was last told that it shall not notify.
    settled: u64,
    /// What is done and was not taken.
    done: List,
    /// How much that is.
    done_len: u16,
    /// The line of all slots that are not done, with VIRTIO_F_IN_ORDER; else nothing in it ever changes, and nothing idle is found there.
    order: Order,
    identity: Identity,
    /// Made right before the device was last told of the queue.
    enabled: Identity,
    ring_config: RingConfig,
}

/// What the slots of a queue have in common.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// Slots in use; there may be more of them than the device's queue has room for.
    slots: u16,
    /// Most descriptors for data.
    max_segments: u16,
    /// Most bytes in one descriptor of data: a `u32` and not 0, but as long as the lengths of memory that it is compared with.
    max_segment_bytes: u64,
    /// Up to so many descriptors a chain is in the ring, and longer ones are in tables of their own.
    direct_descriptors: u16,
    header_bytes: usize,
    footer_bytes: usize,
    /// Whether the device uses what it has in the order it got it (VIRTIO_F_IN_ORDER).
    is_in_order: bool,
}

impl Shape {
    /// Returns the most bytes in one descriptor of data.
    #[expect(clippy::cast_possible_truncation, reason = "it was a `u32`")]
    const fn max_piece_bytes(&self) -> u32 {
        self.max_segment_bytes as u32
    }
}

/// What a queue has counted since it was enabled; a number that is too large begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Requests that were submitted.
    pub requests: u64,
    /// Available buffer notifications that were sent.
    pub notifications: u64,
}

impl<B: Segments, C, D: Dma, N: Notify, R: Format> Queue<'_, B, C, D, N, R> {
    /// Notifies the device of what was submitted since the last call, if it wants to be; says whether it did.
    #[inline]
    pub fn notify(&mut self) -> bool {
        if self.progress.undecided() == 0 {
            return false;
        }
        let submitted = self.progress.submitted;
        match self.ring.needs_notification(self.progress) {
            Some(is_needed) => self.notify_if(is_needed, submitted),
            None => self.notify_by_event(),
        }
    }

    /// By itself, for it takes more of the CPU's registers than all else of a notification.
    #[inline(never)]
    fn notify_by_event(&mut self) -> bool {
        let is_needed = self.ring.needs_notification_by_event(self.progress);
        self.notify_if(is_needed, self.progress.submitted)
    }

    /// `submitted` is what was decided about: whoever has it need not load it once more behind the barrier.
    #[inline]
    fn notify_if(&mut self, is_needed: bool, submitted: u64) -> bool {
        self.progress.decided = submitted;
        if is_needed {
            self.notifier.notify(self.ring.position(self.progress));
            self.notifications = self.notifications.wrapping_add(1);
        }
        is_needed
    }

    /// Returns what was counted.
    #[must_use]
    pub const fn counts(&self) -> QueueCounts {
        QueueCounts {
            requests: self.progress.count(),
            notifications: self.notifications,
        }
    }

    /// Chooses whether the device shall notify the driver of used buffers; at first it shall not.
    ///
    /// Call [`process`](Self::process) afterwards: what was used before is not notified.
    pub fn set_used_notifications(&mut self, wanted: bool) {
        self.wants_notifications = wanted;
        if wanted {
            self.pace = Pace::Slow;
        }
        if !wanted {
            self.ring.suppress_used_notifications(self.progress);
        }
    }

    /// Says that the next `count` requests are waited for together: with VIRTIO_F_EVENT_IDX, the device shall notify when the last of
    /// them is done, and from then on of each. It notifies no later than when all requests in flight are done.
    ///
    /// Call [`process`](Self::process) afterwards. Without the feature, the device notifies of each all the same.
    ///
    /// A packed ring whose chains take several descriptors cannot say that, and notifies of the next one.
    pub const fn await_together(&mut self, count: u16) {
        self.awaited = self.progress.done.wrapping_add(count as u64);
    }

    /// Returns the request that the device has had for longest.
    #[must_use]
    pub fn oldest_in_flight(&self) -> Option<Token> {
        let now = self.progress.sequence();
        (0_u16..)
            .zip(self.slots.iter())
            .filter(|(_, slot)| slot.record.state() == State::InFlight)
            .take(self.in_flight().into())
            .max_by_key(|(_, slot)| now.wrapping_sub(slot.record.sequence))
            .map(|(number, slot)| Token::of(self.index, number, &slot.record))
    }

    /// Returns which of the device's queues this is.
    #[must_use]
    pub const fn index(&self) -> QueueIndex {
        self.index
    }

    /// Returns how many requests the device has.
    #[must_use]
    pub const fn in_flight(&self) -> u16 {
        self.progress.in_flight()
    }

    /// Returns how many more requests can be submitted now, if the queue has no [fault](Self::fault).
    #[must_use]
    pub const fn idle_slots(&self) -> u16 {
        self.shape.slots.saturating_sub(self.busy_slots())
    }

    /// Returns the error of a driver that needs so many idle slots at once, and does not find them.
    #[must_use]
    pub const fn lacks(&self, needed: u16) -> SubmitError {
        SubmitError::Full {
            slots: self.shape.slots,
            free: self.idle_slots(),
            needed,
        }
    }

    /// Returns how many segments a request's data may have.
    #[must_use]
    pub const fn max_segments(&self) -> u16 {
        self.shape.max_segments
    }

    /// Returns how many bytes of data fit into one request if they are contiguous.
    #[must_use]
    pub const fn max_data_bytes(&self) -> u64 {
        (self.shape.max_segments as u64).saturating_mul(self.shape.max_segment_bytes)
    }

    /// Returns how the device broke the rules, if it did.
    #[must_use]
    pub const fn fault(&self) -> Option<DeviceFault> {
        self.fault
    }
}

impl<'s, B: Segments, C, D: Dma, N, R: Format> Queue<'s, B, C, D, N, R> {
    /// Takes the queue apart once its device is reset: frees its memory and hands `reclaim` what requests still carried.
    ///
    /// Returns the slots, to be used for another queue; of more than 32 768, the first ones.
    ///
    /// # Errors
    ///
    /// The queue, unchanged, if `quiesced` is about another device or another life of it.
    #[expect(
        clippy::result_large_err,
        reason = "the queue itself comes back; there is no heap to box it"
    )]
    pub fn release(
        self,
        quiesced: &Quiesced,
        mut reclaim: impl FnMut(Data<B>, C),
    ) -> Result<&'s mut [Slot<B, C>], Self> {
        if !quiesced.covers(self.identity) {
            return Err(self);
        }
        for slot in self.slots.iter_mut() {
            // A later queue with these slots goes on from there.
            slot.record.sequence = self.progress.last();
            if let Some((mut data, context)) = slot.empty() {
                data.sync_for_cpu();
                reclaim(data, context);
            }
        }
        drop(self.ring.into_memory());
        drop(self.memory.into_memory());
        Ok(self.slots)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::heap::Heap;
    use super::{Queue, Slot};

    #[test]
    fn a_queue_of_256_keeps_less_than_12_kib_to_itself() {
        let slots = 256 * size_of::<Slot<(), ()>>();
        // A notifier as long as any.
        let queue = size_of::<Queue<'_, (), (), Heap, [usize; 4]>>();
        assert!(slots + queue <= 12 << 10, "{slots} + {queue} bytes");
    }
}
