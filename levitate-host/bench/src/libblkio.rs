//! The crate virtio-driver, of libblkio, as it is published: its queue by itself, and its driver of a block device.
//!
//! A program cannot make a translator of addresses for it, whose answer is of a type without a public name. So it gets the crate's own
//! one for devices in other processes, which leaves addresses as they are; [`back_end`] is what it takes for such a process.

mod back_end;
mod block;
mod queue;

pub(crate) use block::Block;
pub(crate) use queue::Queue;

use virtio_driver::{VirtioFeatureFlags, iovec};

use crate::spec::{F_RING_PACKED, F_VERSION_1};

/// As large as a chain of three for each request takes.
const SIZE: u16 = 128;

/// The kind of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring {
    Split,
    Packed,
}

impl Ring {
    const fn features(self) -> u64 {
        match self {
            Self::Split => F_VERSION_1,
            Self::Packed => F_VERSION_1 | F_RING_PACKED,
        }
    }

    fn flags(self) -> VirtioFeatureFlags {
        VirtioFeatureFlags::from_bits_truncate(self.features())
    }
}

/// Describes memory to the crate.
const fn piece<T>(of: *mut T, len_bytes: usize) -> iovec {
    iovec {
        iov_base: of.cast(),
        iov_len: len_bytes,
    }
}
