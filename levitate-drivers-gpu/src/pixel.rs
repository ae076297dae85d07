//! A pixel as it lies in a framebuffer: [`Bgrx8888`].

use core::mem::{align_of, size_of};

use embedded_graphics_core::pixelcolor::{Rgb888, RgbColor};
use static_assertions::const_assert_eq;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A pixel of the format B8G8R8X8_UNORM: blue, green, red and an unused byte, lowest address first (§5.7.6.8).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct Bgrx8888(
    /// One word, so that a pixel is one store; little-endian on every host.
    u32,
);

const_assert_eq!(size_of::<Bgrx8888>(), 4);
const_assert_eq!(align_of::<Bgrx8888>(), 4);

impl Bgrx8888 {
    /// Makes a pixel of its three colours.
    #[must_use]
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self(u32::from_be_bytes([0, red, green, blue]).to_le())
    }
}

impl From<Rgb888> for Bgrx8888 {
    fn from(color: Rgb888) -> Self {
        Self::new(color.r(), color.g(), color.b())
    }
}

impl From<Bgrx8888> for Rgb888 {
    fn from(pixel: Bgrx8888) -> Self {
        let [_, red, green, blue] = u32::from_le(pixel.0).to_be_bytes();
        Self::new(red, green, blue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blue_comes_first_in_memory() {
        let pixel = Bgrx8888::from(Rgb888::new(0x11, 0x22, 0x33));
        assert_eq!(pixel.as_bytes(), [0x33, 0x22, 0x11, 0]);
        assert_eq!(Rgb888::from(pixel), Rgb888::new(0x11, 0x22, 0x33));
    }
}
