//! What the formats of a ring have in common: [`Ring`], [`Format`] (§2.6).
//!
//! A queue has one ring, of the format that was agreed on with the device.

use levitate_hal::{Barriers, Dma, DmaError, DmaRegion};

use super::DeviceFault;
use super::chain::Parts;
use super::packed::PackedRing;
use super::size::QueueSize;
use super::slot::{Record, Slot, Written};
use super::split::SplitRing;
use crate::features::Features;
use crate::transport::{Interface, Placement, QueueAreas};

mod either;
mod format;
mod progress;

#[cfg(all(test, loom))]
pub(super) use either::EitherRing;
pub use format::{Format, Split, SplitOrPacked};
pub(super) use progress::Progress;

/// What a ring is made for.
#[derive(Clone, Copy, Debug)]
pub struct RingConfig {
    /// Number of descriptors; a power of two for a split ring.
    pub(super) size: QueueSize,
    /// How many descriptors a slot has to itself.
    pub(super) descriptors_per_slot: u16,
    pub(super) placement: Placement,
    pub(super) features: Features,
    pub(super) barriers: Barriers,
    pub(super) interface: Interface,
}

/// A chain that the device is done with, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Which chain.
    pub(super) id: u32,
    /// Whose chain that is, if there is such a slot.
    pub(super) slot: u32,
    /// How many bytes it wrote; as many as there can be, if it is a legacy device, whose word means nothing (§2.7.8.1).
    pub(super) len_bytes: u32,
    /// Whether it says that the length has a meaning; if not, one that cannot be true has none.
    pub(super) is_len_meant: bool,
}

impl Used {
    /// Returns the number of the slot, which there is: slots are numbered in 16 bits.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "no slot has more")]
    pub(super) const fn number(self) -> u16 {
        self.slot as u16
    }
}

/// One virtqueue's ring, as the driver sees it.
///
/// How many requests were submitted and done is counted by the queue, and told to the ring.
/// What the driver needs to know again is kept in private memory; the ring is only written, but for the fields that belong to the
/// device, and those are read once each time.
///
/// Dropped otherwise than by `into_memory`, it leaks its memory, for the device may still use it.
pub trait Ring<D: Dma>: Sized + format::Sealed {
    /// Allocates a zeroed ring that asks for no used buffer notifications.
    #[doc(hidden)]
    fn new(dma: &D, config: &RingConfig) -> Result<Self, DmaError>;

    /// Returns where the device finds the three areas.
    #[doc(hidden)]
    fn areas(&self) -> QueueAreas;

    /// Returns the memory; the caller knows that the device cannot reach it any more.
    #[doc(hidden)]
    fn into_memory(self) -> DmaRegion<D>;

    /// Lays out a chain in the descriptors of its slot, or in a table, as far as they stay where they are from one request to the
    /// next.
    ///
    /// # Safety
    ///
    /// The chain's place has room for its footer and, unless the chain is direct, for a table of all its parts behind that; a direct
    /// chain has no more parts than a slot has descriptors.
    #[doc(hidden)]
    unsafe fn lay_out<P: Parts>(&mut self, record: &mut Record, slot: u32, chain: P);

    /// Makes a chain available that is laid out as `record` says, but for its data, if that is just one part; notes there what
    /// is to be known of it later, and in `progress` that there is one more.
    ///
    /// # Safety
    ///
    /// As for [`lay_out`](Self::lay_out); and this ring has laid a chain out in the slot that has these parts, but for where the data is
    /// and how long, as the record says.
    #[doc(hidden)]
    unsafe fn add<P: Parts>(&mut self, record: &mut Record, progress: &mut Progress, chain: P);

    /// Returns where the next chain will be made available: what goes into a notification with data (§2.9).
    #[doc(hidden)]
    fn position(&self, progress: Progress) -> u16;

    /// Returns the ring, if it is a split one.
    #[doc(hidden)]
    fn as_split(&mut self) -> Option<&mut SplitRing<D>>;

    /// Returns the ring, if it is a packed one, which it is if it is not a split one.
    #[doc(hidden)]
    fn as_packed(&mut self) -> Option<&mut PackedRing<D>>;

    /// Decides whether the device must be notified of what was made available since the last decision, and something was; `None` where
    /// that takes [more than a few steps](Self::needs_notification_by_event).
    #[doc(hidden)]
    fn needs_notification(&mut self, progress: Progress) -> Option<bool>;

    /// Decides it with VIRTIO_F_EVENT_IDX, right after `needs_notification` did not, which has the barrier for it.
    #[doc(hidden)]
    fn needs_notification_by_event(&mut self, progress: Progress) -> bool;

    /// Reads whether the device has fetched the chain that `record` is about; `None` if it does not say.
    #[doc(hidden)]
    fn is_fetched(&self, record: &Record) -> Option<bool>;

    /// Reads the next chain that the device is done with, after those that were [passed](Self::pass_used).
    #[doc(hidden)]
    fn next_used(&mut self, progress: Progress) -> Result<Option<Used>, DeviceFault>;

    /// Says whether the device's last word covers `chains` chains, the next used one included.
    #[doc(hidden)]
    fn covers(&self, progress: Progress, chains: u16) -> bool;

    /// Goes past chains which had so many descriptors in the ring; they count as done from now on.
    #[doc(hidden)]
    fn pass_used(&mut self, descriptors: u16);

    /// Goes past the next chain that the device is done with, if it had it; nothing happens where anything is out of the ordinary.
    #[doc(hidden)]
    #[inline]
    fn take_used<'a, B, C>(
        &mut self,
        progress: Progress,
        slots: &'a mut [Slot<B, C>],
    ) -> Option<(u32, &'a mut Slot<B, C>, Written)> {
        let used = self.next_used(progress).ok()??;
        let slot = slots.get_mut(used.slot as usize)?;
        let written = slot.record.written(used.len_bytes)?;
        self.pass_used(slot.record.descriptors);
        Some((used.slot, slot, written))
    }

    /// Goes past the next chain that the device is done with, if that is the one of this slot and it had it; nothing happens where anything
    /// is out of the ordinary.
    #[doc(hidden)]
    #[inline]
    fn take_used_of(&mut self, progress: Progress, slot: u32, record: &Record) -> Option<Written> {
        let used = self.next_used(progress).ok()??;
        let written = record.written(used.len_bytes)?;
        if used.slot != slot {
            return None;
        }
        self.pass_used(record.descriptors);
        Some(written)
    }

    /// Asks the device for no used buffer notifications (§2.7.7, §2.8.10); it may send some all the same.
    #[doc(hidden)]
    fn suppress_used_notifications(&mut self, progress: Progress);

    /// Asks the device for a notification of a used buffer, and says whether one may have come already (§2.7.14).
    ///
    /// With VIRTIO_F_EVENT_IDX that is the chain `count` from now, which is at least 1, where the ring can say so.
    #[doc(hidden)]
    fn request_used_notification(&mut self, progress: Progress, count: u16) -> bool;
}

/// Where the fields of a ring lie in its memory.
pub(super) trait Plan {
    /// Returns the length of all of it.
    fn len_bytes(&self) -> usize;

    /// Returns the offset of each field, for a model checker.
    #[cfg(all(test, loom))]
    fn fields(&self) -> std::vec::Vec<usize>;
}

/// Returns the two words of a descriptor: its address, and its length with two fields of 16 bits behind it.
#[inline]
pub(super) fn words(addr: u64, len_bytes: u32, third: u16, fourth: u16) -> [u64; 2] {
    let rest = u64::from(len_bytes) | u64::from(third) << 32 | u64::from(fourth) << 48;
    [addr.to_le(), rest.to_le()]
}
