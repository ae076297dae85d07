//! What no device can follow: [`RingError`].

use thiserror::Error;

use crate::dma::StrayAccess;

/// Why a device stopped looking at a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RingError {
    /// The ring, or a table in it, is not where the device can reach it.
    #[error("a part of the queue is out of reach: {0}")]
    Unreachable(#[from] StrayAccess),
    /// The available index ran away.
    #[error("the available index went from {from} to {to}, but the queue has {size} entries")]
    AvailableIndex {
        /// As of the last look.
        from: u16,
        /// Now.
        to: u16,
        /// The queue size.
        size: u16,
    },
    /// A head or `next` names no descriptor.
    #[error("descriptor {index} of a table of {table} entries")]
    DescriptorIndex {
        /// The index.
        index: u16,
        /// Entries of the table.
        table: u64,
    },
    /// The chain does not end within the queue size; it may be a loop.
    #[error("the chain from {head} has more descriptors than the queue, {size}")]
    ChainTooLong {
        /// Its first descriptor.
        head: u16,
        /// The queue size.
        size: u16,
    },
    /// The chain has more bytes than any device need follow.
    #[error("the chain from {head} has more than 2^32 bytes")]
    TooManyBytes {
        /// Its first descriptor.
        head: u16,
    },
    /// A descriptor has no bytes.
    #[error("descriptor {index} has no bytes")]
    EmptyBuffer {
        /// Its index.
        index: u16,
    },
    /// An indirect table has no bytes, or not whole descriptors.
    #[error("an indirect table of {len_bytes} bytes")]
    IndirectLength {
        /// Its length.
        len_bytes: u32,
    },
    /// Flags that no device can follow: INDIRECT where it must not be, or a part of a list that is not available.
    #[error("descriptor {index} has flags {flags:#x}")]
    Flags {
        /// Its index.
        index: u16,
        /// Its flags.
        flags: u16,
    },
    /// A device-readable buffer comes after a device-writable one.
    #[error("descriptor {index} is readable after a writable one")]
    ReadableAfterWritable {
        /// Its index.
        index: u16,
    },
    /// rust-vmm, which acts for the device, does not process such a queue.
    #[error(
        "rust-vmm does not process this queue of {size} entries: its size or an alignment is not allowed"
    )]
    Refused {
        /// The queue size.
        size: u16,
    },
    /// The checker and rust-vmm read the same chain differently: one of the two judges is wrong, and not the driver.
    #[error(
        "the test platform is at odds with itself: the checker found {checked} buffers in the chain from {head}, rust-vmm {read:?}"
    )]
    Disagreement {
        /// First descriptor of the chain, as the checker has it.
        head: u16,
        /// How many buffers the checker found.
        checked: usize,
        /// How many rust-vmm found, if it found the chain; other ones if the numbers are the same.
        read: Option<usize>,
    },
    /// The driver changed the chain while the device was reading it.
    #[error("the chain from {head} was changed while the device read it")]
    Changed {
        /// Its first descriptor.
        head: u16,
    },
    /// The driver made a descriptor of a packed ring available, or needs it for a list, that the device has not used.
    #[error("descriptor {slot} was needed again before it was used")]
    Overrun {
        /// Its place in the ring.
        slot: u16,
    },
    /// A chain was made available again while the device has it.
    #[error("the chain from {head} is already in flight")]
    HeadInFlight {
        /// Its first descriptor.
        head: u16,
    },
}
