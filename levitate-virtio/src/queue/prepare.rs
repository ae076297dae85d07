//! Setting up a virtqueue before the device goes live: [`QueueConfig`], [`PreparedQueue`] (§4.2.3.2).

use levitate_hal::{Barriers, Dma, Segments};

use super::chain::ChainShape;
use super::slot::{List, Slot};
use super::slot_memory::SlotMemory;
use super::split::SplitRing;
use super::{Queue, QueueCounts, QueueError, QueueIndex, QueueSize};
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
pub struct PreparedQueue<'s, B, C, D: Dma> {
    index: QueueIndex,
    ring: SplitRing<D>,
    memory: SlotMemory<D>,
    slots: &'s mut [Slot<B, C>],
    idle: List,
    shape: ChainShape,
    interface: Interface,
    config: QueueConfig,
    identity: Identity,
}

impl<'s, B: Segments, C, D: Dma> PreparedQueue<'s, B, C, D> {
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
        let fixed = config.fixed_descriptors();
        if slots.is_empty() || fixed.saturating_add(config.max_segments) == 0 {
            return Err(QueueError::Empty);
        }
        let max = transport.read_max_queue_size(index)?;
        let too_small = QueueError::TooSmall {
            queue: index,
            max,
            needed: fixed.max(1),
        };
        let limit = QueueSize::at_most(max).ok_or(too_small)?;
        // A chain is never longer than the queue, in a table of its own neither (§2.7.5.3.1).
        let max_segments = config
            .max_segments
            .min(limit.get().checked_sub(fixed).ok_or(too_small)?);
        let chain = fixed.saturating_add(max_segments);
        if chain == 0 {
            return Err(too_small);
        }
        let is_indirect = features.contains(Features::INDIRECT_DESC) && chain > 1;
        let stride_log2 = match is_indirect {
            true => 0,
            false => QueueSize::at_least(usize::from(chain))
                .ok_or(too_small)?
                .get()
                .ilog2(),
        };
        let stride = 1_usize.wrapping_shl(stride_log2);
        let wanted =
            QueueSize::at_least(slots.len().saturating_mul(stride).max(usize::from(chain)));
        let size = wanted.unwrap_or(QueueSize::MAX).min(limit);
        let slot_count = size.as_usize().wrapping_shr(stride_log2).min(slots.len());
        let count = u16::try_from(slot_count).map_err(|_| too_small)?;
        if count == 0 {
            return Err(too_small);
        }

        let barriers = match features.contains(Features::ORDER_PLATFORM) {
            true => Barriers::Platform,
            false => Barriers::Cpu,
        };
        let table_entries = if is_indirect { usize::from(chain) } else { 0 };
        let memory = SlotMemory::new(
            dma,
            count,
            config.header_bytes,
            config.footer_bytes,
            table_entries,
        )?;
        let has_event_index = features.contains(Features::EVENT_IDX);
        let ring = match SplitRing::new(dma, size, transport.placement(), has_event_index, barriers)
        {
            Ok(ring) => ring,
            Err(error) => {
                drop(memory.into_memory());
                return Err(error.into());
            }
        };

        let mut idle = List::EMPTY;
        for slot in slots.iter_mut() {
            // An earlier, leaked queue may have left data here that a device still has: its owner never drops it.
            // A token from an earlier life names nothing in this one.
            let generation = slot.generation.wrapping_add(1);
            *slot = Slot {
                generation,
                ..Slot::new()
            };
        }
        for number in 0..count {
            idle.push(slots, number);
        }

        // SAFETY: the ring is at the areas it names and as long as their size says; it and the slots' memory are given back only by
        // `release`, with proof that the device of this `identity` was reset, and are leaked otherwise.
        if let Err(error) = unsafe { transport.enable_queue(index, &ring.areas()) } {
            if !error.is_device_told() {
                drop(ring.into_memory());
                drop(memory.into_memory());
            }
            return Err(error.into());
        }
        let shape = ChainShape {
            slots: count,
            max_segments,
            max_segment_bytes: config.max_segment_bytes,
            is_indirect,
            stride_log2,
        };
        let interface = transport.interface();
        Ok(Self {
            index,
            ring,
            memory,
            slots,
            idle,
            shape,
            interface,
            config,
            identity,
        })
    }

    /// Makes the queue usable, now that `device`, for which it was prepared, is live.
    ///
    /// # Errors
    ///
    /// [`QueueError::ForeignDevice`] if it was prepared for another one; its memory is leaked, for that one may use it.
    pub fn activate<T: Transport>(
        self,
        device: &Device<T, stage::Live>,
    ) -> Result<Queue<'s, B, C, D, T::Notifier>, QueueError> {
        if device.identity() != self.identity {
            return Err(QueueError::ForeignDevice);
        }
        Ok(Queue {
            index: self.index,
            ring: self.ring,
            memory: self.memory,
            slots: self.slots,
            idle: self.idle,
            done: List::EMPTY,
            in_flight: 0,
            shape: self.shape,
            interface: self.interface,
            header_bytes: self.config.header_bytes,
            footer_bytes: self.config.footer_bytes,
            notifier: device.transport().notifier(self.index),
            wants_notifications: false,
            awaited: 0,
            fault: None,
            identity: self.identity,
            counts: QueueCounts::default(),
        })
    }
}
