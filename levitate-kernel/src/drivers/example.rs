//! The least there is to an adapter: a driver over levitate-virtio's `Transport` as a [`BlockDevice`].
//!
//! The driver is [`Blk`], by its blocking calls alone; any other would be in its place.

use alloc::boxed::Box;
use alloc::string::{String, ToString};

use levitate_drivers_blk::{Blk, BlkStorage};

use super::DriverError;
use super::block::{BlockDevice, DiskInfo, SECTOR_BYTES};
use crate::devices::{KernelTransport, Way};
use crate::platform::{KernelDma, Platform, platform};

/// A disk whose callers wait for it, each at most as long as the driver's timeout.
pub(crate) struct ExampleBlk(Blk<'static, KernelTransport, Platform>);

impl ExampleBlk {
    /// Brings the disk up.
    pub(crate) fn new(way: &Way) -> Result<Self, DriverError> {
        // Of one request; the disk may come to know it, so it is never given back.
        let storage = Box::leak(Box::new(BlkStorage::<KernelDma, 1>::new()));
        let mut blk = Blk::new(way.connect()?, platform(), storage)?;
        // The driver looks for answers itself; the kernel counts interrupts, whoever drives the disk.
        blk.set_used_notifications(true);
        Ok(Self(blk))
    }
}

impl BlockDevice for ExampleBlk {
    fn info(&self) -> DiskInfo {
        DiskInfo {
            capacity_sectors: self.0.capacity_sectors(),
            block_sectors: u64::from(self.0.block_size_bytes()) / SECTOR_BYTES as u64,
            is_read_only: self.0.is_read_only(),
            driver: "example",
            max_request_bytes: self.0.max_request_bytes().into(),
            can_discard: false,
            can_write_zeroes: false,
        }
    }

    fn id(&mut self) -> Result<String, DriverError> {
        Ok(self.0.id()?.to_string())
    }

    fn read(&mut self, first_sector: u64, buffer: &mut [u8]) -> Result<(), DriverError> {
        Ok(self.0.read(first_sector, buffer)?)
    }

    fn write(&mut self, first_sector: u64, data: &[u8]) -> Result<(), DriverError> {
        Ok(self.0.write(first_sector, data)?)
    }

    fn flush(&mut self) -> Result<(), DriverError> {
        Ok(self.0.flush()?)
    }
}
