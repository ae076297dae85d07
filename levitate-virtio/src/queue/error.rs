//! What can go wrong with a virtqueue: [`QueueError`], [`SubmitError`], [`DeviceFault`].

use levitate_hal::{Direction, DmaError, OutOfRange};
use thiserror::Error;

use super::size::QueueIndex;
use crate::transport::EnableQueueError;

/// Why a virtqueue could not be set up; the device was not told of it, or was and did not take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The configuration names no slot, or nothing a request could consist of.
    #[error("a virtqueue needs at least one slot, and a header, a footer or a segment in each")]
    Empty,
    /// The device's queue is too small for even one request.
    #[error(
        "queue {queue} has at most {max} descriptors, a request needs {needed} without its data"
    )]
    TooSmall {
        /// Index of the queue.
        queue: QueueIndex,
        /// Descriptors the device allows.
        max: u32,
        /// Descriptors a request needs.
        needed: u16,
    },
    /// It was prepared for another device, or another life of this one.
    #[error("virtqueue was prepared for another device")]
    ForeignDevice,
    /// There is no memory for it.
    #[error("no memory for the virtqueue: {0}")]
    Dma(#[from] DmaError),
    /// The transport or the device refused it.
    #[error(transparent)]
    Enable(#[from] EnableQueueError),
}

/// Why a request was not made available; the queue is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// Too few slots are idle; take back what is done, then try again.
    #[error("queue is full: of its {slots} slots {free} are free, and {needed} needed")]
    Full {
        /// Slots there are.
        slots: u16,
        /// Slots that are idle.
        free: u16,
        /// Slots that it takes.
        needed: u16,
    },
    /// The request has neither header nor footer nor data.
    #[error("request is empty")]
    Empty,
    /// The data was mapped for the other direction.
    #[error("request data goes {wanted:?}, its memory is mapped {direction:?}")]
    WrongDirection {
        /// Which way the data goes.
        wanted: Direction,
        /// Which way the memory is mapped for.
        direction: Direction,
    },
    /// The data does not fit into the descriptors a request may have.
    #[error("request needs more than {max_segments} segments of at most {max_segment_bytes} bytes")]
    TooManySegments {
        /// Segments a request may have.
        max_segments: u16,
        /// Bytes a segment may have.
        max_segment_bytes: u32,
    },
    /// All parts together are longer than a chain may be (§2.7.5.2).
    #[error("request is longer than the 4 GiB a chain may describe")]
    TooLong,
    /// Header or footer is longer than the queue was configured for.
    #[error("header or footer does not fit: {0}")]
    Oversized(#[from] OutOfRange),
    /// The device broke the rules earlier; the queue is of no use until the device is reset.
    #[error("queue is broken: {0}")]
    Broken(#[from] DeviceFault),
}

/// How a device broke the rules of a virtqueue, which is then broken until the device is reset, or the queue is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeviceFault {
    /// It used more chains than it has.
    #[error("device used {claimed} chains while it had {in_flight}")]
    UsedIndexJumped {
        /// Chains it claims to have used since the last look.
        claimed: u16,
        /// Chains it had.
        in_flight: u16,
    },
    /// It used a chain that does not exist.
    #[error("device used a chain with head {id}, which is no request's")]
    UnknownId {
        /// The id in the used ring.
        id: u32,
    },
    /// It used a chain that it does not have, for instance one it used before.
    #[error("device used the chain with head {id}, which it did not have")]
    NotInFlight {
        /// The id in the used ring.
        id: u32,
    },
    /// It used a chain before one that it got earlier, though VIRTIO_F_IN_ORDER was negotiated.
    #[error("device used the chain with head {id} out of order, contrary to VIRTIO_F_IN_ORDER")]
    OutOfOrder {
        /// The id in the used ring.
        id: u32,
    },
    /// It wrote more than there was room for.
    #[error("device wrote {len_bytes} bytes to a chain with room for {capacity_bytes}")]
    UsedLengthTooLong {
        /// The length in the used ring.
        len_bytes: u32,
        /// Device-writable bytes of the chain.
        capacity_bytes: u32,
    },
    /// Not a fault of the device: the queue was reset, and an attempt to [restart](crate::Queue::restart) it failed.
    #[error("queue was reset and is not enabled again")]
    NotEnabled,
}
