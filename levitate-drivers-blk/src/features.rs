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
    }
}

impl DeviceFeatures for BlkFeatures {
    const DEPENDENCIES: &'static [(Self, Self)] = &[];
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
        ] {
            assert_eq!(feature.bits(), 1 << bit, "{feature:?}");
        }
        assert_eq!(BlkFeatures::all().iter().count(), 5);
    }
}
