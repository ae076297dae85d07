//! Pixels for a test to compare: [`Image`].

use std::fmt;

/// A picture, each pixel `0x00RRGGBB`.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    pixels: Vec<u32>,
}

impl Image {
    pub(super) fn black(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            pixels: vec![0; width as usize * height as usize],
        }
    }

    /// Returns the width in pixels.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Returns the height in pixels.
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Returns the pixel at (`x`, `y`), or `None` outside the picture.
    #[must_use]
    pub fn pixel(&self, x: u32, y: u32) -> Option<u32> {
        self.position(x, y).map(|position| self.pixels[position])
    }

    /// Returns all pixels, row by row from the top.
    #[must_use]
    pub fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    /// Returns three bytes for each pixel: red, green, blue.
    #[must_use]
    pub fn rgb_bytes(&self) -> Vec<u8> {
        let bytes = |pixel: &u32| {
            let [_, red, green, blue] = pixel.to_be_bytes();
            [red, green, blue]
        };
        self.pixels.iter().flat_map(bytes).collect()
    }

    pub(super) fn set(&mut self, x: u32, y: u32, pixel: u32) {
        if let Some(position) = self.position(x, y) {
            self.pixels[position] = pixel;
        }
    }

    fn position(&self, x: u32, y: u32) -> Option<usize> {
        (x < self.width && y < self.height).then(|| y as usize * self.width as usize + x as usize)
    }
}

/// Short, for a failed comparison of two pictures must not print them.
impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // FNV-1a, so that two pictures of one size can be told apart.
        let hash = self
            .pixels
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, pixel| {
                (hash ^ u64::from(*pixel)).wrapping_mul(0x0100_0000_01b3)
            });
        write!(f, "Image({}x{}, {hash:016x})", self.width, self.height)
    }
}
