//! GET_EDID and its response (§5.7.6.8).

use core::mem::{align_of, offset_of, size_of};

use static_assertions::const_assert_eq;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{CommandType, Header, RESP_OK_EDID, Response, command};
use crate::error::ResponseFault;

/// Bytes of EDID a response has room for.
pub(crate) const MAX_EDID_BYTES: usize = 1024;

/// GET_EDID.
#[doc(alias = "virtio_gpu_get_edid")]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub(crate) struct GetEdid {
    pub(crate) header: Header,
    pub(crate) scanout: U32,
    pub(crate) padding: U32,
}

const_assert_eq!(size_of::<GetEdid>(), 32);
const_assert_eq!(align_of::<GetEdid>(), 8);
const_assert_eq!(offset_of!(GetEdid, header), 0);
const_assert_eq!(offset_of!(GetEdid, scanout), 24);
const_assert_eq!(offset_of!(GetEdid, padding), 28);

command!(GetEdid, GetEdid);

impl GetEdid {
    pub(crate) fn new(scanout: u32) -> Self {
        Self {
            header: Header::new(CommandType::GetEdid),
            scanout: scanout.into(),
            padding: U32::ZERO,
        }
    }
}

/// The response to GET_EDID.
#[doc(alias = "virtio_gpu_resp_edid")]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub(crate) struct RespEdid {
    pub(crate) header: Header,
    /// How many bytes of `edid` count.
    pub(crate) size: U32,
    pub(crate) padding: U32,
    pub(crate) edid: [u8; MAX_EDID_BYTES],
}

const_assert_eq!(size_of::<RespEdid>(), 1056);
const_assert_eq!(align_of::<RespEdid>(), 8);
const_assert_eq!(offset_of!(RespEdid, header), 0);
const_assert_eq!(offset_of!(RespEdid, size), 24);
const_assert_eq!(offset_of!(RespEdid, padding), 28);
const_assert_eq!(offset_of!(RespEdid, edid), 32);

impl Response for RespEdid {
    const TYPE: u32 = RESP_OK_EDID;
    // How many bytes of `edid` must be there is for `size` to say.
    const MIN_BYTES: usize = offset_of!(Self, edid);

    fn header(&self) -> &Header {
        &self.header
    }

    fn len_bytes(&self) -> Result<usize, ResponseFault> {
        let size_bytes = self.size.get();
        usize::try_from(size_bytes)
            .ok()
            .filter(|size| *size <= MAX_EDID_BYTES)
            .and_then(|size| size.checked_add(Self::MIN_BYTES))
            .ok_or(ResponseFault::EdidTooLong { size_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edid_is_asked_for_by_the_bytes_of_the_specification() {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&[0x0a, 0x01]);
        bytes[24] = 15;
        assert_eq!(GetEdid::new(15).as_bytes(), bytes);
    }

    #[test]
    fn the_response_is_read_from_the_bytes_of_the_specification() {
        let mut bytes = [0; 1056];
        bytes[..2].copy_from_slice(&[0x04, 0x11]);
        bytes[24..28].copy_from_slice(&[0x80, 1, 0, 0]);
        bytes[32] = 0xab;
        bytes[1055] = 0xcd;
        let response = RespEdid::read_from_bytes(&bytes).unwrap();
        assert_eq!(response.header.kind.get(), RespEdid::TYPE);
        assert_eq!(response.size.get(), 0x180);
        assert_eq!((response.edid[0], response.edid[1023]), (0xab, 0xcd));
        assert_eq!(response.as_bytes(), bytes);
    }
}
