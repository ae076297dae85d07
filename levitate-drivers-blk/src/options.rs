//! What a user may choose: [`Options`].

use core::time::Duration;

use levitate_virtio::Features;

/// How to drive a device; the default suits most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a blocking call waits for each request, and for a reset; 5 s by default.
    ///
    /// A loaded hypervisor was seen to take more than a second, and a device without a quick way to zero or erase writes up to
    /// 64 MiB for one request.
    pub timeout: Duration,
    /// Length of the buffer that blocking calls over borrowed slices go through, in bytes; 64 KiB by default.
    ///
    /// At least a block is allocated, and no more than one request can carry.
    pub bounce_bytes: usize,
    /// Device-independent features to accept where they are offered; [`Features::DEFAULT`] by default.
    pub features: Features,
    /// Most descriptors for the data of one request; 14 by default, which makes 16 with header and status.
    ///
    /// It matters only for a device that limits the length of a segment (`size_max`).
    pub max_segments: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            bounce_bytes: 64 << 10,
            features: Features::DEFAULT,
            max_segments: 14,
        }
    }
}
