//! The GPU device's own feature bits, as far as this driver has a use for them: [`GpuFeatures`] (§5.7.3).

use levitate_virtio::DeviceFeatures;

bitflags::bitflags! {
    /// Feature bits of the GPU device that this driver implements (§5.7.3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct GpuFeatures: u64 {
        /// The device knows the EDID of its monitors (`VIRTIO_GPU_F_EDID`).
        const EDID = 1 << 1;
    }
}

impl DeviceFeatures for GpuFeatures {
    const DEPENDENCIES: &'static [(Self, Self)] = &[];
}

#[cfg(test)]
mod tests {
    use super::*;
    use virtio_bindings::virtio_gpu::VIRTIO_GPU_F_EDID;

    #[test]
    fn the_bit_is_the_one_of_the_linux_header() {
        assert_eq!(GpuFeatures::all().bits(), 1 << VIRTIO_GPU_F_EDID);
    }
}
