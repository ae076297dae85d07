//! What the device must not be sent.

use crate::SECTOR_BYTES;
use crate::capabilities::Capabilities;
use crate::error::SubmitError;

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// From the device to memory.
    Read,
    /// From memory to the device.
    Write,
}

/// Returns how many sectors a length is, rounded down.
pub(super) fn sectors(len_bytes: usize) -> u64 {
    const { assert!(SECTOR_BYTES.is_power_of_two()) };
    (len_bytes as u64) >> SECTOR_BYTES.ilog2()
}

impl Capabilities {
    /// Refuses data that the device must not be sent or asked for; nothing of this depends on how it is sent, so that what is cut
    /// into several requests can be checked as a whole.
    ///
    /// # Errors
    ///
    /// [`SubmitError`], as each call has it.
    pub fn check(&self, sector: u64, len_bytes: usize, access: Access) -> Result<(), SubmitError> {
        if len_bytes == 0 || !len_bytes.is_multiple_of(SECTOR_BYTES) {
            return Err(SubmitError::NotWholeSectors { len_bytes });
        }
        self.check_range(sector, sectors(len_bytes), access)
    }

    /// Refuses what does not fit into one request, besides what must not be sent at all.
    pub(super) fn check_one(
        &self,
        sector: u64,
        len_bytes: usize,
        access: Access,
    ) -> Result<(), SubmitError> {
        self.check(sector, len_bytes, access)?;
        let max_bytes = self.max_request_bytes();
        if u32::try_from(len_bytes).is_ok_and(|len_bytes| len_bytes <= max_bytes) {
            return Ok(());
        }
        Err(SubmitError::TooLong {
            len_bytes,
            max_bytes,
        })
    }

    /// Refuses sectors that the device must not be asked for.
    pub(super) fn check_range(
        &self,
        sector: u64,
        sector_count: u64,
        access: Access,
    ) -> Result<(), SubmitError> {
        if sector_count == 0 {
            return Err(SubmitError::NoSectors);
        }
        let block_size_bytes = self.block_size_bytes();
        // A block is a power of two of sectors (`Capabilities::new`), and this asks for no division.
        let in_block = sectors(block_size_bytes as usize).wrapping_sub(1);
        if (sector | sector_count) & in_block != 0 {
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
}
