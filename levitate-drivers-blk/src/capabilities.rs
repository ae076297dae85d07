//! What a device can do, checked: [`Capabilities`] (§5.2.5).

use crate::config::Config;
use crate::error::InitError;
use crate::features::BlkFeatures;
use crate::range::{RangeConfig, RangeLimits};
use crate::request::RequestKind;

/// Bytes in a sector, the unit of the protocol whatever the device's block size is (§5.2.5).
pub const SECTOR_BYTES: usize = 512;

/// Bytes in a sector, for sums with lengths on the device.
const SECTOR: u32 = 512;

/// Most bytes of data in one request: devices keep a request's length in 32 signed bits.
const MAX_REQUEST_BYTES: u64 = 1 << 30;

/// When data written is durable (§5.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheMode {
    /// When its write is done.
    Writethrough,
    /// When a flush, submitted after its write was done, is done.
    Writeback,
}

impl CacheMode {
    pub(crate) const fn of(has_cache: bool) -> Self {
        match has_cache {
            true => Self::Writeback,
            false => Self::Writethrough,
        }
    }
}

/// What the device can do, as its configuration and the negotiated features say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    pub(crate) capacity_sectors: u64,
    block_size_bytes: u32,
    is_read_only: bool,
    has_flush: bool,
    has_lifetime: bool,
    pub(crate) cache_mode: CacheMode,
    is_cache_mode_switchable: bool,
    max_segments: u16,
    max_segment_bytes: u32,
    max_request_bytes: u32,
    num_queues: u16,
    discard: Option<RangeLimits>,
    write_zeroes: Option<RangeLimits>,
    can_unmap_zeroes: bool,
    secure_erase: Option<RangeLimits>,
}

impl Capabilities {
    /// Checks what the device says of itself; at most `max_segments` descriptors are used for the data of a request.
    ///
    /// Where a device says nonsense that does no harm, this goes on without it: a `seg_max` of 0 is taken for 1, a `size_max`
    /// of 0 for no limit (QEMU's storage daemon says so), and a `blk_size` that is no power of two, or below 512, for 512;
    /// a command without room for a block is taken for absent.
    pub(crate) fn new(
        config: &Config,
        features: BlkFeatures,
        max_segments: u16,
    ) -> Result<Self, InitError> {
        let capacity_sectors = check_capacity(config.capacity_sectors)?;
        let block_size_bytes = match config.blk_size {
            Some(size) if size.is_power_of_two() && size >= SECTOR => size,
            Some(size) => {
                log::warn!("block device has blk_size {size}, taken for {SECTOR}");
                SECTOR
            }
            None => SECTOR,
        };
        if config.seg_max == Some(0) {
            log::warn!("block device has seg_max 0, taken for 1");
        }
        let seg_max = config.seg_max.map_or(u16::MAX, |seg_max| {
            u16::try_from(seg_max).unwrap_or(u16::MAX)
        });
        let size_max = config.size_max.filter(|size_max| *size_max != 0);
        if size_max != config.size_max {
            log::warn!("block device has size_max 0, taken for no limit");
        }
        // Buffers are contiguous: more than one descriptor is needed only where the device limits the length of each.
        let max_segments = match size_max {
            Some(_) => seg_max.min(max_segments).max(1),
            None => 1,
        };
        if config.num_queues == Some(0) {
            log::warn!("block device has num_queues 0, taken for 1");
        }
        let max_segment_bytes = size_max.unwrap_or(u32::MAX);
        let range = |kind: RequestKind, config: Option<RangeConfig>| {
            let config = config?;
            let limits = RangeLimits::new(&config, block_size_bytes >> SECTOR.ilog2());
            if limits.is_none() {
                log::warn!("block device has no room for a block in a {kind}: {config:?}");
            }
            limits
        };
        let has_flush = features.contains(BlkFeatures::FLUSH);
        // Whoever cannot switch it must assume a cache where there is a command that empties one (§5.2.5.1).
        let has_cache = config
            .writeback
            .map_or(has_flush, |writeback| writeback != 0);
        let capabilities = Self {
            capacity_sectors,
            block_size_bytes,
            is_read_only: features.contains(BlkFeatures::RO),
            has_flush,
            has_lifetime: features.contains(BlkFeatures::LIFETIME),
            cache_mode: CacheMode::of(has_cache),
            is_cache_mode_switchable: config.writeback.is_some(),
            max_segments,
            max_segment_bytes,
            max_request_bytes: 0,
            num_queues: config.num_queues.unwrap_or(1).max(1),
            discard: range(RequestKind::Discard, config.discard),
            write_zeroes: range(RequestKind::WriteZeroes, config.write_zeroes),
            can_unmap_zeroes: config.write_zeroes_may_unmap.unwrap_or(0) != 0,
            secure_erase: range(RequestKind::SecureErase, config.secure_erase),
        };
        let max_data_bytes = u64::from(max_segments).saturating_mul(u64::from(max_segment_bytes));
        capabilities.limited_to(max_data_bytes)
    }

    /// Takes into account how much data the virtqueue lets a request have.
    pub(crate) fn limited_to(mut self, max_data_bytes: u64) -> Result<Self, InitError> {
        let max_bytes = max_data_bytes.min(MAX_REQUEST_BYTES);
        // A block is a power of two of bytes.
        let whole_bytes = max_bytes & !u64::from(self.block_size_bytes.saturating_sub(1));
        self.max_request_bytes = u32::try_from(whole_bytes).unwrap_or(0);
        if self.max_request_bytes == 0 {
            return Err(InitError::NoRoomForBlock {
                block_size_bytes: self.block_size_bytes,
                max_segments: self.max_segments,
                max_segment_bytes: self.max_segment_bytes,
                max_data_bytes,
            });
        }
        Ok(self)
    }

    /// Returns the length of the device in sectors of 512 bytes.
    #[must_use]
    pub const fn capacity_sectors(&self) -> u64 {
        self.capacity_sectors
    }

    /// Returns the length of the device in bytes.
    #[must_use]
    pub const fn capacity_bytes(&self) -> u64 {
        // The product was checked to exist.
        self.capacity_sectors.saturating_mul(SECTOR as u64)
    }

    /// Returns the size of a block in bytes, a power of two of at least 512: requests are of whole blocks (§5.2.5).
    #[must_use]
    pub const fn block_size_bytes(&self) -> u32 {
        self.block_size_bytes
    }

    /// Says whether the device fails every write.
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Says whether the device has a flush command.
    #[must_use]
    pub const fn has_flush(&self) -> bool {
        self.has_flush
    }

    /// Returns when data written is durable: a device without a flush command has no cache that could lose it (§5.2.5.1).
    #[must_use]
    pub const fn cache_mode(&self) -> CacheMode {
        self.cache_mode
    }

    /// Says whether the cache mode can be switched.
    #[must_use]
    pub const fn is_cache_mode_switchable(&self) -> bool {
        self.is_cache_mode_switchable
    }

    /// Returns how many queues the device says it has, at least one; more are used if the storage has room for requests in them.
    ///
    /// Without such room, with a `MORE` of 0, the device is not asked, and this is 1.
    #[must_use]
    pub const fn num_queues(&self) -> u16 {
        self.num_queues
    }

    /// Returns how sectors are discarded; `None` if the device has no such command.
    #[must_use]
    pub const fn discard(&self) -> Option<RangeLimits> {
        self.discard
    }

    /// Returns how sectors are zeroed; `None` if the device has no such command.
    #[must_use]
    pub const fn write_zeroes(&self) -> Option<RangeLimits> {
        self.write_zeroes
    }

    /// Says whether the device can deallocate sectors that it zeroes.
    #[must_use]
    pub const fn can_unmap_zeroes(&self) -> bool {
        self.can_unmap_zeroes
    }

    /// Returns how sectors are erased; `None` if the device has no such command.
    #[must_use]
    pub const fn secure_erase(&self) -> Option<RangeLimits> {
        self.secure_erase
    }

    /// Says whether the device tells how worn it is.
    #[must_use]
    pub const fn has_lifetime(&self) -> bool {
        self.has_lifetime
    }

    /// Returns how many descriptors the data of a request may take.
    #[must_use]
    pub const fn max_segments(&self) -> u16 {
        self.max_segments
    }

    /// Returns how many bytes one of these descriptors may describe.
    #[must_use]
    pub const fn max_segment_bytes(&self) -> u32 {
        self.max_segment_bytes
    }

    /// Returns how many bytes one request can read or write: one or more blocks.
    #[must_use]
    pub const fn max_request_bytes(&self) -> u32 {
        self.max_request_bytes
    }
}

/// Refuses a capacity whose bytes cannot be counted.
pub(crate) fn check_capacity(capacity_sectors: u64) -> Result<u64, InitError> {
    match capacity_sectors.checked_mul(u64::from(SECTOR)) {
        Some(_) => Ok(capacity_sectors),
        None => Err(InitError::Capacity { capacity_sectors }),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const PLAIN: Config = Config {
        capacity_sectors: 8,
        size_max: None,
        seg_max: None,
        blk_size: None,
        writeback: None,
        num_queues: None,
        discard: None,
        write_zeroes: None,
        write_zeroes_may_unmap: None,
        secure_erase: None,
    };

    fn check(config: Config) -> Result<Capabilities, InitError> {
        Capabilities::new(&config, BlkFeatures::empty(), 14)
    }

    #[test]
    fn a_device_that_says_nothing_has_the_defaults() {
        let capabilities = check(PLAIN).unwrap();
        assert_eq!(capabilities.capacity_bytes(), 4096);
        assert_eq!(capabilities.block_size_bytes(), 512);
        assert_eq!(capabilities.max_segments(), 1);
        assert_eq!(capabilities.max_request_bytes(), 1 << 30);
        assert_eq!(capabilities.cache_mode(), CacheMode::Writethrough);
    }

    #[test]
    fn a_request_is_as_long_as_both_limits_allow_in_whole_blocks() {
        let limits = |size_max, seg_max| {
            check(Config {
                size_max: Some(size_max),
                seg_max,
                ..PLAIN
            })
            .map(|capabilities| {
                (
                    capabilities.max_segments(),
                    capabilities.max_request_bytes(),
                )
            })
        };
        assert_eq!(limits(4096, Some(4)), Ok((4, 16384)));
        assert_eq!(limits(1000, Some(3)), Ok((3, 2560)));
        assert_eq!(limits(256, Some(2)), Ok((2, 512)));
        assert_eq!(limits(4096, Some(1_000_000)), Ok((14, 14 * 4096)));
        assert_eq!(limits(u32::MAX, None), Ok((14, 1 << 30)));
        assert_eq!(
            limits(512, Some(0)),
            Ok((1, 512)),
            "seg_max 0 is taken for 1"
        );
    }

    #[test]
    fn limits_that_leave_no_room_for_a_block_are_an_error() {
        for (size_max, seg_max) in [(1, Some(100)), (255, Some(2)), (511, Some(0)), (36, None)] {
            let config = Config {
                size_max: Some(size_max),
                seg_max,
                ..PLAIN
            };
            assert!(
                matches!(check(config), Err(InitError::NoRoomForBlock { .. })),
                "size_max {size_max}, seg_max {seg_max:?}"
            );
        }
    }

    #[test]
    fn a_size_max_of_0_is_no_limit() {
        let config = Config {
            size_max: Some(0),
            seg_max: Some(126),
            ..PLAIN
        };
        let capabilities = check(config).unwrap();
        assert_eq!(capabilities.max_segments(), 1);
        assert_eq!(capabilities.max_request_bytes(), 1 << 30);
    }

    #[test]
    fn a_block_size_that_is_none_is_taken_for_a_sector() {
        for (blk_size, expected) in [
            (512, 512),
            (4096, 4096),
            (0, 512),
            (256, 512),
            (513, 512),
            (u32::MAX, 512),
        ] {
            let config = Config {
                blk_size: Some(blk_size),
                ..PLAIN
            };
            assert_eq!(check(config).unwrap().block_size_bytes(), expected);
        }
    }

    #[test]
    fn a_capacity_of_more_bytes_than_can_be_counted_is_an_error() {
        let largest = u64::MAX / 512;
        assert_eq!(check_capacity(largest), Ok(largest));
        let capacity_sectors = largest + 1;
        assert_eq!(
            check_capacity(capacity_sectors),
            Err(InitError::Capacity { capacity_sectors })
        );
    }
}
