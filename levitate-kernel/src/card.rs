//! The test card: a picture in which every mistake of a display driver shows ([`draw`]).

mod disc;
mod layout;
mod pattern;
mod text;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::OriginDimensions;
use embedded_graphics::pixelcolor::Rgb888;

use layout::Layout;

/// Draws the test card over all of `target`; the same pixels for the same size, on every machine.
///
/// Made for 160 × 120 pixels or more. On a smaller display parts lie over each other; of a larger one than
/// 16384 × 16384 that much is drawn.
///
/// | Part | What it shows when it is wrong |
/// |---|---|
/// | white line on the outermost pixels, a black one inside it | a picture that is shifted, scaled or cut off |
/// | four corner marks of different shape and colour | one that is mirrored or turned |
/// | columns left: red, green, blue, each darker from top to bottom | a wrong order of channels, rows in the wrong place |
/// | columns right: noise of each pixel's own place, checkerboard | one pixel or row too many, a wrong stride |
/// | disc: name; bars; ramps of each channel; stripes; resolution | wrong colours, lost bits, blurred columns |
///
/// # Errors
///
/// That of `target`; the card is not complete then.
pub fn draw<D>(target: &mut D) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Rgb888> + OriginDimensions,
{
    let layout = Layout::of(target.size());
    pattern::background(target, &layout)?;
    pattern::columns(target, &layout)?;
    disc::draw(target, &layout)?;
    pattern::corner_marks(target, &layout)?;
    pattern::border(target, &layout)
}

#[cfg(test)]
pub(crate) mod canvas;
#[cfg(test)]
mod tests;
