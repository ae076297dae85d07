//! How worn a device says it is: [`Lifetime`] (§5.2.6, `VIRTIO_BLK_T_GET_LIFETIME`).

use core::mem::{align_of, offset_of, size_of};

use static_assertions::{assert_impl_all, const_assert_eq};
use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The answer of the device.
#[doc(alias = "virtio_blk_lifetime")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(2))]
pub struct LifetimeLayout {
    /// How many reserved blocks are used up.
    pub pre_eol_info: U16,
    /// How worn cells of type A, SLC, are, in tenths.
    pub device_lifetime_est_typ_a: U16,
    /// How worn cells of type B, MLC, are, in tenths.
    pub device_lifetime_est_typ_b: U16,
}

const_assert_eq!(size_of::<LifetimeLayout>(), 6);
const_assert_eq!(align_of::<LifetimeLayout>(), 2);
const_assert_eq!(offset_of!(LifetimeLayout, pre_eol_info), 0);
const_assert_eq!(offset_of!(LifetimeLayout, device_lifetime_est_typ_a), 2);
const_assert_eq!(offset_of!(LifetimeLayout, device_lifetime_est_typ_b), 4);
assert_impl_all!(LifetimeLayout: FromBytes, IntoBytes, Send, Sync);

/// How much of a device's life is over; `None` where it does not say, or says what nobody has specified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// How many of its reserved blocks are used up.
    pub reserve: Option<Reserve>,
    /// Tenths of its life that cells of type A (SLC) are through, 11 for more than all of it.
    pub worn_tenths_a: Option<u16>,
    /// Tenths of its life that cells of type B (MLC) are through, 11 for more than all of it.
    pub worn_tenths_b: Option<u16>,
}

/// How many of a device's reserved blocks are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reserve {
    /// Less than 80 %.
    Normal,
    /// 80 %.
    Warning,
    /// 90 %.
    Urgent,
}

impl From<LifetimeLayout> for Lifetime {
    fn from(layout: LifetimeLayout) -> Self {
        let tenths = |value: U16| Some(value.get()).filter(|tenths| (1..=11).contains(tenths));
        Self {
            reserve: match layout.pre_eol_info.get() {
                1 => Some(Reserve::Normal),
                2 => Some(Reserve::Warning),
                3 => Some(Reserve::Urgent),
                _ => None,
            },
            worn_tenths_a: tenths(layout.device_lifetime_est_typ_a),
            worn_tenths_b: tenths(layout.device_lifetime_est_typ_b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: [u8; 6]) -> Lifetime {
        LifetimeLayout::read_from_bytes(&bytes).unwrap().into()
    }

    #[test]
    fn an_answer_is_little_endian_on_every_host() {
        let lifetime = Lifetime {
            reserve: Some(Reserve::Urgent),
            worn_tenths_a: Some(1),
            worn_tenths_b: Some(11),
        };
        assert_eq!(read([3, 0, 1, 0, 11, 0]), lifetime);
    }

    #[test]
    fn what_nobody_has_specified_is_not_taken_for_an_answer() {
        let nothing = Lifetime {
            reserve: None,
            worn_tenths_a: None,
            worn_tenths_b: None,
        };
        assert_eq!(read([0; 6]), nothing);
        assert_eq!(read([4, 0, 12, 0, 1, 1]), nothing);
        assert_eq!(read([0xff; 6]), nothing);
    }
}
