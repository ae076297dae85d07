//! What the device must not be sent.

use static_assertions::const_assert;

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

/// A sector in bytes is one, shifted by this.
const SECTOR_BITS: u32 = SECTOR_BYTES.ilog2();

const_assert!(SECTOR_BYTES.is_power_of_two());

/// Returns how many sectors a length is, rounded down.
pub(super) fn sectors(len_bytes: usize) -> u64 {
    (len_bytes as u64) >> SECTOR_BITS
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
    #[inline]
    pub(super) fn check_one(
        &self,
        sector: u64,
        len_bytes: usize,
        access: Access,
    ) -> Result<(), SubmitError> {
        match self.allows_one(sector, len_bytes as u64, access) {
            true => Ok(()),
            false => self.examine_one(sector, len_bytes, access),
        }
    }

    /// Says what [`examine_one`](Self::examine_one) does, but for the reason.
    #[inline]
    pub(super) fn allows_one(&self, sector: u64, len_bytes: u64, access: Access) -> bool {
        // A block is a power of two of sectors (`Capabilities::new`), so that this is about them, too.
        let in_block = u64::from(self.block_size_bytes()).wrapping_sub(1);
        let is_whole = (sector.wrapping_shl(SECTOR_BITS) | len_bytes) & in_block == 0;
        let has_room = len_bytes != 0 && len_bytes <= u64::from(self.max_request_bytes());
        let end = sector.checked_add(len_bytes >> SECTOR_BITS);
        let is_there = end.is_some_and(|end| end <= self.capacity_sectors());
        is_whole && has_room && is_there && (access == Access::Read || !self.is_read_only())
    }

    /// As [`check_one`](Self::check_one), with the reason.
    #[cold]
    pub(super) fn examine_one(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capabilities::tests::PLAIN;
    use crate::config::Config;
    use crate::features::BlkFeatures;

    const CAPACITY_SECTORS: u64 = 64;

    #[test]
    fn what_is_refused_has_a_reason_and_nothing_else_has_one() {
        let near = |edge: u64| (0..10).map(move |step| edge.wrapping_add(step).wrapping_sub(5));
        let sectors = || {
            [0, CAPACITY_SECTORS, 1 << 55, 1 << 63]
                .into_iter()
                .flat_map(near)
        };
        let lengths = || {
            (0..20)
                .map(|step| step * 256)
                .chain([511, 513, 1 << 31, usize::MAX])
        };
        let mut allowed = 0;
        for blk_size in [512, 1024, 4096] {
            for features in [BlkFeatures::empty(), BlkFeatures::RO] {
                let config = Config {
                    capacity_sectors: CAPACITY_SECTORS,
                    blk_size: Some(blk_size),
                    size_max: Some(4096),
                    ..PLAIN
                };
                let capabilities = Capabilities::new(&config, features, 1).unwrap();
                for sector in sectors() {
                    for len_bytes in lengths() {
                        for access in [Access::Read, Access::Write] {
                            let is_allowed =
                                capabilities.allows_one(sector, len_bytes as u64, access);
                            let examined = capabilities.examine_one(sector, len_bytes, access);
                            assert_eq!(
                                is_allowed,
                                examined.is_ok(),
                                "{len_bytes} bytes at {sector}, {access:?}: {examined:?}"
                            );
                            allowed += usize::from(is_allowed);
                        }
                    }
                }
            }
        }
        assert!(allowed > 100, "{allowed} were allowed");
    }
}
