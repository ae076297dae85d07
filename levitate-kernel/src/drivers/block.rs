//! A disk, whoever drives it: [`BlockDevice`].

use alloc::string::String;
use alloc::vec::Vec;

use super::{DriverError, QueueCounts};

/// Bytes of a sector, the unit of every number of sectors.
pub(crate) const SECTOR_BYTES: usize = 512;

/// What a disk says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DiskInfo {
    /// Its length in sectors.
    pub(crate) capacity_sectors: u64,
    /// Sectors in a block: reads and writes begin and end with one.
    pub(crate) block_sectors: u64,
    /// Whether it can be written.
    pub(crate) is_read_only: bool,
    /// The crate that drives it.
    pub(crate) driver: &'static str,
    /// The most bytes one request to the device carries; a longer one is split.
    pub(crate) max_request_bytes: u64,
    /// Whether it can be told to forget sectors.
    pub(crate) can_discard: bool,
    /// Whether it can be told to zero sectors.
    pub(crate) can_write_zeroes: bool,
}

impl DiskInfo {
    /// Returns its length in bytes.
    pub(crate) const fn capacity_bytes(&self) -> u64 {
        self.capacity_sectors.saturating_mul(SECTOR_BYTES as u64)
    }
}

/// One read of several that are in flight together.
pub(crate) struct Read<'a> {
    /// The first sector.
    pub(crate) first_sector: u64,
    /// Where the bytes go: whole blocks.
    pub(crate) buffer: &'a mut [u8],
}

/// A disk of 512-byte sectors; buffers hold whole blocks, at least one.
///
/// What has a body here a driver may lack.
pub(crate) trait BlockDevice {
    /// Returns what the disk says about itself.
    fn info(&self) -> DiskInfo;

    /// Asks the disk for its serial number.
    fn id(&mut self) -> Result<String, DriverError>;

    /// Fills `buffer` from `first_sector` on.
    fn read(&mut self, first_sector: u64, buffer: &mut [u8]) -> Result<(), DriverError>;

    /// Has all of `reads` in flight at once, as far as driver and queue allow, and waits for them.
    fn read_many(&mut self, reads: &mut [Read<'_>]) -> Result<(), DriverError> {
        let mut reads = reads.iter_mut();
        reads.try_for_each(|read| self.read(read.first_sector, read.buffer))
    }

    /// Writes `data` from `first_sector` on.
    fn write(&mut self, first_sector: u64, data: &[u8]) -> Result<(), DriverError>;

    /// Makes what was written last.
    fn flush(&mut self) -> Result<(), DriverError>;

    /// Lets the disk forget what is in `count` sectors from `first_sector` on.
    fn discard(&mut self, first_sector: u64, count: u64) -> Result<(), DriverError> {
        let _ = (first_sector, count);
        Err("the driver has no such request".into())
    }

    /// Makes `count` sectors from `first_sector` on read as zeroes.
    fn write_zeroes(&mut self, first_sector: u64, count: u64) -> Result<(), DriverError> {
        let _ = (first_sector, count);
        Err("the driver has no such request".into())
    }

    /// Looks what the disk has changed about itself, once it has said that it did; [`info`](Self::info) knows it then.
    fn process_config_change(&mut self) -> Result<(), DriverError> {
        Err("the driver asks a disk for its length once, when it comes up".into())
    }

    /// Returns why the driver has given up on the disk, if it has and it knows.
    fn given_up(&self) -> Option<String> {
        None
    }

    /// Returns what the driver counts of each queue, if it does.
    fn counts(&self) -> Vec<QueueCounts> {
        Vec::new()
    }
}
