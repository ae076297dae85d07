//! Where the parts of the card are: [`Layout`], from the display's size alone.

use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::primitives::Rectangle;

/// Larger displays are drawn up to here, so that no sum below overflows.
const MAX_SIDE: u32 = 16_384;

/// Places of the parts, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) width: i32,
    pub(super) height: i32,
    /// Diameter of the disc, whose centre is the display's.
    pub(super) diameter: i32,
    /// Side of a corner mark.
    pub(super) mark: i32,
    /// Distance of the grid's lines.
    pub(super) grid: i32,
    /// Ramps of red, green and blue, side by side.
    pub(super) ramps: Rectangle,
    /// Noise that depends on each pixel's place.
    pub(super) noise: Rectangle,
    /// Checkerboard of single pixels.
    pub(super) checkerboard: Rectangle,
}

impl Layout {
    pub(super) fn of(size: Size) -> Self {
        let side = |pixels: u32| i32::try_from(pixels.min(MAX_SIDE)).unwrap_or(0);
        let (width, height) = (side(size.width), side(size.height));
        let short = width.min(height);
        let diameter = short * 43 / 50;
        // What is left of the width on each side of the disc has a column of patterns in its middle.
        let beside = (width - diameter) / 2;
        let gap = (beside / 6).max(2);
        let column = (beside - 2 * gap).max(0);
        let top = height / 5;
        let tall = height - 2 * top;
        let right = width - gap - column;
        let upper = tall * 2 / 3;
        Self {
            width,
            height,
            diameter,
            mark: short / 9,
            grid: (short / 16).max(6),
            ramps: area(gap, top, column, tall),
            noise: area(right, top, column, upper),
            checkerboard: area(right, top + upper, column, tall - upper),
        }
    }
}

/// Makes a rectangle, empty if a side is negative.
pub(super) fn area(x: i32, y: i32, width: i32, height: i32) -> Rectangle {
    let side = |pixels: i32| u32::try_from(pixels).unwrap_or(0);
    Rectangle::new(Point::new(x, y), Size::new(side(width), side(height)))
}
