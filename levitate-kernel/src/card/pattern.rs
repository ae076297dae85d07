//! What lies around the disc: background, columns of patterns, corner marks, border.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::Point;
use embedded_graphics::pixelcolor::{Rgb888, RgbColor, WebColors};
use embedded_graphics::primitives::{PointsIter, Rectangle};

use super::layout::{Layout, area};

const BACKGROUND: Rgb888 = Rgb888::new(0x1b, 0x20, 0x2c);
const GRID: Rgb888 = Rgb888::new(0x3d, 0x48, 0x5f);

/// A plain colour with a grid on it, whose lines meet at the centre.
pub(super) fn background<D>(target: &mut D, layout: &Layout) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Rgb888>,
{
    let &Layout {
        width,
        height,
        grid,
        ..
    } = layout;
    target.fill_solid(&area(0, 0, width, height), BACKGROUND)?;
    for y in lines(height, grid) {
        target.fill_solid(&area(0, y, width, 1), GRID)?;
    }
    for x in lines(width, grid) {
        target.fill_solid(&area(x, 0, 1, height), GRID)?;
    }
    Ok(())
}

/// Returns where lines lie along a side, `step` pixels from each other and one of them in the middle.
fn lines(side: i32, step: i32) -> impl Iterator<Item = i32> {
    (0..side)
        .skip(usize::try_from(side / 2 % step).unwrap_or(0))
        .step_by(usize::try_from(step).unwrap_or(1))
}

/// The ramps on the left, noise and checkerboard on the right.
pub(super) fn columns<D>(target: &mut D, layout: &Layout) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Rgb888>,
{
    let Rectangle {
        top_left: Point { x, y },
        size,
    } = layout.ramps;
    let (Ok(width), Ok(height)) = (i32::try_from(size.width), i32::try_from(size.height)) else {
        return Ok(());
    };
    for row in 0..height {
        let level = level(height - 1 - row, height);
        for (channel, colour) in (0..).zip([
            Rgb888::new(level, 0, 0),
            Rgb888::new(0, level, 0),
            Rgb888::new(0, 0, level),
        ]) {
            let (start, end) = (width * channel / 3, width * (channel + 1) / 3);
            target.fill_solid(&area(x + start, y + row, end - start, 1), colour)?;
        }
    }
    target.fill_contiguous(&layout.noise, layout.noise.points().map(noise))?;
    let checkerboard = layout.checkerboard.points().map(|Point { x, y }| {
        if (x + y) % 2 == 0 {
            Rgb888::WHITE
        } else {
            Rgb888::BLACK
        }
    });
    target.fill_contiguous(&layout.checkerboard, checkerboard)
}

/// Returns how bright step `index` of `count` is, from 0 to 255.
pub(super) fn level(index: i32, count: i32) -> u8 {
    let level = index.saturating_mul(255).checked_div(count - 1);
    u8::try_from(level.unwrap_or(0).clamp(0, 255)).unwrap_or(0)
}

/// Returns the colour of a place: no pattern that a shift by any number of pixels or rows repeats.
fn noise(place: Point) -> Rgb888 {
    let (x, y) = (place.x.cast_unsigned(), place.y.cast_unsigned());
    let mut hash = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77);
    hash = (hash ^ (hash >> 15)).wrapping_mul(0x2c1b_3c6d);
    hash = (hash ^ (hash >> 12)).wrapping_mul(0x297a_2d39);
    let [red, green, blue, _] = (hash ^ (hash >> 15)).to_le_bytes();
    // Mostly blue and green, so that it sits beside the other colours without shouting.
    Rgb888::new(red >> 2, 0x30 + (green >> 1), 0x50 + (blue >> 1))
}

/// A square, a triangle, a quarter of a disc and a ladder: none looks like another, however it is turned.
pub(super) fn corner_marks<D>(target: &mut D, layout: &Layout) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Rgb888>,
{
    let &Layout {
        width,
        height,
        mark,
        ..
    } = layout;
    // The border takes two pixels.
    let (left, top, right, bottom) = (2, 2, width - 2, height - 2);

    target.fill_solid(&area(left, top, mark, mark), Rgb888::CSS_TOMATO)?;
    let hole = mark / 3;
    target.fill_solid(
        &area(left + hole, top + hole, mark - 2 * hole, mark - 2 * hole),
        Rgb888::WHITE,
    )?;

    for row in 0..mark {
        let length = mark - row;
        target.fill_solid(
            &area(right - length, top + row, length, 1),
            Rgb888::CSS_MEDIUM_SEA_GREEN,
        )?;
        let radius = mark.cast_unsigned();
        let length = (radius * radius - row.cast_unsigned().pow(2))
            .isqrt()
            .cast_signed();
        target.fill_solid(
            &area(left, bottom - 1 - row, length, 1),
            Rgb888::CSS_DODGER_BLUE,
        )?;
    }

    let step = |seventh: i32| mark * seventh / 7;
    for rung in [0, 2, 4, 6] {
        let (start, end) = (step(rung), step(rung + 1));
        target.fill_solid(
            &area(right - mark, bottom - mark + start, mark, end - start),
            Rgb888::CSS_GOLD,
        )?;
    }
    target.fill_solid(
        &area(right - step(1), bottom - mark, step(1), mark),
        Rgb888::CSS_GOLD,
    )
}

/// White on the outermost pixels, black on those inside them.
pub(super) fn border<D>(target: &mut D, layout: &Layout) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Rgb888>,
{
    for (inset, colour) in [(1, Rgb888::BLACK), (0, Rgb888::WHITE)] {
        let (width, height) = (layout.width - 2 * inset, layout.height - 2 * inset);
        for side in [
            area(inset, inset, width, 1),
            area(inset, inset + height - 1, width, 1),
            area(inset, inset, 1, height),
            area(inset + width - 1, inset, 1, height),
        ] {
            if width > 0 && height > 0 {
                target.fill_solid(&side, colour)?;
            }
        }
    }
    Ok(())
}
