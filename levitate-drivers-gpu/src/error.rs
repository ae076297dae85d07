//! What can go wrong: [`InitError`], [`Error`] and what they are made of.

use core::time::Duration;

use levitate_hal::DmaError;
use levitate_virtio::{
    ConfigError, DeviceFault, DeviceType, GivenUp, QueueError, Status, SubmitError, Timeout,
};
use thiserror::Error;

use crate::mode::MAX_PIXELS_PER_SIDE;
use crate::protocol::CommandType;

/// Why a device was not brought up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InitError {
    /// It is another kind of device; it was left alone.
    #[error("device is no GPU: its device type is {}", found.id())]
    WrongDeviceType {
        /// What it is.
        found: DeviceType,
    },
    /// It was not initialized as far as features go.
    #[error(transparent)]
    Init(#[from] levitate_virtio::InitError),
    /// Its configuration could not be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its configuration has a number of scanouts that no device may have (§5.7.4).
    #[error("device says that it has {found} scanouts, a device has 1 to 16")]
    ScanoutCount {
        /// The number in the configuration.
        found: u32,
    },
    /// Its control queue could not be set up.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// There is no room for the commands that have to be in flight together.
    #[error("control queue has room for {slots} commands, {needed} are needed")]
    TooFewSlots {
        /// Commands there is room for.
        slots: u16,
        /// Commands that have to be in flight together.
        needed: u16,
    },
}

/// Why a device was not reset, or not brought up again; it is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResetError {
    /// It did not finish its reset: what it was given is never freed.
    #[error("device is not reset after {timeout:?}: its status reads {status}")]
    Unconfirmed {
        /// How long was waited.
        timeout: Duration,
        /// What the status read last.
        status: Status,
    },
    /// It is gone from its bus; what it was given is freed only if it read as reset.
    #[error("device is gone from its bus")]
    Unplugged,
    /// It was reset, and could not be brought up again.
    #[error("device was reset and could not be brought up again: {0}")]
    Init(InitError),
    /// An earlier reset failed.
    #[error("device is of no use since a reset failed")]
    Gone,
}

impl From<InitError> for ResetError {
    fn from(error: InitError) -> Self {
        match error {
            InitError::Init(levitate_virtio::InitError::Gone) => Self::Unplugged,
            _ => Self::Init(error),
        }
    }
}

impl<T> From<levitate_virtio::ResetError<T>> for ResetError {
    fn from(error: levitate_virtio::ResetError<T>) -> Self {
        match error.is_gone {
            true => Self::Unplugged,
            false => Self::Unconfirmed {
                timeout: error.timeout,
                status: error.status,
            },
        }
    }
}

/// How a device answered a command that it did not carry out (§5.7.6.7).
#[doc(alias = "virtio_gpu_ctrl_type")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// `VIRTIO_GPU_RESP_ERR_UNSPEC`.
    #[error("unspecified error")]
    Unspecified,
    /// `VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY`.
    #[error("device is out of memory")]
    OutOfMemory,
    /// `VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID`.
    #[error("invalid scanout")]
    InvalidScanoutId,
    /// `VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID`.
    #[error("invalid resource")]
    InvalidResourceId,
    /// `VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID`.
    #[error("invalid context")]
    InvalidContextId,
    /// `VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER`.
    #[error("invalid parameter")]
    InvalidParameter,
    /// Another of the codes 0x1200 to 0x12ff, which the specification keeps for errors.
    #[error("error {0:#x}, which the specification does not know")]
    Undefined(u32),
}

impl CommandError {
    /// Names the error a response's `type` stands for, if it stands for one.
    pub(crate) const fn from_response(kind: u32) -> Option<Self> {
        Some(match kind {
            0x1200 => Self::Unspecified,
            0x1201 => Self::OutOfMemory,
            0x1202 => Self::InvalidScanoutId,
            0x1203 => Self::InvalidResourceId,
            0x1204 => Self::InvalidContextId,
            0x1205 => Self::InvalidParameter,
            0x1206..=0x12ff => Self::Undefined(kind),
            _ => return None,
        })
    }
}

/// What is wrong with a response that is neither what the command asks for nor an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResponseFault {
    /// The device wrote less than the response is long.
    #[error("device wrote {written_bytes} bytes of {expected_bytes}")]
    TooShort {
        /// Bytes the device says it wrote.
        written_bytes: usize,
        /// Bytes the response has.
        expected_bytes: usize,
    },
    /// It is the response to something else, or none.
    #[error("device answered with type {found:#x} in place of {expected:#x}")]
    UnexpectedType {
        /// Its `type`.
        found: u32,
        /// The type it should have.
        expected: u32,
    },
    /// It does not bear the command's fence.
    #[error("device answered fence {expected} with {found:?}")]
    UnexpectedFence {
        /// Its fence, if it has one.
        found: Option<u64>,
        /// The command's fence.
        expected: u64,
    },
    /// It claims to have more bytes of EDID than there is room for.
    #[error("device claims an EDID of {size_bytes} bytes")]
    EdidTooLong {
        /// Its `size`.
        size_bytes: u32,
    },
}

/// Why the driver could not do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The device did not answer in time; [`Gpu::reset`](crate::Gpu::reset) is the way out.
    #[error(transparent)]
    Timeout(#[from] Timeout),
    /// The device broke the rules of the virtqueue, which is of no use until [`Gpu::reset`](crate::Gpu::reset).
    #[error(transparent)]
    Device(#[from] DeviceFault),
    /// The device met an error from which only [`Gpu::reset`](crate::Gpu::reset) helps (§2.1.2); said to tasks, for blocking calls it is
    /// the cause of a timeout.
    #[error("device set DEVICE_NEEDS_RESET, its status reads {status}")]
    NeedsReset {
        /// The device status.
        status: Status,
    },
    /// The device was taken off its bus; said to tasks, for blocking calls it is the cause of a timeout.
    #[error("device is gone from its bus")]
    Unplugged,
    /// The device answered with something that is no answer to the command.
    #[error("{command}: {fault}")]
    Response {
        /// The command.
        command: CommandType,
        /// What is wrong with the response.
        fault: ResponseFault,
    },
    /// The device did not carry the command out.
    #[error("{command}: {error}")]
    Command {
        /// The command.
        command: CommandType,
        /// Why, as the device says.
        error: CommandError,
    },
    /// The configuration could not be read, or an event not be cleared in it.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The command could not be submitted, for instance because too many are in flight.
    #[error(transparent)]
    Submit(SubmitError),
    /// There is no memory for it.
    #[error(transparent)]
    Dma(#[from] DmaError),
    /// The device has no such scanout.
    #[error("device has no scanout {scanout}, it has {count}")]
    NoSuchScanout {
        /// The scanout asked for.
        scanout: u32,
        /// How many there are, counted from 0.
        count: u32,
    },
    /// VIRTIO_GPU_F_EDID was not negotiated.
    #[error("device offers no EDID")]
    NoEdid,
    /// No framebuffer has this size.
    #[error("no framebuffer is {width} x {height} pixels: sides are 1 to {MAX_PIXELS_PER_SIDE}")]
    InvalidSize {
        /// Width asked for.
        width: u32,
        /// Height asked for.
        height: u32,
    },
    /// A framebuffer needs at least one chunk.
    #[error("no chunk was given for the framebuffer's memory")]
    NoChunks,
    /// A chunk has memory that another device can reach.
    #[error("chunk belongs to a framebuffer of another device")]
    ChunkInUse,
    /// The framebuffer belongs to another device.
    #[error("framebuffer belongs to another device")]
    ForeignFramebuffer,
    /// The device was reset, or a new size for it has failed; [`Gpu::attach`](crate::Gpu::attach) lets the device know it again.
    #[error(
        "device does not know the framebuffer: it was reset, or giving it another size has failed"
    )]
    FramebufferLost,
    /// The framebuffer's last frame is not done.
    #[error("a frame of this framebuffer is in flight")]
    FrameInFlight,
    /// The frame's outcome was already told, or given up because nobody asked; its damage is kept in the second case.
    #[error("outcome of the frame is not known any more")]
    FrameForgotten,
    /// Every number a resource could have was used; [`Gpu::reset`](crate::Gpu::reset) begins anew.
    #[error("all resource numbers were used")]
    ResourceIdsUsedUp,
    /// A reset failed.
    #[error("device is of no use since a reset failed")]
    Gone,
}

impl Error {
    /// Says whether [`Gpu::reset`](crate::Gpu::reset) is the only way out.
    ///
    /// Of [`Gpu::edid`](crate::Gpu::edid) it need not be: a monitor that is silent by itself leaves everything else in use.
    #[must_use]
    pub const fn needs_reset(&self) -> bool {
        matches!(
            self,
            Self::Timeout(_) | Self::Device(_) | Self::NeedsReset { .. } | Self::Unplugged
        )
    }
}

impl From<GivenUp> for Error {
    fn from(given_up: GivenUp) -> Self {
        match given_up {
            GivenUp::NeedsReset { status } => Self::NeedsReset { status },
            GivenUp::Gone => Self::Unplugged,
        }
    }
}

impl From<SubmitError> for Error {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Broken(fault) => Self::Device(fault),
            error => Self::Submit(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use virtio_bindings::virtio_gpu as linux;

    #[test]
    fn error_codes_are_the_ones_of_the_linux_header() {
        for (code, error) in [
            (
                linux::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_UNSPEC,
                CommandError::Unspecified,
            ),
            (
                linux::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
                CommandError::OutOfMemory,
            ),
            (
                linux::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID,
                CommandError::InvalidScanoutId,
            ),
            (
                linux::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
                CommandError::InvalidResourceId,
            ),
            (
                linux::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
                CommandError::InvalidContextId,
            ),
            (
                linux::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
                CommandError::InvalidParameter,
            ),
        ] {
            assert_eq!(CommandError::from_response(code), Some(error));
        }
        assert_eq!(
            CommandError::from_response(0x12ff),
            Some(CommandError::Undefined(0x12ff))
        );
        for code in [0, 0x1100, 0x1106, 0x11ff, 0x1300, u32::MAX] {
            assert_eq!(CommandError::from_response(code), None, "{code:#x}");
        }
    }

    #[test]
    fn messages_have_the_values() {
        let error = Error::Command {
            command: CommandType::SetScanout,
            error: CommandError::Unspecified,
        };
        assert_eq!(error.to_string(), "SET_SCANOUT: unspecified error");
        let error = Error::Response {
            command: CommandType::GetDisplayInfo,
            fault: ResponseFault::UnexpectedType {
                found: 0,
                expected: 0x1101,
            },
        };
        assert_eq!(
            error.to_string(),
            "GET_DISPLAY_INFO: device answered with type 0x0 in place of 0x1101"
        );
        let error = Error::InvalidSize {
            width: 0,
            height: 5,
        };
        assert_eq!(
            error.to_string(),
            "no framebuffer is 0 x 5 pixels: sides are 1 to 16384"
        );
    }
}
