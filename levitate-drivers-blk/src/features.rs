//! Feature bits of a block device that this driver implements: [`BlkFeatures`] (§5.2.3).

use levitate_virtio::DeviceFeatures;

bitflags::bitflags! {
    /// What the driver accepts where it is offered; every other bit of the device type is left alone.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BlkFeatures: u64 {
        /// `size_max` limits the length of a segment.
        #[doc(alias = "VIRTIO_BLK_F_SIZE_MAX")]
        const SIZE_MAX = 1 << 1;
        /// `seg_max` limits the number of segments of a request.
        #[doc(alias = "VIRTIO_BLK_F_SEG_MAX")]
        const SEG_MAX = 1 << 2;
        /// The device is read-only.
        #[doc(alias = "VIRTIO_BLK_F_RO")]
        const RO = 1 << 5;
        /// `blk_size` tells the size of a block.
        #[doc(alias = "VIRTIO_BLK_F_BLK_SIZE")]
        const BLK_SIZE = 1 << 6;
        /// The device has a cache, and a command that empties it.
        #[doc(alias = "VIRTIO_BLK_F_FLUSH")]
        const FLUSH = 1 << 9;
        /// `writeback` tells the cache mode, and switches it.
        #[doc(alias = "VIRTIO_BLK_F_CONFIG_WCE")]
        const CONFIG_WCE = 1 << 11;
        /// The device has several queues.
        #[doc(alias = "VIRTIO_BLK_F_MQ")]
        const MQ = 1 << 12;
        /// The device has a command that discards sectors.
        #[doc(alias = "VIRTIO_BLK_F_DISCARD")]
        const DISCARD = 1 << 13;
        /// The device has a command that zeroes sectors.
        #[doc(alias = "VIRTIO_BLK_F_WRITE_ZEROES")]
        const WRITE_ZEROES = 1 << 14;
        /// The device tells how worn it is.
        #[doc(alias = "VIRTIO_BLK_F_LIFETIME")]
        const LIFETIME = 1 << 15;
        /// The device has a command that erases sectors, copies of them included.
        #[doc(alias = "VIRTIO_BLK_F_SECURE_ERASE")]
        const SECURE_ERASE = 1 << 16;
    }
}

/// Says that the device may be host-managed, which this driver has no code for: `VIRTIO_BLK_F_ZONED`.
const ZONED: u64 = 1 << 17;

impl BlkFeatures {
    /// Returns what to accept of a device that offers `offered`.
    ///
    /// DISCARD must not be accepted where a host-managed device offers ZONED (§5.2.5.1); without the code for zones, no device that
    /// offers ZONED is told from one.
    pub(crate) fn wanted(offered: u64) -> Self {
        match offered & ZONED {
            0 => Self::all(),
            _ => Self::all().difference(Self::DISCARD),
        }
    }
}

impl DeviceFeatures for BlkFeatures {
    /// A device that has a cache mode has the command that empties the cache (§5.2.5.2).
    /// Without that command, a cache that is switched on would leave nothing durable.
    const DEPENDENCIES: &'static [(Self, Self)] = &[(Self::CONFIG_WCE, Self::FLUSH)];
}

#[cfg(test)]
mod tests {
    use super::*;
    use virtio_bindings::virtio_blk as c;

    #[test]
    fn the_bits_are_the_ones_of_the_specification() {
        for (feature, bit) in [
            (BlkFeatures::SIZE_MAX, c::VIRTIO_BLK_F_SIZE_MAX),
            (BlkFeatures::SEG_MAX, c::VIRTIO_BLK_F_SEG_MAX),
            (BlkFeatures::RO, c::VIRTIO_BLK_F_RO),
            (BlkFeatures::BLK_SIZE, c::VIRTIO_BLK_F_BLK_SIZE),
            (BlkFeatures::FLUSH, c::VIRTIO_BLK_F_FLUSH),
            (BlkFeatures::CONFIG_WCE, c::VIRTIO_BLK_F_CONFIG_WCE),
            (BlkFeatures::MQ, c::VIRTIO_BLK_F_MQ),
            (BlkFeatures::DISCARD, c::VIRTIO_BLK_F_DISCARD),
            (BlkFeatures::WRITE_ZEROES, c::VIRTIO_BLK_F_WRITE_ZEROES),
            // The header of Linux does not have it.
            (BlkFeatures::LIFETIME, 15),
            (BlkFeatures::SECURE_ERASE, c::VIRTIO_BLK_F_SECURE_ERASE),
        ] {
            assert_eq!(feature.bits(), 1 << bit, "{feature:?}");
        }
        assert_eq!(BlkFeatures::all().iter().count(), 11);
        assert_eq!(ZONED, 1 << c::VIRTIO_BLK_F_ZONED);
    }
}
