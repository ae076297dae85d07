//! The device's side of a virtqueue, whichever format its rings have: [`DeviceQueue`].

mod area;
mod chain;
mod descriptor;
mod error;
mod packed;
mod request;
mod split;
mod used;

use std::collections::BTreeSet;

use crate::device::Violations;
use crate::dma::{DeviceMemory, Exposure, StrayAccess};

pub use area::Areas;
pub use chain::{Buffer, Chain};
pub use error::RingError;
use packed::PackedQueue;
pub use request::Request;
pub(crate) use request::scatter;
use split::SplitQueue;
pub(crate) use used::Used;

/// Bytes of a descriptor, as addresses count them.
const DESCRIPTOR_BYTES: u64 = descriptor::DESCRIPTOR_LEN as u64;
/// As many bytes as no part of a virtqueue has.
const PART_LIMIT_BYTES: u64 = 1 << 20;

/// What a device has agreed on that matters to its queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingFeatures {
    /// VIRTIO_F_INDIRECT_DESC.
    pub indirect: bool,
    /// VIRTIO_F_EVENT_IDX.
    pub event_index: bool,
    /// VIRTIO_F_RING_PACKED.
    pub packed: bool,
    /// VIRTIO_F_IN_ORDER.
    pub in_order: bool,
}

/// One virtqueue as its device knows it.
///
/// Its rings are split or packed, as was agreed on when it was enabled.
#[derive(Debug, Default)]
pub struct DeviceQueue {
    size: u16,
    areas: Areas,
    rings: Rings,
    in_flight: BTreeSet<u16>,
    exposures: Vec<Exposure>,
}

#[derive(Debug, Default)]
enum Rings {
    /// The device does not use the queue.
    #[default]
    None,
    Split(SplitQueue),
    Packed(PackedQueue),
}

/// Does the same with rings of either format, and something else where there are none.
macro_rules! either {
    ($rings:expr, $queue:ident => $act:expr, none => $none:expr) => {
        match $rings {
            Rings::None => $none,
            Rings::Split($queue) => $act,
            Rings::Packed($queue) => $act,
        }
    };
}

impl DeviceQueue {
    /// Returns the queue size, 0 before it is enabled.
    #[must_use]
    pub const fn size(&self) -> u16 {
        self.size
    }

    /// Returns where the parts are.
    #[must_use]
    pub const fn areas(&self) -> Areas {
        self.areas
    }

    /// Says whether the device uses the queue.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        !matches!(self.rings, Rings::None)
    }

    /// Returns the heads, or buffer IDs, of the chains the device has.
    #[must_use]
    pub const fn in_flight(&self) -> &BTreeSet<u16> {
        &self.in_flight
    }

    /// Returns how many chains were made available that the device has not looked at.
    ///
    /// # Errors
    ///
    /// [`StrayAccess`] if the rings are out of reach.
    pub fn unseen(&self, memory: &DeviceMemory) -> Result<u16, StrayAccess> {
        either!(&self.rings, queue => queue.unseen(memory), none => Ok(0))
    }

    /// Begins to use the queue; what is wrong with it is noted, and `memory_rule` is the rule for its memory being zeroed.
    pub(crate) fn enable(
        &mut self,
        size: u16,
        areas: Areas,
        features: RingFeatures,
        memory: &DeviceMemory,
        memory_rule: &'static str,
        violations: &mut Violations,
    ) {
        *self = Self {
            size,
            areas,
            ..Self::default()
        };
        // Room for every offset within a queue, so that no sum below wraps.
        let last = areas.descriptor.max(areas.driver).max(areas.device);
        if last > u64::MAX - PART_LIMIT_BYTES {
            violations.add(memory_rule, format!("an area at {last:#x}"));
            return;
        }
        let mut check =
            |parts, align_rule| area::check(&parts, align_rule, memory, memory_rule, violations);
        if features.packed {
            let mut queue = PackedQueue::new(size, areas);
            self.exposures = check(queue.parts(), "PACKED-01");
            let is_possible = queue.check_enabled(memory, memory_rule, violations);
            if is_possible {
                self.rings = Rings::Packed(queue);
            }
        } else {
            let queue = SplitQueue::new(size, areas);
            self.exposures = check(queue.parts(), "SPLIT-01");
            queue.check_enabled(memory, memory_rule, violations);
            self.rings = Rings::Split(queue);
        }
    }

    /// Stops using the queue and forgets it.
    pub(crate) fn disable(&mut self, memory: &DeviceMemory) {
        for exposure in self.exposures.drain(..) {
            memory.conceal(exposure);
        }
        *self = Self::default();
    }

    /// Takes the next chain the driver has made available, if there is one.
    pub(crate) fn pop(
        &mut self,
        memory: &DeviceMemory,
        features: RingFeatures,
        violations: &mut Violations,
    ) -> Result<Option<Chain>, RingError> {
        let chain = either!(
            &mut self.rings,
            queue => queue.pop(memory, features, violations)?,
            none => None
        );
        if let Some(Chain { head, .. }) = chain
            && !self.in_flight.insert(head)
        {
            if features.packed {
                let what = format!("buffer {head} was made available while it was in flight");
                violations.add("PACKED-20", what);
            }
            return Err(RingError::HeadInFlight { head });
        }
        Ok(chain)
    }

    /// Checks that the driver has left a chain alone since it was taken.
    pub(crate) fn check_unchanged(
        &mut self,
        chain: &Chain,
        memory: &DeviceMemory,
        features: RingFeatures,
        violations: &mut Violations,
    ) {
        let broken = either!(
            &mut self.rings,
            queue => queue.rule_of_change(chain, memory, features),
            none => None
        );
        if let Some(rule) = broken {
            let what = format!("the chain from {} was changed while in flight", chain.head);
            violations.add(rule, what);
        }
    }

    /// Notes that the device has done with the chain that begins at `head`.
    pub(crate) fn land(&mut self, head: u16) {
        self.in_flight.remove(&head);
    }

    /// Gives back what was used as the specification has it; true if the driver has to be notified.
    pub(crate) fn give_back(
        &mut self,
        used: Used,
        memory: &DeviceMemory,
        features: RingFeatures,
        violations: &mut Violations,
    ) -> Result<bool, RingError> {
        match &mut self.rings {
            Rings::None => Ok(false),
            Rings::Split(queue) => {
                queue.give_back(used, memory, features)?;
                match used.chains {
                    1 => queue.wants_interrupt(memory, features),
                    _ => queue.wants_interrupt_unaided(memory, features),
                }
            }
            Rings::Packed(queue) => {
                queue.give_back(used, memory, violations)?;
                Ok(queue.wants_interrupt(memory, features)?)
            }
        }
    }

    /// Gives back what need not be true.
    pub(crate) fn lie(&mut self, used: Used, memory: &DeviceMemory) -> Result<(), RingError> {
        either!(&mut self.rings, queue => queue.lie(used, memory), none => Ok(()))
    }

    /// As [`lie`](Self::lie), where the driver does not look.
    pub(crate) fn lie_elsewhere(
        &mut self,
        used: Used,
        memory: &DeviceMemory,
    ) -> Result<(), RingError> {
        either!(&mut self.rings, queue => queue.lie_elsewhere(used, memory), none => Ok(()))
    }

    /// Has `by` more chains look used without a word about which.
    pub(crate) fn jump(&mut self, by: u16, memory: &DeviceMemory) -> Result<(), RingError> {
        either!(&mut self.rings, queue => queue.jump(by, memory), none => Ok(()))
    }

    /// Says whether lies call for a notification.
    pub(crate) fn wants_interrupt_for_lies(
        &mut self,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> Result<bool, RingError> {
        match &mut self.rings {
            Rings::None => Ok(false),
            Rings::Split(queue) => queue.wants_interrupt_unaided(memory, features),
            Rings::Packed(queue) => Ok(queue.wants_interrupt(memory, features)?),
        }
    }

    /// Notes that there is work, which is looked for without being notified until [`listen`](Self::listen).
    pub(crate) fn be_quiet(
        &mut self,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> Result<(), RingError> {
        either!(&mut self.rings, queue => queue.be_quiet(memory, features), none => Ok(()))
    }

    /// Asks to be notified of the next chain; true if there is one already.
    pub(crate) fn listen(
        &mut self,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> Result<bool, RingError> {
        either!(&mut self.rings, queue => queue.listen(memory, features), none => Ok(false))
    }

    /// Checks that a notification that has come was one the device had asked for; in packed rings any may come (§2.8.16).
    pub(crate) fn check_notification(
        &mut self,
        memory: &DeviceMemory,
        features: RingFeatures,
        violations: &mut Violations,
    ) -> Result<(), StrayAccess> {
        match &mut self.rings {
            Rings::Split(queue) => queue.check_notification(memory, features, violations),
            Rings::Packed(_) | Rings::None => Ok(()),
        }
    }

    /// Notes that the driver waits for the device: by now it has decided whether to notify it of what is available.
    pub(crate) fn note_wait(&mut self, memory: &DeviceMemory) {
        either!(&mut self.rings, queue => queue.note_wait(memory), none => ());
    }

    /// Returns the rule that a driver broke that waited for chains which the device did not look at, and how many entries these take.
    pub(crate) fn unheard(
        &self,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> Option<(&'static str, u16)> {
        either!(
            &self.rings,
            queue => match queue.awaited_unseen() {
                0 => None,
                count => Some((queue.rule_of_silence(memory, features)?, count)),
            },
            none => None
        )
    }

    /// Returns what a notification that carries data has to say of the driver's next descriptor (§2.9).
    pub(crate) fn notification_data(&self, memory: &DeviceMemory) -> Result<u16, StrayAccess> {
        either!(&self.rings, queue => queue.notification_data(memory), none => Ok(0))
    }

    /// Writes `avail_event`, in packed rings offset and wrap counter of the device event suppression.
    pub(crate) fn set_available_event(
        &self,
        value: u16,
        memory: &DeviceMemory,
    ) -> Result<(), StrayAccess> {
        either!(&self.rings, queue => queue.set_available_event(value, memory), none => Ok(()))
    }

    /// Writes `used.flags`, in packed rings the flags of the device event suppression.
    pub(crate) fn set_used_flags(
        &self,
        value: u16,
        memory: &DeviceMemory,
    ) -> Result<(), StrayAccess> {
        either!(&self.rings, queue => queue.set_used_flags(value, memory), none => Ok(()))
    }
}
