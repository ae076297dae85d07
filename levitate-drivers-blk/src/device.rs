//! The driver of a block device: [`Blk`] (§5.2).

use core::fmt;

use levitate_hal::{Dma, DmaBuffer, DmaError, DmaSlice, Platform};
use levitate_virtio::Transport;

use crate::capabilities::Capabilities;
use crate::error::{InitError, SubmitError};
use crate::options::Options;
use crate::storage::BlkStorage;
use levitate_virtio::Token;

mod batch;
mod blocking;
mod configuration;
mod life;
mod ranges;
mod recovery;

pub use configuration::CapacityChange;
use life::Life;

/// A block device.
///
/// It can be used in two ways, also both at a time: blocking calls wait for the device themselves, and submitted requests are
/// collected by [`poll`](Self::poll).
///
/// When dropped it resets the device and gives all memory back.
/// If the device does not confirm the reset in time, the memory it was given is leaked, for it may still write there.
pub struct Blk<'s, T: Transport, P: Platform> {
    /// The device and its queue; `None` after a recovery that failed.
    life: Option<Life<'s, T, P::Dma>>,
    /// What borrowed slices go through; `None` while `abandoned` has it.
    bounce: Option<DmaBuffer<P::Dma>>,
    /// A request of the driver's own that was not answered in time.
    abandoned: Option<Token>,
    capabilities: Capabilities,
    wants_notifications: bool,
    options: Options,
    platform: P,
}

impl<'s, T: Transport, P: Platform> Blk<'s, T, P> {
    /// Brings the device up with the default [`Options`].
    ///
    /// # Errors
    ///
    /// [`InitError`].
    pub fn new<const N: usize>(
        transport: T,
        platform: P,
        storage: &'s mut BlkStorage<P::Dma, N>,
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
        storage: &'s mut BlkStorage<P::Dma, N>,
        options: Options,
    ) -> Result<Self, InitError> {
        let started = Life::start(transport, &platform, &mut storage.slots, &options)?;
        Ok(Self {
            life: Some(started.life),
            bounce: Some(started.bounce),
            abandoned: None,
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
        if let Some(life) = &mut self.life {
            life.queue.set_used_notifications(wanted);
        }
    }

    /// Returns how many requests the device has.
    pub fn in_flight(&self) -> u16 {
        self.life.as_ref().map_or(0, |life| life.queue.in_flight())
    }

    /// Returns how many more requests can be submitted now.
    pub fn idle_slots(&self) -> u16 {
        self.life.as_ref().map_or(0, |life| life.queue.idle_slots())
    }

    /// Refuses what the device must not be sent; nothing of this depends on how it is sent.
    fn check(&self, sector: u64, len_bytes: usize, access: Access) -> Result<(), SubmitError> {
        if len_bytes == 0 || !len_bytes.is_multiple_of(crate::SECTOR_BYTES) {
            return Err(SubmitError::NotWholeSectors { len_bytes });
        }
        self.check_range(sector, sectors(len_bytes), access)
    }

    /// Refuses sectors that the device must not be asked for.
    fn check_range(
        &self,
        sector: u64,
        sector_count: u64,
        access: Access,
    ) -> Result<(), SubmitError> {
        if sector_count == 0 {
            return Err(SubmitError::NoSectors);
        }
        let block_size_bytes = self.block_size_bytes();
        let block_sectors = sectors(block_size_bytes as usize);
        if !sector.is_multiple_of(block_sectors) || !sector_count.is_multiple_of(block_sectors) {
            return Err(SubmitError::NotWholeBlocks {
                sector,
                sector_count,
                block_size_bytes,
            });
        }
        let capacity_sectors = self.capacity_sectors();
        match sector.checked_add(sector_count) {
            Some(end) if end <= capacity_sectors => {}
            _ => {
                return Err(SubmitError::OutOfRange {
                    sector,
                    sector_count,
                    capacity_sectors,
                });
            }
        }
        if access == Access::Write && self.is_read_only() {
            return Err(SubmitError::ReadOnly);
        }
        Ok(())
    }

    /// Takes the driver's own late request back, if the device is done with it.
    fn settle_if_done(&mut self) {
        if let (Some(token), Some(life)) = (self.abandoned, &mut self.life)
            && let Some(completion) = life.take(token)
        {
            self.abandoned = None;
            self.keep_bounce(completion.buffer);
        }
    }

    /// Keeps the bounce buffer that a request of the driver's own gave back, if it carried it.
    fn keep_bounce(&mut self, buffer: Option<DmaBuffer<P::Dma>>) {
        if buffer.is_some() {
            self.bounce = buffer;
        }
    }
}

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// Returns how many sectors a length is, rounded down.
fn sectors(len_bytes: usize) -> u64 {
    const { assert!(crate::SECTOR_BYTES.is_power_of_two()) };
    (len_bytes as u64) >> crate::SECTOR_BYTES.ilog2()
}

fn new_buffer<D: Dma>(dma: &D, len_bytes: usize) -> Result<DmaBuffer<D>, DmaError> {
    DmaSlice::new_zeroed_aligned(dma, len_bytes, crate::SECTOR_BYTES).map(DmaBuffer::from)
}

impl<T: Transport, P: Platform> fmt::Debug for Blk<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blk")
            .field("capabilities", &self.capabilities)
            .field("is_running", &self.life.is_some())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
