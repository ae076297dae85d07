//! What can go wrong, an enum for each operation.

use levitate_hal::{Dma, DmaBuffer, DmaError};
use levitate_virtio::{
    ConfigError, DeviceFault, DeviceType, GivenUp, QueueError, QueueIndex, QueueResetError,
    RestartError, Status, Timeout,
};
use thiserror::Error;

use crate::request::{RequestError, RequestKind};

/// Why a device was not brought up; it is marked FAILED, or reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InitError {
    /// The transport leads to another kind of device; it was left alone.
    #[error("device is of type {found}, not block")]
    WrongDevice {
        /// What it is.
        found: DeviceType,
    },
    /// Driver and device did not agree on how to work together.
    #[error(transparent)]
    Device(#[from] levitate_virtio::InitError),
    /// The configuration could not be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The device has more bytes than can be counted in 64 bits.
    #[error("capacity of {capacity_sectors} sectors is more than 64 bits of bytes")]
    Capacity {
        /// What the device says.
        capacity_sectors: u64,
    },
    /// No request can carry even one block.
    #[error(
        "no block of {block_size_bytes} bytes fits into a request: at most {max_segments} segments of {max_segment_bytes} bytes, \
         {max_data_bytes} bytes in all"
    )]
    NoRoomForBlock {
        /// Size of a block of the device.
        block_size_bytes: u32,
        /// Segments a request may have.
        max_segments: u16,
        /// Bytes a segment may have.
        max_segment_bytes: u32,
        /// Bytes a request may have.
        max_data_bytes: u64,
    },
    /// The virtqueue was not set up.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// There is no memory for the buffer that borrowed slices go through.
    #[error("no memory for the bounce buffer: {0}")]
    Bounce(#[from] DmaError),
}

/// Why a request was not submitted; the device has not seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// It reaches past the end of the device.
    #[error(
        "{sector_count} sectors from sector {sector} on reach past the {capacity_sectors} sectors there are"
    )]
    OutOfRange {
        /// The first sector.
        sector: u64,
        /// How many sectors it is about.
        sector_count: u64,
        /// Sectors of the device.
        capacity_sectors: u64,
    },
    /// Its length is zero or no multiple of 512.
    #[error("length of {len_bytes} bytes is not a positive multiple of 512")]
    NotWholeSectors {
        /// Length of the data.
        len_bytes: usize,
    },
    /// It does not begin or end where a block of the device does (`VIRTIO_BLK_F_BLK_SIZE`).
    #[error(
        "{sector_count} sectors from sector {sector} on do not begin and end with a block of {block_size_bytes} bytes"
    )]
    NotWholeBlocks {
        /// The first sector.
        sector: u64,
        /// How many sectors it is about.
        sector_count: u64,
        /// Size of a block of the device.
        block_size_bytes: u32,
    },
    /// It is longer than one request may be; blocking calls make several requests of it.
    #[error("length of {len_bytes} bytes is more than the {max_bytes} of one request")]
    TooLong {
        /// Length of the data.
        len_bytes: usize,
        /// Bytes of data in one request.
        max_bytes: u32,
    },
    /// It names no sector.
    #[error("request names no sector")]
    NoSectors,
    /// It would write to a read-only device.
    #[error("device is read-only")]
    ReadOnly,
    /// It is a flush, and the device has no such command: its writes are durable when they are done (§5.2.5.1).
    #[error("device has no flush command, its writes are durable when they are done")]
    NoFlush,
    /// The device does not offer such a command, or leaves no room for a block in it.
    #[error("device has no {kind} command")]
    NoCommand {
        /// The command.
        kind: RequestKind,
    },
    /// It is about a range of which the limits of the device make too many requests; make several calls of it.
    #[error("range takes {requests} requests, more than the {max} of one call")]
    TooManyRequests {
        /// Requests that it takes.
        requests: u64,
        /// Requests that one call makes.
        max: u64,
    },
    /// The virtqueue did not take it.
    #[error(transparent)]
    Queue(#[from] levitate_virtio::SubmitError),
    /// Every idle slot is set aside for a task that has waited for one, and that has not submitted its request yet.
    #[error(
        "request needs a slot, and the {idle_slots} that are idle are set aside for tasks that have waited for them"
    )]
    SetAside {
        /// Slots that are idle.
        idle_slots: u16,
    },
    /// The driver's own buffer holds the answer to another task's request, which that task has not taken in time.
    #[error("driver's own buffer holds an answer that its task does not take")]
    OwnBufferInUse,
    /// The device is not running since its recovery failed.
    #[error("device is not running since its recovery failed")]
    NotRunning,
}

/// A request that was not submitted, with its buffer.
#[derive(Debug, Error)]
#[error("{error}")]
pub struct Rejected<D: Dma> {
    /// Why.
    #[source]
    pub error: SubmitError,
    /// The buffer, unchanged.
    pub buffer: DmaBuffer<D>,
}

/// Why a blocking call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// It was refused before the device saw it.
    #[error(transparent)]
    Refused(#[from] SubmitError),
    /// The device did not carry it out; the next request may go well.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The device did not answer in time; the virtqueue keeps the request until it does, or until [`recover`](crate::Blk::recover).
    #[error(transparent)]
    Timeout(#[from] Timeout),
    /// The device met an error from which only [`recover`](crate::Blk::recover) helps (§2.1.2).
    #[error("device set DEVICE_NEEDS_RESET, its status reads {status}")]
    NeedsReset {
        /// The device status.
        status: Status,
    },
    /// The device was taken off its bus; what it had stays with it.
    #[error("device is gone from its bus")]
    Gone,
    /// The device broke the rules of the virtqueue; only [`recover`](crate::Blk::recover) helps.
    #[error(transparent)]
    Fault(#[from] DeviceFault),
}

impl From<GivenUp> for Error {
    fn from(given_up: GivenUp) -> Self {
        match given_up {
            GivenUp::NeedsReset { status } => Self::NeedsReset { status },
            GivenUp::Gone => Self::Gone,
        }
    }
}

/// Why a blocking call over a buffer failed.
#[derive(Debug, Error)]
#[error("{error}")]
pub struct BufferError<D: Dma> {
    /// Why.
    #[source]
    pub error: Error,
    /// The buffer; `None` while the device has it.
    ///
    /// It comes back by [`poll`](crate::Blk::poll) once the device answers, with the part that was under way as its window,
    /// or by [`recover`](crate::Blk::recover) or [`reset`](crate::Blk::reset).
    pub buffer: Option<DmaBuffer<D>>,
}

/// Why completed requests could not be collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PollError {
    /// The device broke the rules of the virtqueue; only [`recover`](crate::Blk::recover) helps.
    #[error(transparent)]
    Fault(#[from] DeviceFault),
    /// The device is not running since its recovery failed.
    #[error("device is not running since its recovery failed")]
    NotRunning,
}

/// Why the cache mode was not switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CacheModeError {
    /// The device does not let it be switched: it does not offer `VIRTIO_BLK_F_CONFIG_WCE`.
    #[error("device does not let its cache mode be switched")]
    Fixed,
    /// The configuration could not be written or read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The device is not running since its recovery failed.
    #[error("device is not running since its recovery failed")]
    NotRunning,
}

/// Why a device was not recovered; it is not running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// The device did not finish its reset, so the memory it has is kept from everybody.
    #[error("device is not reset after {timeout:?}: its status reads {status}")]
    Reset {
        /// How long was waited.
        timeout: core::time::Duration,
        /// What the status read last.
        status: Status,
    },
    /// The device is gone from its bus; the memory it had is kept from everybody, unless it read as reset.
    #[error("device is gone from its bus")]
    Gone,
    /// The device was reset and could not be brought up again.
    #[error(transparent)]
    Init(InitError),
    /// An earlier recovery failed.
    #[error("device is not running since its recovery failed")]
    NotRunning,
}

impl From<InitError> for RecoverError {
    fn from(error: InitError) -> Self {
        match error {
            InitError::Device(levitate_virtio::InitError::Gone) => Self::Gone,
            _ => Self::Init(error),
        }
    }
}

/// Why a queue was not reset and brought into use again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResetQueueError {
    /// There is no such queue, or it is not in use.
    #[error("block device has no queue {queue} in use")]
    NoSuchQueue {
        /// Index of the queue.
        queue: QueueIndex,
    },
    /// The device did not reset it.
    ///
    /// Where the feature [was not accepted](QueueResetError::NotNegotiated) or the device [ignores](QueueResetError::Ignored) it, the queue
    /// goes on as before; after a [timeout](QueueResetError::Timeout) the device may do it yet, and the next attempt goes on waiting.
    #[error(transparent)]
    Reset(#[from] QueueResetError),
    /// The queue was reset and is out of use until a further attempt, or until [`recover`](crate::Blk::recover).
    #[error(transparent)]
    Restart(#[from] RestartError),
    /// The device is not running since its recovery failed.
    #[error("device is not running since its recovery failed")]
    NotRunning,
}

/// Why a device was not reset.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResetError<T> {
    /// The device did not finish its reset, so the memory it has is kept from everybody; the transport is in the error.
    #[error(transparent)]
    Device(levitate_virtio::ResetError<T>),
    /// An earlier recovery failed.
    #[error("device is not running since its recovery failed")]
    NotRunning,
}
