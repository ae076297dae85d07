//! What goes through the control queue: commands, responses and their common header (§5.7.6).

use core::fmt;

use crate::error::ResponseFault;

pub(crate) mod display;
pub(crate) mod edid;
pub(crate) mod header;
pub(crate) mod resource;
pub(crate) mod transfer;

pub(crate) use header::Header;

/// Scanouts a device has at most (`VIRTIO_GPU_MAX_SCANOUTS`, §5.7.6.8).
pub(crate) const MAX_SCANOUTS: usize = 16;

/// Which command a request is: those of the control queue this driver sends (§5.7.6.7).
#[doc(alias = "virtio_gpu_ctrl_type")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum CommandType {
    /// Asks which scanouts are enabled, and how large they are.
    GetDisplayInfo = 0x0100,
    /// Creates a 2D resource on the device.
    ResourceCreate2d = 0x0101,
    /// Destroys a resource.
    ResourceUnref = 0x0102,
    /// Shows a resource on a scanout.
    SetScanout = 0x0103,
    /// Makes what is in a resource visible.
    ResourceFlush = 0x0104,
    /// Copies from the backing memory into a resource.
    TransferToHost2d = 0x0105,
    /// Tells the device where the backing memory of a resource is.
    ResourceAttachBacking = 0x0106,
    /// Asks for the EDID of a scanout's monitor.
    GetEdid = 0x010a,
}

impl CommandType {
    /// Returns the number on the wire.
    #[must_use]
    pub const fn code(self) -> u32 {
        self as u32
    }
}

impl fmt::Display for CommandType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::GetDisplayInfo => "GET_DISPLAY_INFO",
            Self::ResourceCreate2d => "RESOURCE_CREATE_2D",
            Self::ResourceUnref => "RESOURCE_UNREF",
            Self::SetScanout => "SET_SCANOUT",
            Self::ResourceFlush => "RESOURCE_FLUSH",
            Self::TransferToHost2d => "TRANSFER_TO_HOST_2D",
            Self::ResourceAttachBacking => "RESOURCE_ATTACH_BACKING",
            Self::GetEdid => "GET_EDID",
        })
    }
}

/// `type` of a response that carries nothing (§5.7.6.7).
pub(crate) const RESP_OK_NODATA: u32 = 0x1100;
/// `type` of the response to GET_DISPLAY_INFO.
pub(crate) const RESP_OK_DISPLAY_INFO: u32 = 0x1101;
/// `type` of the response to GET_EDID.
pub(crate) const RESP_OK_EDID: u32 = 0x1104;

/// A pixel format: B, G, R and an unused byte, lowest address first (§5.7.6.8).
pub(crate) const FORMAT_B8G8R8X8_UNORM: u32 = 2;

/// A response as it lies in a request's footer, and what it must be when the command worked.
pub(crate) trait Response {
    /// Its `type`.
    const TYPE: u32;
    /// Bytes a device must at least have written.
    const MIN_BYTES: usize;

    /// Returns what every response begins with.
    fn header(&self) -> &Header;

    /// Returns how many bytes a device must have written, now that the first [`MIN_BYTES`](Self::MIN_BYTES) are known.
    fn len_bytes(&self) -> Result<usize, ResponseFault> {
        Ok(Self::MIN_BYTES)
    }
}

/// A command that a fence can be put on.
pub(crate) trait Command {
    /// Which one it is.
    const TYPE: CommandType;

    /// Returns what every command begins with.
    fn header(&self) -> &Header;

    /// Returns what every command begins with, to put a fence on it.
    fn header_mut(&mut self) -> &mut Header;
}

/// Implements [`Command`] for a type whose field `header` is the header.
macro_rules! command {
    ($name:ty, $variant:ident) => {
        impl $crate::protocol::Command for $name {
            const TYPE: $crate::protocol::CommandType = $crate::protocol::CommandType::$variant;

            fn header(&self) -> &$crate::protocol::Header {
                &self.header
            }

            fn header_mut(&mut self) -> &mut $crate::protocol::Header {
                &mut self.header
            }
        }
    };
}
pub(crate) use command;

#[cfg(test)]
mod tests {
    use super::*;
    use virtio_bindings::virtio_gpu as linux;

    #[test]
    fn the_numbers_are_the_ones_of_the_linux_header() {
        for (command, code) in [
            (
                CommandType::GetDisplayInfo,
                linux::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_GET_DISPLAY_INFO,
            ),
            (
                CommandType::ResourceCreate2d,
                linux::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
            ),
            (
                CommandType::ResourceUnref,
                linux::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_UNREF,
            ),
            (
                CommandType::SetScanout,
                linux::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_SET_SCANOUT,
            ),
            (
                CommandType::ResourceFlush,
                linux::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_FLUSH,
            ),
            (
                CommandType::TransferToHost2d,
                linux::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
            ),
            (
                CommandType::ResourceAttachBacking,
                linux::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
            ),
            (
                CommandType::GetEdid,
                linux::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_GET_EDID,
            ),
        ] {
            assert_eq!(command.code(), code, "{command}");
        }
        assert_eq!(
            RESP_OK_NODATA,
            linux::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_NODATA
        );
        assert_eq!(
            RESP_OK_DISPLAY_INFO,
            linux::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_DISPLAY_INFO
        );
        assert_eq!(
            RESP_OK_EDID,
            linux::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_EDID
        );
        assert_eq!(
            FORMAT_B8G8R8X8_UNORM,
            linux::virtio_gpu_formats_VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
        );
        assert_eq!(MAX_SCANOUTS as u32, linux::VIRTIO_GPU_MAX_SCANOUTS);
    }
}
