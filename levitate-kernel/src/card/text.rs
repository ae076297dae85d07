//! Labels of any size, from fonts of a few: [`Label`].

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::mono_font::MonoFont;
use embedded_graphics::mono_font::ascii::{FONT_5X7, FONT_6X10, FONT_8X13, FONT_10X20};
use embedded_graphics::pixelcolor::Rgb888;

use super::layout::area;
use crate::console::font::Glyph;

/// Largest first. The first is also the one that is magnified.
const FONTS: [&MonoFont<'static>; 4] = [&FONT_10X20, &FONT_8X13, &FONT_6X10, &FONT_5X7];

/// A place for one line of text: as large as fits there, and nothing if no font does.
pub(super) struct Label {
    pub(super) centre: Point,
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) colour: Rgb888,
}

impl Label {
    pub(super) fn draw<D>(&self, target: &mut D, text: &str) -> Result<(), D::Error>
    where
        D: DrawTarget<Color = Rgb888>,
    {
        let characters = i32::try_from(text.len()).unwrap_or(i32::MAX);
        for font in FONTS {
            let Size { width, height } = font.character_size;
            let (width, height) = (width.cast_signed(), height.cast_signed());
            let fitting = self
                .width
                .checked_div(characters.saturating_mul(width))
                .unwrap_or(0);
            let scale = fitting.min(self.height / height);
            if scale > 0 {
                let corner = Point::new(
                    self.centre.x - characters * width * scale / 2,
                    self.centre.y - height * scale / 2,
                );
                return self.draw_at(corner, font, scale, target, text);
            }
        }
        Ok(())
    }

    fn draw_at<D>(
        &self,
        corner: Point,
        font: &MonoFont<'_>,
        scale: i32,
        target: &mut D,
        text: &str,
    ) -> Result<(), D::Error>
    where
        D: DrawTarget<Color = Rgb888>,
    {
        let Size { width, height } = font.character_size;
        let (width, height) = (width.cast_signed(), height.cast_signed());
        for (index, character) in (0..).zip(text.chars()) {
            let glyph = Glyph::new(font, character);
            let left = corner.x + index * width * scale;
            for y in 0..height {
                // Neighbours that are lit are one rectangle.
                let mut start = 0;
                for x in 0..=width {
                    if x < width && glyph.is_lit(Point::new(x, y)) {
                        continue;
                    }
                    if x > start {
                        let run = area(
                            left + start * scale,
                            corner.y + y * scale,
                            (x - start) * scale,
                            scale,
                        );
                        target.fill_solid(&run, self.colour)?;
                    }
                    start = x + 1;
                }
            }
        }
        Ok(())
    }
}
