//! The switches of a device: [`Behaviour`].

use std::time::Duration;

use crate::queue::{Chain, Used};

/// When a device answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completion {
    /// Within the notification.
    #[default]
    Inline,
    /// So long after it took the request, by the clock the device was plugged in with.
    After(Duration),
    /// When the test says so: it takes requests and keeps them.
    Held,
    /// Never: it takes requests and forgets them, and their memory stays the device's until a reset.
    Never,
    /// Never: it does not even look at the available ring.
    Deaf,
}

/// What a device says about notifications it could do without (§2.7.10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Suppression {
    /// It wants none while it works, and when it is about to rest one for the next chain: it asks for that in `used.flags`, or in
    /// `avail_event`, and looks once more.
    #[default]
    Follow,
    /// As [`Follow`](Self::Follow), but it takes its time to ask and does not look once more: a chain that comes just then is forgotten, and its driver waits.
    ///
    /// Only a device with a thread of its own can be so unlucky.
    Careless,
    /// It leaves `used.flags` and `avail_event` as the test has set them.
    Frozen,
}

/// How a device behaves, for the test to change at any time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Behaviour {
    /// What MagicValue reads.
    pub magic: u32,
    /// What Version reads, if not what the register set is.
    pub version: Option<u32>,
    /// What DeviceID reads, if not what the model is; 0 is an empty transport.
    pub device_id: Option<u32>,
    /// What VendorID reads.
    pub vendor_id: u32,
    /// Length of the register region in bytes.
    pub region_len_bytes: usize,
    /// What QueueSizeMax reads for queues that exist.
    pub queue_size_max: u32,
    /// Feature bits offered besides those of the model and the device's own INDIRECT_DESC, EVENT_IDX and VERSION_1:
    /// [`RING_PACKED`](crate::device::feature::RING_PACKED) for packed rings, and its neighbours there.
    pub offer: u64,
    /// Feature bits not offered.
    pub withhold: u64,
    /// Refuses whatever features the driver chose: FEATURES_OK does not stick.
    pub refuse_features: bool,
    /// How many reads of the status it takes until a reset is done; `u32::MAX` is for ever.
    pub reset_reads: u32,
    /// How many reads of MMIO's QueueReset it takes until a queue is reset, once VIRTIO_F_RING_RESET is negotiated; without a number
    /// there is no such register, as in QEMU.
    pub queue_reset_reads: Option<u32>,
    /// Writes to QueueReady and QueuePFN have no effect, and they read 0: every queue stays without an address.
    pub ignore_queue_setup: bool,
    /// When it answers.
    pub completion: Completion,
    /// What it says about notifications.
    pub suppression: Suppression,
    /// With VIRTIO_F_IN_ORDER, gives all that it answers in one go back with one used element, or one used descriptor, where the
    /// specification allows that: what is skipped was written all over.
    pub batches: bool,
    /// Puts noise where drivers have to look at nothing: NEXT in used descriptors of packed rings, and a length in those without WRITE.
    pub noisy_used: bool,
    /// A device with a thread of its own lets other threads run after each request, so that they come between any two.
    pub gives_way: bool,
    /// InterruptStatus stays 0 whatever happens: notifications are lost on the way.
    pub lose_interrupts: bool,
    /// The configuration never holds still: the generation, or in version 1 the first byte, changes with every look.
    pub config_never_still: bool,
    /// Bytes that the configuration space shows in place of the model's, by offset.
    pub config_override: Vec<(usize, Vec<u8>)>,
    /// Length of the configuration space, if not that of the model.
    pub config_len_bytes: Option<usize>,
}

impl Behaviour {
    /// Returns what is said when `chain` is given back.
    pub(super) fn used(&self, chain: &Chain, len_bytes: u32) -> Used {
        Used {
            is_noisy: self.noisy_used,
            ..Used::new(chain, len_bytes)
        }
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            magic: 0x7472_6976,
            version: None,
            device_id: None,
            vendor_id: 0x554d_4551,
            region_len_bytes: 0x200,
            queue_size_max: 1024,
            offer: 0,
            withhold: 0,
            refuse_features: false,
            reset_reads: 0,
            queue_reset_reads: None,
            ignore_queue_setup: false,
            completion: Completion::Inline,
            suppression: Suppression::Follow,
            batches: false,
            noisy_used: false,
            gives_way: false,
            lose_interrupts: false,
            config_never_still: false,
            config_override: Vec::new(),
            config_len_bytes: None,
        }
    }
}
