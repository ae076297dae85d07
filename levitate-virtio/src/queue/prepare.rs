//! Setting up a virtqueue before the device goes live: [`QueueConfig`], [`PreparedQueue`] (§4.2.3.2).

use levitate_hal::{Barriers, Dma, Segments};

use super::chain::MAX_CHAIN_BYTES;
use super::in_order::Order;
use super::polling::Pace;
use super::ring::{Format, Progress, Ring as _, RingConfig, SplitOrPacked};
use super::slot::{List, Slot, Stack};
use super::slot_memory::SlotMemory;
use super::{Queue, QueueError, QueueIndex, QueueSize, Shape};
use crate::features::Features;
use crate::init::{Device, Identity, stage};
use crate::transport::{Interface, Transport};

/// What the requests of a queue look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// Longest header in bytes.
    pub header_bytes: usize,
    /// Longest footer in bytes.
    pub footer_bytes: usize,
    /// Most descriptors for the data of one request, if the device's queue has room for them.
    pub max_segments: u16,
    /// Most bytes in one descriptor of data.
    pub max_segment_bytes: u32,
    /// Up to so many descriptors a chain is in the ring itself, also where it could be in a table of its own (§2.7.5.3, §2.8.7), if
    /// the device's queue has room for as many in each slot.
    ///
    /// The device has less to read of a short chain in the ring, and there is room for more requests where chains are in tables.
    pub direct_descriptors: u16,
}

impl QueueConfig {
    /// Returns the descriptors of a request that carries no data.
    const fn fixed_descriptors(&self) -> u16 {
        ((self.header_bytes != 0) as u16).saturating_add((self.footer_bytes != 0) as u16)
    }
}

/// A virtqueue that the device knows and that may not be used before the device is live.
#[derive(Debug)]
#[must_use = "dropped, it leaks its memory, which the device knows"]
pub struct PreparedQueue<'s, B, C, D: Dma, R: Format = SplitOrPacked> {
    index: QueueIndex,
    ring: R::Ring<D>,
    ring_config: RingConfig,
    memory: SlotMemory<D>,
    slots: &'s mut [Slot<B, C>],
    shape: Shape,
    progress: Progress,
    interface: Interface,
    identity: Identity,
    enabled: Identity,
}

/// How a queue is cut into slots.
struct Cut {
    size: QueueSize,
    slots: u16,
    max_segments: u16,
    direct_descriptors: u16,
    table_entries: u16,
}

impl Cut {
    /// Finds the largest cut with room for `slots` requests at most, of a queue that may have `max` descriptors.
    fn of(
        index: QueueIndex,
        max: u32,
        slots: usize,
        config: &QueueConfig,
        features: Features,
    ) -> Result<Self, QueueError> {
        let fixed = config.fixed_descriptors();
        if slots == 0 || fixed.saturating_add(config.max_segments) == 0 {
            return Err(QueueError::Empty);
        }
        let too_small = QueueError::TooSmall {
            queue: index,
            max,
            needed: fixed.max(1),
        };
        let is_packed = features.contains(Features::RING_PACKED);
        let limit = match is_packed {
            // Any size will do (§2.8.10.1).
            true => QueueSize::new(
                u16::try_from(max)
                    .unwrap_or(u16::MAX)
                    .min(QueueSize::MAX.get()),
            ),
            false => QueueSize::at_most(max),
        }
        .ok_or(too_small)?;
        // A chain is never longer than the queue, in a table of its own neither (§2.7.5.3.1, §2.8.7).
        let max_segments = config
            .max_segments
            .min(limit.get().checked_sub(fixed).ok_or(too_small)?);
        let chain = fixed.saturating_add(max_segments);
        if chain == 0 {
            return Err(too_small);
        }
        let stride_of = |descriptors: u16| match is_packed {
            true => Some(descriptors.into()),
            false => QueueSize::at_least(descriptors.into()).map(QueueSize::as_usize),
        };
        let has_room_for = |descriptors| {
            stride_of(descriptors)
                .is_some_and(|stride| slots.saturating_mul(stride) <= limit.as_usize())
        };
        let wished = config.direct_descriptors.clamp(1, chain);
        let direct_descriptors = match features.contains(Features::INDIRECT_DESC) {
            true if has_room_for(wished) => wished,
            true => 1,
            false => chain,
        };
        let table_entries = match direct_descriptors < chain {
            true => chain,
            false => 0,
        };
        let stride = stride_of(direct_descriptors).ok_or(too_small)?;
        let wanted = slots.saturating_mul(stride).max(usize::from(chain));
        let wanted = match is_packed {
            true => u16::try_from(wanted).ok().and_then(QueueSize::new),
            false => QueueSize::at_least(wanted),
        };
        let size = wanted.unwrap_or(QueueSize::MAX).min(limit);
        // Once, when the queue is set up.
        let room = size.as_usize().checked_div(stride).unwrap_or(0);
        let slots = u16::try_from(room.min(slots)).map_err(|_| too_small)?;
        if slots == 0 {
            return Err(too_small);
        }
        Ok(Self {
            size,
            slots,
            max_segments,
            direct_descriptors,
            table_entries,
        })
    }
}

impl<'s, B: Segments, C, D: Dma, R: Format> PreparedQueue<'s, B, C, D, R> {
    /// Allocates a queue with room for as many requests as there are `slots`, or as the device allows, and gives it to the device.
    pub(crate) fn new<T: Transport>(
        transport: &mut T,
        features: Features,
        identity: Identity,
        dma: &D,
        index: QueueIndex,
        config: QueueConfig,
        slots: &'s mut [Slot<B, C>],
    ) -> Result<Self, QueueError> {
        // A queue that is misconfigured is so for every device.
        if slots.is_empty()
            || config
                .fixed_descriptors()
                .saturating_add(config.max_segments)
                == 0
        {
            return Err(QueueError::Empty);
        }
        let max = transport.read_max_queue_size(index)?;
        let cut = Cut::of(index, max, slots.len(), &config, features)?;
        let memory = SlotMemory::new(
            dma,
            cut.slots,
            config.header_bytes,
            config.footer_bytes,
            cut.table_entries,
        )?;
        let ring_config = RingConfig {
            size: cut.size,
            descriptors_per_slot: cut.direct_descriptors,
            placement: transport.placement(),
            features,
            barriers: match features.contains(Features::ORDER_PLATFORM) {
                true => Barriers::Platform,
                false => Barriers::Cpu,
            },
            interface: transport.interface(),
        };
        let ring = match R::Ring::new(dma, &ring_config) {
            Ok(ring) => ring,
            Err(error) => {
                drop(memory.into_memory());
                return Err(error.into());
            }
        };
        // No ring has room for more, and their number would be none.
        let len = slots.len().min(QueueSize::MAX.as_usize());
        let (slots, _) = slots.split_at_mut(len);
        // A token of an earlier queue with these slots names nothing in this one.
        let sequences = slots.iter().map(|slot| slot.record.sequence);
        let progress = Progress::behind(sequences.max().unwrap_or(0).into());
        for slot in slots.iter_mut() {
            // An earlier, leaked queue may have left data here that a device still has: its owner never drops it.
            *slot = Slot::new();
            // It counts for a later queue, too, if this one never uses the slot.
            slot.record.sequence = progress.last();
        }
        for number in 0..cut.slots {
            if let Some(slot) = slots.get_mut(usize::from(number)) {
                slot.record.offset = memory.offset(number);
            }
        }

        let enabled = Identity::fresh();
        // SAFETY: the ring is at the areas it names and as long as their size says; it and the slots' memory are given back only by
        // `release`, with proof that the device of this `identity` was reset, or, the ring, by `restart`, with proof that the queue was
        // reset since it was `enabled`, and are leaked otherwise.
        if let Err(error) = unsafe { transport.enable_queue(index, &ring.areas()) } {
            if !error.is_device_told() {
                drop(ring.into_memory());
                drop(memory.into_memory());
            }
            return Err(error.into());
        }
        let shape = Shape {
            slots: cut.slots,
            max_segments: cut.max_segments,
            max_segment_bytes: longest_segment(&config).into(),
            direct_descriptors: cut.direct_descriptors,
            header_bytes: config.header_bytes,
            footer_bytes: config.footer_bytes,
            is_in_order: features.contains(Features::IN_ORDER),
        };
        Ok(Self {
            index,
            ring,
            ring_config,
            memory,
            slots,
            shape,
            progress,
            interface: transport.interface(),
            identity,
            enabled,
        })
    }

    /// Makes the queue usable, now that `device`, for which it was prepared, is live.
    ///
    /// # Errors
    ///
    /// [`QueueError::ForeignDevice`] if it was prepared for another one; its memory is leaked, for that one may use it.
    pub fn activate<T: Transport>(
        self,
        device: &Device<T, stage::Live<R>>,
    ) -> Result<Queue<'s, B, C, D, T::Notifier, R>, QueueError> {
        if device.identity() != self.identity {
            return Err(QueueError::ForeignDevice);
        }
        Ok(Queue {
            index: self.index,
            idle: Stack::of(self.slots, self.shape.slots),
            ring: self.ring,
            ring_config: self.ring_config,
            memory: self.memory,
            slots: self.slots,
            done: List::EMPTY,
            order: Order::of(self.shape.slots),
            done_len: 0,
            progress: self.progress,
            shape: self.shape,
            interface: self.interface,
            notifier: device.transport().notifier(self.index),
            wants_notifications: false,
            awaited: self.progress.done,
            settled: self.progress.done,
            fault: None,
            pace: Pace::quick(self.shape.is_in_order),
            identity: self.identity,
            enabled: self.enabled,
            notifications: 0,
        })
    }
}

/// Returns how long one descriptor of data may be, so that a chain of it, a header and a footer is no longer than one may be.
fn longest_segment(config: &QueueConfig) -> u32 {
    let fixed_bytes = config.header_bytes.saturating_add(config.footer_bytes);
    let left_bytes = MAX_CHAIN_BYTES.saturating_sub(u32::try_from(fixed_bytes).unwrap_or(u32::MAX));
    config.max_segment_bytes.min(left_bytes).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_in_the_ring_where_each_slot_has_room_for_them() {
        let config = QueueConfig {
            header_bytes: 16,
            footer_bytes: 1,
            max_segments: 6,
            max_segment_bytes: 4096,
            direct_descriptors: 3,
        };
        let (split, packed) = (Features::empty(), Features::RING_PACKED);
        let cut = |features, slots| {
            let cut = Cut::of(QueueIndex::new(0), 256, slots, &config, features).unwrap();
            let in_ring = (cut.direct_descriptors, cut.table_entries);
            (cut.size.get(), cut.slots, in_ring)
        };
        let with_tables = |features| features | Features::INDIRECT_DESC;
        // A slot of a split ring has a power of two of descriptors.
        assert_eq!(cut(with_tables(split), 64), (256, 64, (3, 8)));
        assert_eq!(cut(with_tables(split), 65), (128, 65, (1, 8)));
        assert_eq!(cut(with_tables(packed), 85), (255, 85, (3, 8)));
        assert_eq!(cut(with_tables(packed), 86), (86, 86, (1, 8)));
        // Where there are no tables, there are fewer slots.
        assert_eq!(cut(split, 65), (256, 32, (8, 0)));
        assert_eq!(cut(packed, 65), (256, 32, (8, 0)));
    }
}
