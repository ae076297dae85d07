//! The driver of a block device: [`Blk`] (§5.2).

use core::fmt;

use levitate_hal::{Dma, DmaBuffer, DmaError, DmaSlice, Platform};
use levitate_virtio::{Negotiated, Transport};

use crate::capabilities::Capabilities;
use crate::error::InitError;
use crate::features::BlkFeatures;
use crate::options::Options;
use crate::storage::BlkStorage;

mod asynchronous;
mod batch;
mod blocking;
mod check;
mod configuration;
mod life;
mod queue;
mod queue_reset;
mod ranges;
mod recovery;
mod requests;

pub use asynchronous::{AsyncBlk, Counts, Request};
pub use check::Access;
pub use configuration::CapacityChange;
use life::Life;
pub use queue::BlkQueue;
use queue::Own;

/// A block device.
///
/// It can be used in two ways, also both at a time: blocking calls wait for the device themselves, and submitted requests are
/// collected by [`poll`](Self::poll).
///
/// A device with `VIRTIO_BLK_F_MQ` can be used through several queues, by their [`queues`](Self::queues): `MORE` besides the first, if
/// the storage has room for requests in them.
///
/// When dropped it resets the device and gives all memory back.
/// If the device does not confirm the reset in time, the memory it was given is leaked, for it may still write there.
pub struct Blk<'s, T: Transport, P: Platform, const MORE: usize = 0> {
    /// The device and its queues; `None` after a recovery that failed.
    life: Option<Life<'s, T, P::Dma, MORE>>,
    own: Own<P::Dma>,
    /// Position of the queue that `poll` looks at first.
    next_polled: usize,
    capabilities: Capabilities,
    wants_notifications: bool,
    options: Options,
    platform: P,
}

impl<'s, T: Transport, P: Platform, const MORE: usize> Blk<'s, T, P, MORE> {
    /// Brings the device up with the default [`Options`].
    ///
    /// # Errors
    ///
    /// [`InitError`].
    pub fn new<const N: usize>(
        transport: T,
        platform: P,
        storage: &'s mut BlkStorage<P::Dma, N, MORE>,
    ) -> Result<Self, InitError> {
        Self::with_options(transport, platform, storage, Options::default())
    }

    /// Brings the device up (§3.1.1, §5.2.5).
    ///
    /// # Errors
    ///
    /// [`InitError`].
    pub fn with_options<const N: usize>(
        transport: T,
        platform: P,
        storage: &'s mut BlkStorage<P::Dma, N, MORE>,
        options: Options,
    ) -> Result<Self, InitError> {
        let more = storage.more.each_mut().map(|slots| Some(&mut slots[..]));
        let slots = (&mut storage.slots[..], more);
        let started = Life::start(transport, &platform, slots, &options)?;
        Ok(Self {
            life: Some(started.life),
            own: Own {
                bounce: Some(started.bounce),
                abandoned: None,
            },
            next_polled: 0,
            capabilities: started.capabilities,
            wants_notifications: false,
            options,
            platform,
        })
    }

    /// Returns what the device can do.
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Returns what driver and device agreed on; `None` after a recovery that failed.
    pub fn features(&self) -> Option<Negotiated<BlkFeatures>> {
        self.life.as_ref().map(|life| life.features)
    }

    /// Returns the length of the device in sectors of 512 bytes.
    pub const fn capacity_sectors(&self) -> u64 {
        self.capabilities.capacity_sectors()
    }

    /// Returns the size of a block in bytes; requests begin and end with a block.
    ///
    /// The protocol counts in sectors of 512 bytes all the same, and so do all calls here (§5.2.5).
    pub const fn block_size_bytes(&self) -> u32 {
        self.capabilities.block_size_bytes()
    }

    /// Says whether the device fails every write; the driver refuses them.
    pub const fn is_read_only(&self) -> bool {
        self.capabilities.is_read_only()
    }

    /// Says whether the device has a flush command; without, writes are durable when they are done.
    pub const fn has_flush(&self) -> bool {
        self.capabilities.has_flush()
    }

    /// Returns how many bytes one request can read or write; a longer blocking call becomes several requests.
    pub const fn max_request_bytes(&self) -> u32 {
        self.capabilities.max_request_bytes()
    }

    /// Allocates a zeroed buffer of `len_bytes` bytes that the device can reach.
    ///
    /// # Errors
    ///
    /// [`DmaError`].
    pub fn allocate_buffer(&self, len_bytes: usize) -> Result<DmaBuffer<P::Dma>, DmaError> {
        new_buffer(self.platform.dma(), len_bytes)
    }

    /// Returns the handle for an interrupt handler: it takes no lock and only acknowledges.
    ///
    /// `None` after a recovery that failed.
    pub fn interrupt(&self) -> Option<T::Interrupt> {
        let life = self.life.as_ref()?;
        Some(life.device.transport().interrupt())
    }

    /// Chooses whether the device shall interrupt when a request is done; at first it shall not.
    ///
    /// Call [`poll`](Self::poll) afterwards: there is no interrupt for what was done before.
    pub fn set_used_notifications(&mut self, wanted: bool) {
        self.wants_notifications = wanted;
        for queue in self.life.iter_mut().flat_map(Life::queues_mut) {
            queue.set_used_notifications(wanted);
        }
    }

    /// Returns how many requests the device has.
    pub fn in_flight(&self) -> u16 {
        let queues = self.life.iter().flat_map(Life::queues);
        queues.fold(0, |sum, queue| sum.saturating_add(queue.in_flight()))
    }

    /// Returns how many more requests can be submitted to the first queue now.
    pub fn idle_slots(&self) -> u16 {
        self.life.as_ref().map_or(0, |life| life.queue.idle_slots())
    }
}

fn new_buffer<D: Dma>(dma: &D, len_bytes: usize) -> Result<DmaBuffer<D>, DmaError> {
    DmaSlice::new_zeroed_aligned(dma, len_bytes, crate::SECTOR_BYTES).map(DmaBuffer::from)
}

impl<T: Transport, P: Platform, const MORE: usize> fmt::Debug for Blk<'_, T, P, MORE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blk")
            .field("capabilities", &self.capabilities)
            .field("is_running", &self.life.is_some())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
