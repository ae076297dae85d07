//! The pointer of a screen (§5.7.6.10): [`Cursor`].

use super::image::Image;
use super::resource::Resource;

/// Width and height of every pointer, in pixels (§5.7.6.6).
pub(super) const CURSOR_SIZE: u32 = 64;

/// The pointer of one screen, as the last cursor commands left it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Where it points to, from the left of the screen.
    pub x: u32,
    /// Where it points to, from the top of the screen.
    pub y: u32,
    /// Which column of its picture points.
    pub hot_x: u32,
    /// Which row of its picture points.
    pub hot_y: u32,
    /// The resource its picture came from; 0 if it is hidden.
    pub resource: u32,
    /// The picture as it was then, each pixel `0xAARRGGBB`; empty if it is hidden.
    pixels: Vec<u32>,
}

impl Cursor {
    /// Takes the picture of `resource`, whose later changes are not seen.
    pub(super) fn load(&mut self, id: u32, resource: &Resource) {
        self.resource = id;
        self.pixels = resource.argb();
    }

    pub(super) fn hide(&mut self) {
        self.resource = 0;
        self.pixels.clear();
    }

    /// Draws the pointer over `image`, which is the screen; what reaches beyond it is cut off.
    ///
    /// The specification does not say whether colours are multiplied with their alpha already; here they are not.
    pub(super) fn draw(&self, image: &mut Image) {
        for (at, pixel) in (0..).zip(&self.pixels) {
            let x = i64::from(self.x) - i64::from(self.hot_x) + i64::from(at % CURSOR_SIZE);
            let y = i64::from(self.y) - i64::from(self.hot_y) + i64::from(at / CURSOR_SIZE);
            if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
                && let Some(below) = image.pixel(x, y)
            {
                image.set(x, y, blend(*pixel, below));
            }
        }
    }
}

/// Mixes the colours of two pixels by the alpha of the upper one, to the nearest value.
fn blend(upper: u32, lower: u32) -> u32 {
    let [alpha, upper @ ..] = upper.to_be_bytes().map(u32::from);
    let [_, lower @ ..] = lower.to_be_bytes().map(u32::from);
    let mix = |colour: usize| (upper[colour] * alpha + lower[colour] * (255 - alpha) + 127) / 255;
    mix(0) << 16 | mix(1) << 8 | mix(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_says_how_much_is_seen_of_both() {
        assert_eq!(blend(0xff12_3456, 0xab_cdef), 0x12_3456);
        assert_eq!(blend(0x0012_3456, 0xab_cdef), 0xab_cdef);
        assert_eq!(blend(0x80ff_0000, 0x00_00ff), 0x80_007f);
        assert_eq!(blend(0x80ff_ffff, 0xff_ffff), 0xff_ffff, "nothing is lost");
    }
}
