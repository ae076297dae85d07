//! What every command and every response begins with: [`Header`] (§5.7.6.7).

use core::mem::{align_of, offset_of, size_of};

use static_assertions::const_assert_eq;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{CommandType, RESP_OK_NODATA, Response, command};

/// The device answers when the command is done, and copies `fence_id` (`VIRTIO_GPU_FLAG_FENCE`).
pub(crate) const FLAG_FENCE: u32 = 1 << 0;

/// The header of commands and responses; alone, it is the response that carries nothing.
#[doc(alias = "virtio_gpu_ctrl_hdr")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub(crate) struct Header {
    /// A [`CommandType`], or what kind of response it is.
    pub(crate) kind: U32,
    /// [`FLAG_FENCE`] or nothing.
    pub(crate) flags: U32,
    /// Chosen by the driver, copied by the device; without meaning unless `flags` has the fence.
    pub(crate) fence_id: U64,
    /// 3D contexts only.
    pub(crate) ctx_id: U32,
    /// 3D contexts only.
    pub(crate) ring_idx: u8,
    /// Zero.
    pub(crate) padding: [u8; 3],
}

const_assert_eq!(size_of::<Header>(), 24);
const_assert_eq!(align_of::<Header>(), 8);
const_assert_eq!(offset_of!(Header, kind), 0);
const_assert_eq!(offset_of!(Header, flags), 4);
const_assert_eq!(offset_of!(Header, fence_id), 8);
const_assert_eq!(offset_of!(Header, ctx_id), 16);
const_assert_eq!(offset_of!(Header, ring_idx), 20);
const_assert_eq!(offset_of!(Header, padding), 21);

impl Header {
    /// Begins a command without a fence.
    pub(crate) fn new(command: CommandType) -> Self {
        Self {
            kind: command.code().into(),
            ..Self::default()
        }
    }

    /// Puts a fence on the command.
    pub(crate) fn set_fence(&mut self, fence_id: u64) {
        self.flags = FLAG_FENCE.into();
        self.fence_id = fence_id.into();
    }

    /// Returns the fence, if there is one.
    pub(crate) fn fence(&self) -> Option<u64> {
        (self.flags.get() & FLAG_FENCE != 0).then(|| self.fence_id.get())
    }
}

impl Response for Header {
    const TYPE: u32 = RESP_OK_NODATA;
    const MIN_BYTES: usize = size_of::<Self>();

    fn header(&self) -> &Header {
        self
    }
}

/// GET_DISPLAY_INFO, which is only a header (§5.7.6.8).
#[derive(Clone, Copy, Debug, IntoBytes, Immutable)]
#[repr(transparent)]
pub(crate) struct GetDisplayInfo {
    header: Header,
}

impl GetDisplayInfo {
    pub(crate) fn new() -> Self {
        Self {
            header: Header::new(CommandType::GetDisplayInfo),
        }
    }
}

command!(GetDisplayInfo, GetDisplayInfo);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_bytes_of_the_specification() {
        let mut header = Header::new(CommandType::ResourceFlush);
        assert_eq!(header.fence(), None);
        header.set_fence(0x1122_3344_5566_7788);
        let bytes = [
            0x04, 0x01, 0, 0, 1, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0, 0, 0,
            0, 0, 0, 0, 0,
        ];
        assert_eq!(header.as_bytes(), bytes);
        let back = Header::read_from_bytes(&bytes).unwrap();
        assert_eq!(back.kind.get(), 0x104);
        assert_eq!(back.fence(), Some(0x1122_3344_5566_7788));
    }

    #[test]
    fn asking_for_the_display_is_a_bare_header() {
        let mut bytes = [0; 24];
        bytes[1] = 1;
        assert_eq!(GetDisplayInfo::new().as_bytes(), bytes);
    }
}
