//! A disk of the crate `virtio-drivers` as a [`BlockDevice`].

use alloc::string::String;
use alloc::vec::Vec;

use virtio_drivers::device::blk::VirtIOBlk;

use super::NAME;
use super::in_flight::{self, checked};
use super::life::Life;
use super::transport::Counted;
use crate::devices::Way;
use crate::drivers::block::{BlockDevice, DiskInfo, Read};
use crate::drivers::{DriverError, QueueCounts};
use crate::platform::KernelHal;

/// A disk driven by `virtio-drivers`.
pub(crate) struct VirtioDriversBlk {
    life: Life<VirtIOBlk<KernelHal, Counted>>,
    info: DiskInfo,
}

impl VirtioDriversBlk {
    /// Brings the disk up.
    pub(crate) fn new(way: &Way) -> Result<Self, DriverError> {
        let mut life = Life::start(way, VirtIOBlk::new)?;
        let disk = life.driver()?;
        let info = DiskInfo {
            capacity_sectors: disk.capacity(),
            is_read_only: disk.readonly(),
            driver: NAME,
            // What the disk has beyond that, the crate does not ask for.
            block_sectors: 1,
            max_request_bytes: u32::MAX.into(),
            can_discard: false,
            can_write_zeroes: false,
        };
        Ok(Self { life, info })
    }
}

impl BlockDevice for VirtioDriversBlk {
    fn info(&self) -> DiskInfo {
        self.info.clone()
    }

    fn id(&mut self) -> Result<String, DriverError> {
        let mut id = [0; 20];
        let length = self.life.call(|disk| disk.device_id(&mut id))?;
        Ok(String::from_utf8_lossy(&id[..length]).into_owned())
    }

    fn read(&mut self, first_sector: u64, buffer: &mut [u8]) -> Result<(), DriverError> {
        let first = checked(first_sector, buffer)?;
        self.life.call(|disk| disk.read_blocks(first, buffer))
    }

    fn read_many(&mut self, reads: &mut [Read<'_>]) -> Result<(), DriverError> {
        in_flight::read(&mut self.life, reads)
    }

    fn write(&mut self, first_sector: u64, data: &[u8]) -> Result<(), DriverError> {
        let first = checked(first_sector, data)?;
        self.life.call(|disk| disk.write_blocks(first, data))
    }

    fn flush(&mut self) -> Result<(), DriverError> {
        self.life.call(VirtIOBlk::flush)
    }

    fn counts(&self) -> Vec<QueueCounts> {
        self.life.counts()
    }
}
