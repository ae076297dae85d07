//! The disc in the middle: bands of bars, ramps, stripes and steps between the name and the resolution.

use core::fmt::Write;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Dimensions, Point};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};

use heapless::String;

use super::layout::{Layout, area};
use super::pattern::level;
use super::text::Label;

const PLATE: Rgb888 = Rgb888::new(0x0b, 0x0d, 0x14);
const SUBTITLE: Rgb888 = Rgb888::new(0x8f, 0xa8, 0xd0);

const BARS: [Rgb888; 8] = [
    Rgb888::WHITE,
    Rgb888::YELLOW,
    Rgb888::CYAN,
    Rgb888::GREEN,
    Rgb888::MAGENTA,
    Rgb888::RED,
    Rgb888::BLUE,
    Rgb888::BLACK,
];

/// Widths of the stripes' groups, left to right, in pixels.
const STRIPES: [i32; 4] = [1, 2, 4, 8];
/// Steps from black to white.
const STEPS: i32 = 11;

/// A band of the disc, from top to bottom.
#[derive(Clone, Copy)]
enum Band {
    Plate,
    Bars,
    Ramp(fn(u8) -> Rgb888),
    Stripes,
    Steps,
}

/// Where each band ends, in 32nds of the diameter.
const BANDS: [(i32, Band); 8] = [
    (8, Band::Plate),
    (14, Band::Bars),
    (16, Band::Ramp(|level| Rgb888::new(level, 0, 0))),
    (18, Band::Ramp(|level| Rgb888::new(0, level, 0))),
    (20, Band::Ramp(|level| Rgb888::new(0, 0, level))),
    (23, Band::Stripes),
    (26, Band::Steps),
    (32, Band::Plate),
];

pub(super) fn draw<D>(target: &mut D, layout: &Layout) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Rgb888> + Dimensions,
{
    let diameter = layout.diameter;
    let rim = (diameter / 160).max(1);
    let (left, top) = (
        (layout.width - diameter) / 2,
        (layout.height - diameter) / 2,
    );
    for row in 0..diameter {
        let (start, end) = chord(diameter, row);
        target.fill_solid(
            &area(left + start, top + row, end - start, 1),
            Rgb888::WHITE,
        )?;
    }
    let inner = diameter - 2 * rim;
    for row in 0..inner {
        let (start, end) = chord(inner, row);
        let position = row * 32 / inner;
        let found = BANDS.into_iter().find(|&(band_end, _)| position < band_end);
        let line = Line {
            left: left + rim,
            y: top + rim + row,
            start,
            end,
            inner,
        };
        line.draw(found.map_or(Band::Plate, |(_, band)| band), target)?;
    }

    let label = |middle: i32, width: i32, height: i32, colour| Label {
        centre: Point::new(layout.width / 2, top + diameter * middle / 64),
        width: diameter * width / 64,
        height: diameter * height / 64,
        colour,
    };
    label(8, 40, 8, Rgb888::WHITE).draw(target, "LEVITATE")?;
    label(13, 46, 3, SUBTITLE).draw(target, "VirtIO drivers in Rust")?;
    let mut resolution = String::<16>::new();
    // Two numbers of at most five digits always fit.
    let _ = write!(resolution, "{} x {}", layout.width, layout.height);
    label(57, 40, 6, Rgb888::WHITE).draw(target, &resolution)
}

/// Returns where row `row` of a disc starts and ends, in pixels from its left.
fn chord(diameter: i32, row: i32) -> (i32, i32) {
    // Twice the distance of the row's middle from the disc's, so that it is a whole number.
    let distance = 2 * row + 1 - diameter;
    let squared = i64::from(diameter).pow(2) - i64::from(distance).pow(2);
    let length = i32::try_from(squared.max(0).isqrt()).unwrap_or(0);
    let start = (diameter - length) / 2;
    (start, diameter - start)
}

/// One row of pixels inside the rim.
struct Line {
    /// The disc's left edge on the display.
    left: i32,
    y: i32,
    /// Where the row starts and ends, from that edge.
    start: i32,
    end: i32,
    /// The disc's diameter without its rim.
    inner: i32,
}

impl Line {
    fn draw<D>(&self, band: Band, target: &mut D) -> Result<(), D::Error>
    where
        D: DrawTarget<Color = Rgb888>,
    {
        let &Self {
            start, end, inner, ..
        } = self;
        match band {
            Band::Plate => self.fill(start, end, PLATE, target),
            Band::Bars => {
                for (index, colour) in (0..).zip(BARS) {
                    self.fill(inner * index / 8, inner * (index + 1) / 8, colour, target)?;
                }
                Ok(())
            }
            Band::Steps => {
                for index in 0..STEPS {
                    let grey = level(index, STEPS);
                    let (from, to) = (inner * index / STEPS, inner * (index + 1) / STEPS);
                    self.fill(from, to, Rgb888::new(grey, grey, grey), target)?;
                }
                Ok(())
            }
            Band::Ramp(colour) => self.each(target, |x| colour(level(x, inner))),
            Band::Stripes => self.each(target, |x| {
                let group = usize::try_from(x * 4 / inner).unwrap_or(0);
                let width = STRIPES.get(group).copied().unwrap_or(1);
                if x / width % 2 == 0 {
                    Rgb888::WHITE
                } else {
                    Rgb888::BLACK
                }
            }),
        }
    }

    /// Fills what of `from..to` is in the disc.
    fn fill<D>(&self, from: i32, to: i32, colour: Rgb888, target: &mut D) -> Result<(), D::Error>
    where
        D: DrawTarget<Color = Rgb888>,
    {
        let (from, to) = (from.max(self.start), to.min(self.end));
        if from >= to {
            return Ok(());
        }
        target.fill_solid(&area(self.left + from, self.y, to - from, 1), colour)
    }

    /// Gives each pixel the colour of its distance from the disc's left edge.
    fn each<D>(&self, target: &mut D, colour: impl Fn(i32) -> Rgb888) -> Result<(), D::Error>
    where
        D: DrawTarget<Color = Rgb888>,
    {
        let line = area(self.left + self.start, self.y, self.end - self.start, 1);
        target.fill_contiguous(&line, (self.start..self.end).map(colour))
    }
}
