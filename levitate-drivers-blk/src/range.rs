//! Ranges of sectors to discard, zero or erase: [`RangeSegment`] on the wire, [`RangeLimits`] of the device (§5.2.6).

use core::mem::{align_of, offset_of, size_of};

use static_assertions::{assert_impl_all, const_assert_eq};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The data of a request about a range of sectors: one segment of it.
#[doc(alias = "virtio_blk_discard_write_zeroes")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub struct RangeSegment {
    /// First sector, in units of 512 bytes.
    pub sector: U64,
    /// Sectors of 512 bytes.
    pub num_sectors: U32,
    /// Bits of [`RangeFlags`].
    pub flags: U32,
}

const_assert_eq!(size_of::<RangeSegment>(), 16);
const_assert_eq!(align_of::<RangeSegment>(), 8);
const_assert_eq!(offset_of!(RangeSegment, sector), 0);
const_assert_eq!(offset_of!(RangeSegment, num_sectors), 8);
const_assert_eq!(offset_of!(RangeSegment, flags), 12);
assert_impl_all!(RangeSegment: FromBytes, IntoBytes, Send, Sync);

bitflags::bitflags! {
    /// Flags of a [`RangeSegment`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RangeFlags: u32 {
        /// The device may deallocate what it zeroes; for `WRITE_ZEROES` only.
        #[doc(alias = "VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP")]
        const UNMAP = 1;
    }
}

/// Whether a device that zeroes sectors may deallocate them; they read as zeroes either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmap {
    /// It may, if it can.
    Allowed,
    /// It must not: a later write there never lacks space.
    Forbidden,
}

/// What the device says of one of its range commands, unchecked (§5.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeConfig {
    /// Most sectors in a request.
    pub max_sectors: u32,
    /// Most segments in a request.
    pub max_segments: u32,
    /// Sectors that the seams between requests should be multiples of; zero where the command has no such field.
    pub alignment_sectors: u32,
}

/// Most sectors in a request, whatever the device allows: 64 MiB, unless a block is longer.
///
/// A device without a quick way writes what it zeroes or erases, and each request has to be done within the timeout.
const MAX_SECTORS: u32 = 64 << 11;

/// Most requests that a call makes of one range: at 64 MiB each they cover 64 TiB.
///
/// A device may limit its requests to a sector, and say it has 2^55 of them.
pub(crate) const MAX_REQUESTS: u64 = 1 << 20;

/// How a range is cut into requests, each of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeLimits {
    max_sectors: u32,
    alignment_sectors: u32,
}

impl RangeLimits {
    /// Checks what the device says; `None` if no request can name even one block of `block_sectors`, a power of two.
    ///
    /// One segment a request is enough: a range is contiguous, and its sectors are limited however many segments they are in.
    /// An alignment that blocks do not fit into is none, and so is one that no request is as long as.
    pub(crate) fn new(config: &RangeConfig, block_sectors: u32) -> Option<Self> {
        let limit = config.max_sectors.min(MAX_SECTORS.max(block_sectors));
        let max_sectors = limit & !block_sectors.saturating_sub(1);
        let alignment_sectors = match config.alignment_sectors {
            0 => block_sectors,
            alignment if alignment > max_sectors => block_sectors,
            alignment if !alignment.is_multiple_of(block_sectors) => block_sectors,
            alignment => alignment,
        };
        (config.max_segments != 0 && max_sectors != 0).then_some(Self {
            max_sectors,
            alignment_sectors,
        })
    }

    /// Returns how many sectors one request names at most: no more than 64 MiB, unless a block is longer.
    #[must_use]
    pub const fn max_sectors(&self) -> u32 {
        self.max_sectors
    }

    /// Returns what the seams between requests are multiples of, as the device would like it.
    #[must_use]
    pub const fn alignment_sectors(&self) -> u32 {
        self.alignment_sectors
    }

    /// Returns how many of `left` sectors from `sector` on the next request is to name: at least one if any are left.
    pub(crate) fn next_len(&self, sector: u64, left: u64) -> u32 {
        match u32::try_from(left) {
            Ok(left) if left <= self.max_sectors => return left,
            _ => {}
        }
        let end = sector.saturating_add(u64::from(self.max_sectors));
        // The alignment is not zero, so there is a remainder, and less than a request is long.
        let beyond = end
            .checked_rem(u64::from(self.alignment_sectors))
            .and_then(|beyond| u32::try_from(beyond).ok())
            .unwrap_or(0);
        self.max_sectors.saturating_sub(beyond)
    }

    /// Returns how many requests `sector_count` sectors from `sector` on take, without going through them.
    pub(crate) fn requests(&self, sector: u64, sector_count: u64) -> u64 {
        let left = sector_count.saturating_sub(u64::from(self.next_len(sector, sector_count)));
        if left == 0 {
            return u64::from(sector_count != 0);
        }
        // From the first seam on, all but the last are as long as the alignment lets them be; the last takes all it can.
        let whole = self.next_len(0, u64::MAX);
        let before_last = left.saturating_sub(u64::from(self.max_sectors));
        let others = before_last.div_ceil(u64::from(whole));
        others.saturating_add(2)
    }
}

/// The requests that one range is cut into, in order.
#[derive(Clone, Debug)]
pub(crate) struct Cuts {
    pub(crate) limits: RangeLimits,
    pub(crate) flags: RangeFlags,
    /// The next sector.
    pub(crate) sector: u64,
    /// Sectors that are left.
    pub(crate) left: u64,
}

impl Iterator for Cuts {
    type Item = RangeSegment;

    fn next(&mut self) -> Option<RangeSegment> {
        if self.left == 0 {
            return None;
        }
        let len = self.limits.next_len(self.sector, self.left);
        let segment = RangeSegment {
            sector: self.sector.into(),
            num_sectors: len.into(),
            flags: self.flags.bits().into(),
        };
        self.sector = self.sector.saturating_add(u64::from(len));
        self.left = self.left.saturating_sub(u64::from(len));
        Some(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;
    use virtio_bindings::virtio_blk as c;

    fn limits(max_sectors: u32, alignment_sectors: u32, block_sectors: u32) -> Option<RangeLimits> {
        let config = RangeConfig {
            max_sectors,
            max_segments: 1,
            alignment_sectors,
        };
        RangeLimits::new(&config, block_sectors)
    }

    fn lengths(limits: RangeLimits, mut sector: u64, mut left: u64) -> Vec<u32> {
        let mut lengths = Vec::new();
        while left != 0 {
            let len = limits.next_len(sector, left);
            lengths.push(len);
            sector += u64::from(len);
            left -= u64::from(len);
        }
        lengths
    }

    #[test]
    fn a_segment_is_little_endian_on_every_host() {
        let segment = RangeSegment {
            sector: 0x0102_0304_0506_0708.into(),
            num_sectors: 0x1112_1314.into(),
            flags: RangeFlags::UNMAP.bits().into(),
        };
        let bytes = [8, 7, 6, 5, 4, 3, 2, 1, 0x14, 0x13, 0x12, 0x11, 1, 0, 0, 0];
        assert_eq!(segment.as_bytes(), bytes);
        let back = RangeSegment::read_from_bytes(&bytes).unwrap();
        assert_eq!(back.num_sectors.get(), 0x1112_1314);
        assert_eq!(
            size_of::<RangeSegment>(),
            size_of::<c::virtio_blk_discard_write_zeroes>()
        );
        assert_eq!(
            RangeFlags::UNMAP.bits(),
            c::VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP
        );
    }

    #[test]
    fn a_range_is_cut_where_the_device_wants_it() {
        let cut = |max, alignment, sector, left| {
            lengths(limits(max, alignment, 1).unwrap(), sector, left)
        };
        assert_eq!(cut(8, 0, 3, 8), [8]);
        assert_eq!(cut(8, 0, 3, 20), [8, 8, 4]);
        assert_eq!(cut(8, 4, 3, 20), [5, 8, 7]);
        assert_eq!(cut(8, 8, 0, 16), [8, 8]);
        assert_eq!(cut(8, 100, 3, 20), [8, 8, 4], "no seam can be aligned");
        assert_eq!(cut(1, 1, u64::MAX - 3, 3), [1, 1, 1]);
        assert_eq!(cut(8, 9, 0, 20), [8, 8, 4], "nor here");
    }

    #[test]
    fn no_piece_is_longer_than_64_mib() {
        let mib = 2048;
        let cut = |alignment, sector, left| {
            lengths(limits(u32::MAX, alignment, 1).unwrap(), sector, left)
        };
        assert_eq!(cut(0, 7, 130 * 2048), [64 * mib, 64 * mib, 2 * mib]);
        assert_eq!(
            cut(48 * mib, mib.into(), 130 * 2048),
            [47 * mib, 48 * mib, 35 * mib]
        );
        assert_eq!(cut(65 * mib, 1, 65 * 2048), [64 * mib, mib]);
        let blocks_of_128_mib = limits(u32::MAX, 0, 128 * mib).unwrap();
        assert_eq!(blocks_of_128_mib.max_sectors(), 128 * mib);
    }

    #[test]
    fn the_requests_of_a_range_are_counted_without_being_made() {
        for max_sectors in 1..10 {
            for alignment_sectors in 0..12 {
                let limits = limits(max_sectors, alignment_sectors, 1).unwrap();
                for (sector, left) in
                    (0..12).flat_map(|sector| (0..40).map(move |left| (sector, left)))
                {
                    let expected = lengths(limits, sector, left).len() as u64;
                    let found = limits.requests(sector, left);
                    assert_eq!(found, expected, "{limits:?}, {left} from {sector}");
                }
            }
        }
        let all = u64::MAX / 512;
        assert_eq!(limits(1, 0, 1).unwrap().requests(0, all), all);
    }

    #[test]
    fn every_piece_is_whole_blocks() {
        assert_eq!(lengths(limits(15, 3, 8).unwrap(), 8, 24), [8, 8, 8]);
        assert_eq!(lengths(limits(31, 16, 8).unwrap(), 16, 48), [16, 16, 16]);
    }

    #[test]
    fn limits_without_room_for_a_block_are_none() {
        assert_eq!(limits(0, 1, 1), None);
        assert_eq!(limits(7, 1, 8), None);
        let none = RangeConfig {
            max_sectors: 8,
            max_segments: 0,
            alignment_sectors: 1,
        };
        assert_eq!(RangeLimits::new(&none, 1), None);
    }
}
