//! What a back end cannot be asked: [`Options`].

use std::time::Duration;

use levitate_virtio::DeviceType;

/// What the protocol has no question for, and how patient the front end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What kind of device the back end is.
    pub device_type: DeviceType,
    /// Length of its configuration space in bytes: QEMU's back ends break the connection off when asked for more than they have.
    pub config_len_bytes: u16,
    /// How many virtqueues it has, if it does not say so itself.
    pub queues: u16,
    /// How large a virtqueue may be; 256 by default, well within what known back ends can take.
    pub max_queue_size: u16,
    /// How long each message may take; 2 s by default.
    pub timeout: Duration,
}

impl Options {
    /// A block device: capacity to `write_zeroes_may_unmap` (§5.2.4), and one virtqueue.
    #[must_use]
    pub const fn block() -> Self {
        Self::new(DeviceType::BLOCK, 60, 1)
    }

    /// A GPU: all of §5.7.4, and the control and the cursor queue.
    #[must_use]
    pub const fn gpu() -> Self {
        Self::new(DeviceType::GPU, 16, 2)
    }

    const fn new(device_type: DeviceType, config_len_bytes: u16, queues: u16) -> Self {
        Self {
            device_type,
            config_len_bytes,
            queues,
            max_queue_size: 256,
            timeout: Duration::from_secs(2),
        }
    }
}
