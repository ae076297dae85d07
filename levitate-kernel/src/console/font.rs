//! The glyphs of one font, decoded once: looking each pixel up in the font's image would cost more than drawing it.

use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::image::GetPixel;
use embedded_graphics::mono_font::MonoFont;
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_8X13, FONT_10X20};
use embedded_graphics::pixelcolor::{BinaryColor, Rgb888};

use super::Style;

/// Returns the font for a display of `size` pixels: the largest that leaves about 100 columns, where that is possible.
pub(super) const fn for_display(size: Size) -> &'static MonoFont<'static> {
    if size.width >= 1000 && size.height >= 600 {
        &FONT_10X20
    } else if size.width >= 640 && size.height >= 400 {
        &FONT_8X13
    } else {
        &FONT_6X10
    }
}

/// Characters of ISO 8859-1.
const CHARACTERS: usize = 256;
/// Height of the highest font.
const MAX_HEIGHT: usize = 20;
/// Width of the widest font that fits a line's 16 bits.
const MAX_WIDTH: u32 = 16;

/// A font's glyphs: for each line of each character 16 bits, the leftmost pixel in the highest.
#[derive(Debug)]
pub(super) struct Font {
    glyphs: [[u16; MAX_HEIGHT]; CHARACTERS],
    size: Size,
}

impl Font {
    /// Starts without glyphs, in cells of one pixel.
    pub(super) const fn new() -> Self {
        Self {
            glyphs: [[0; MAX_HEIGHT]; CHARACTERS],
            size: Size::zero(),
        }
    }

    /// Returns a cell's size in pixels; neither side is zero.
    pub(super) const fn size(&self) -> Size {
        Size::new(
            at_least_one(self.size.width),
            at_least_one(self.size.height),
        )
    }

    /// Takes the glyphs of `font`, unless they are there.
    pub(super) fn load(&mut self, font: &MonoFont<'_>) {
        if self.size == font.character_size {
            return;
        }
        let Size { width, height } = font.character_size;
        self.size = font.character_size;
        for (character, lines) in (0..=u8::MAX).zip(&mut self.glyphs) {
            let glyph = Glyph::new(font, char::from(character));
            for (y, line) in (0..height.cast_signed()).zip(lines) {
                *line = (0..width.min(MAX_WIDTH)).fold(0, |line, x| {
                    let is_lit = glyph.is_lit(Point::new(x.cast_signed(), y));
                    line | u16::from(is_lit) << (MAX_WIDTH - 1 - x)
                });
            }
        }
    }

    /// Returns the pixels of line `y` of a character, left to right.
    pub(super) fn line(
        &self,
        character: u8,
        y: u32,
        style: Style,
    ) -> impl Iterator<Item = Rgb888> + use<> {
        let glyph = self.glyphs.get(usize::from(character));
        let line = glyph.and_then(|glyph| glyph.get(usize::try_from(y).ok()?));
        let line = line.copied().unwrap_or(0);
        let (foreground, background) = (style.foreground(), style.background());
        (0..self.size.width).map(move |x| {
            let is_on = x < MAX_WIDTH && line >> (MAX_WIDTH - 1 - x) & 1 == 1;
            if is_on { foreground } else { background }
        })
    }
}

/// One glyph in its font's image. Finding it takes a walk through the font's characters, so do it once a glyph.
#[derive(Clone, Copy)]
pub(crate) struct Glyph<'a> {
    font: &'a MonoFont<'a>,
    corner: Point,
}

impl<'a> Glyph<'a> {
    /// Finds the glyph of a character; it is the font's question mark if the font has none.
    pub(crate) fn new(font: &'a MonoFont<'a>, character: char) -> Self {
        let Size { width, height } = font.character_size;
        let per_row = font.image.size().width.checked_div(width).unwrap_or(0);
        let index = u32::try_from(font.glyph_mapping.index(character)).unwrap_or(0);
        let column = index.checked_rem(per_row).unwrap_or(0);
        let row = index.checked_div(per_row).unwrap_or(0);
        Self {
            font,
            corner: Point::zero() + Size::new(column * width, row * height),
        }
    }

    /// Says whether a pixel is lit, counted from the glyph's top left.
    pub(crate) fn is_lit(&self, place: Point) -> bool {
        self.font.image.pixel(self.corner + place) == Some(BinaryColor::On)
    }
}

const fn at_least_one(pixels: u32) -> u32 {
    if pixels == 0 { 1 } else { pixels }
}
