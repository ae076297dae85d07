//! Scanouts: what is known of them and what they show (§5.7.6.8).

use core::mem::{align_of, offset_of, size_of};

use static_assertions::const_assert_eq;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{CommandType, Header, MAX_SCANOUTS, RESP_OK_DISPLAY_INFO, Response, command};

/// A rectangle in pixels.
#[doc(alias = "virtio_gpu_rect")]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C, align(4))]
pub(crate) struct Rect {
    pub(crate) x: U32,
    pub(crate) y: U32,
    pub(crate) width: U32,
    pub(crate) height: U32,
}

const_assert_eq!(size_of::<Rect>(), 16);
const_assert_eq!(align_of::<Rect>(), 4);
const_assert_eq!(offset_of!(Rect, x), 0);
const_assert_eq!(offset_of!(Rect, y), 4);
const_assert_eq!(offset_of!(Rect, width), 8);
const_assert_eq!(offset_of!(Rect, height), 12);

impl Rect {
    /// The rectangle of this size at the origin.
    pub(crate) fn of_size(width: u32, height: u32) -> Self {
        Self {
            width: width.into(),
            height: height.into(),
            ..Self::default()
        }
    }
}

/// What is known of one scanout.
#[doc(alias = "virtio_gpu_display_one")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4))]
pub(crate) struct DisplayOne {
    /// Preferred size, and position among the scanouts.
    pub(crate) rect: Rect,
    /// Not 0 if somebody looks at it.
    pub(crate) enabled: U32,
    pub(crate) flags: U32,
}

const_assert_eq!(size_of::<DisplayOne>(), 24);
const_assert_eq!(align_of::<DisplayOne>(), 4);
const_assert_eq!(offset_of!(DisplayOne, rect), 0);
const_assert_eq!(offset_of!(DisplayOne, enabled), 16);
const_assert_eq!(offset_of!(DisplayOne, flags), 20);

/// The response to GET_DISPLAY_INFO.
#[doc(alias = "virtio_gpu_resp_display_info")]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub(crate) struct RespDisplayInfo {
    pub(crate) header: Header,
    /// Always sixteen, whatever number of scanouts there is.
    pub(crate) pmodes: [DisplayOne; MAX_SCANOUTS],
}

const_assert_eq!(size_of::<RespDisplayInfo>(), 408);
const_assert_eq!(align_of::<RespDisplayInfo>(), 8);
const_assert_eq!(offset_of!(RespDisplayInfo, header), 0);
const_assert_eq!(offset_of!(RespDisplayInfo, pmodes), 24);

impl Response for RespDisplayInfo {
    const TYPE: u32 = RESP_OK_DISPLAY_INFO;
    const MIN_BYTES: usize = size_of::<Self>();

    fn header(&self) -> &Header {
        &self.header
    }
}

/// SET_SCANOUT: shows a part of a resource.
#[doc(alias = "virtio_gpu_set_scanout")]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub(crate) struct SetScanout {
    pub(crate) header: Header,
    /// Which part of the resource.
    pub(crate) rect: Rect,
    pub(crate) scanout_id: U32,
    /// 0 shows nothing.
    pub(crate) resource_id: U32,
}

const_assert_eq!(size_of::<SetScanout>(), 48);
const_assert_eq!(align_of::<SetScanout>(), 8);
const_assert_eq!(offset_of!(SetScanout, header), 0);
const_assert_eq!(offset_of!(SetScanout, rect), 24);
const_assert_eq!(offset_of!(SetScanout, scanout_id), 40);
const_assert_eq!(offset_of!(SetScanout, resource_id), 44);

command!(SetScanout, SetScanout);

impl SetScanout {
    /// Shows `rect` of `resource_id`.
    pub(crate) fn new(scanout_id: u32, resource_id: u32, rect: Rect) -> Self {
        Self {
            header: Header::new(CommandType::SetScanout),
            rect,
            scanout_id: scanout_id.into(),
            resource_id: resource_id.into(),
        }
    }

    /// Shows nothing.
    pub(crate) fn disable(scanout_id: u32) -> Self {
        Self::new(scanout_id, 0, Rect::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scanout_is_set_by_the_bytes_of_the_specification() {
        let command = SetScanout::new(3, 0x0708, Rect::of_size(640, 0x0102_0304));
        let mut bytes = [0; 48];
        bytes[..2].copy_from_slice(&[0x03, 0x01]);
        bytes[32..36].copy_from_slice(&[0x80, 0x02, 0, 0]);
        bytes[36..40].copy_from_slice(&[0x04, 0x03, 0x02, 0x01]);
        bytes[40] = 3;
        bytes[44..46].copy_from_slice(&[0x08, 0x07]);
        assert_eq!(command.as_bytes(), bytes);
        assert_eq!(
            SetScanout::disable(3).as_bytes()[40..],
            [3, 0, 0, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn display_info_is_read_from_the_bytes_of_the_specification() {
        let mut bytes = [0; 408];
        bytes[..2].copy_from_slice(&[0x01, 0x11]);
        // The last of the sixteen.
        bytes[384..408].copy_from_slice(&[
            1, 0, 0, 0, 2, 0, 0, 0, 0, 5, 0, 0, 0x20, 3, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0,
        ]);
        let info = RespDisplayInfo::read_from_bytes(&bytes).unwrap();
        assert_eq!(info.header.kind.get(), RespDisplayInfo::TYPE);
        let last = info.pmodes[15];
        assert_eq!((last.rect.x.get(), last.rect.y.get()), (1, 2));
        assert_eq!((last.rect.width.get(), last.rect.height.get()), (1280, 800));
        assert_eq!((last.enabled.get(), last.flags.get()), (1, 9));
        assert_eq!(info.as_bytes(), bytes);
    }
}
