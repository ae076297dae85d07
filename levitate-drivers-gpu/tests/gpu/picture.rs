//! What a picture should look like, drawn without the driver: [`Picture`]; and things to draw.

use std::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_6X10;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Circle, Line, PrimitiveStyle, Rectangle};
use embedded_graphics::text::Text;
use levitate_host::gpu::Image;

/// A picture that knows how to draw a pixel and nothing else: the trait's own ways do the rest.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    size: Size,
    pixels: Vec<u32>,
}

impl Picture {
    pub(crate) fn black(width: u32, height: u32) -> Self {
        Self {
            size: Size::new(width, height),
            pixels: vec![0; (width * height) as usize],
        }
    }

    /// The card of [`card`].
    pub(crate) fn card(width: u32, height: u32) -> Self {
        let mut picture = Self::black(width, height);
        let Ok(()) = card(&mut picture);
        picture
    }

    /// Checks that both show the same, and names the first pixel where they do not.
    #[track_caller]
    pub(crate) fn assert_same(&self, expected: &Self) {
        assert_eq!(self.size, expected.size);
        let differing = self.pixels.iter().zip(&expected.pixels);
        if let Some(index) = differing.clone().position(|(a, b)| a != b) {
            let (x, y) = (
                index as u32 % self.size.width,
                index as u32 / self.size.width,
            );
            let count = differing.filter(|(a, b)| a != b).count();
            panic!(
                "{count} pixels differ, the first at ({x}, {y}): {:06x} in place of {:06x}",
                self.pixels[index], expected.pixels[index]
            );
        }
    }
}

impl From<&Image> for Picture {
    fn from(image: &Image) -> Self {
        Self {
            size: Size::new(image.width(), image.height()),
            pixels: image.pixels().to_vec(),
        }
    }
}

impl OriginDimensions for Picture {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Picture {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        let (width, height) = (self.size.width as i32, self.size.height as i32);
        for Pixel(Point { x, y }, color) in pixels {
            if (0..width).contains(&x) && (0..height).contains(&y) {
                self.pixels[(y * width + x) as usize] = color.into_storage();
            }
        }
        Ok(())
    }
}

/// A colour that no neighbour has.
fn noise(x: i32, y: i32) -> Rgb888 {
    let mixed = (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77);
    let mixed = mixed ^ mixed >> 15;
    Rgb888::new(mixed as u8, (mixed >> 8) as u8, (mixed >> 16) as u8)
}

/// Draws by every way there is; all of the picture, and some of it beyond its edges.
pub(crate) fn card<D>(target: &mut D) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Rgb888> + OriginDimensions,
{
    let size = target.size();
    let (width, height) = (size.width as i32, size.height as i32);
    target.clear(Rgb888::new(1, 2, 3))?;
    // Every pixel different, by contiguous colours.
    let half = Rectangle::new(Point::zero(), Size::new(size.width, size.height / 2));
    target.fill_contiguous(&half, half.points().map(|p| noise(p.x, p.y)))?;
    // Sticking out on each side.
    for corner in [
        Point::new(-7, -5),
        Point::new(width - 9, -5),
        Point::new(-7, height - 8),
        Point::new(width - 9, height - 8),
    ] {
        let area = Rectangle::new(corner, Size::new(17, 13));
        target.fill_contiguous(&area, area.points().map(|p| noise(p.y, p.x)))?;
    }
    for (index, color) in [Rgb888::RED, Rgb888::GREEN, Rgb888::BLUE]
        .into_iter()
        .enumerate()
    {
        let corner = Point::new(-4 + 11 * index as i32, height - 20);
        target.fill_solid(&Rectangle::new(corner, Size::new(10, 100)), color)?;
    }
    Circle::new(Point::new(width / 2, height / 2 - 4), 2 * size.height / 3)
        .into_styled(PrimitiveStyle::with_stroke(Rgb888::YELLOW, 3))
        .draw(target)?;
    Line::new(Point::new(-30, height), Point::new(width + 30, 0))
        .into_styled(PrimitiveStyle::with_stroke(Rgb888::CYAN, 1))
        .draw(target)?;
    Text::new(
        "Levitate gpu",
        Point::new(3, height / 2 + 9),
        MonoTextStyle::new(&FONT_6X10, Rgb888::WHITE),
    )
    .draw(target)?;
    // The outermost pixels.
    Rectangle::new(Point::zero(), size)
        .into_styled(PrimitiveStyle::with_stroke(Rgb888::MAGENTA, 1))
        .draw(target)
}

/// Numbers without end, the same each time.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }

    pub(crate) fn within(&mut self, range: std::ops::Range<i32>) -> i32 {
        range.start + (self.next() % (range.end - range.start) as u32) as i32
    }

    fn color(&mut self) -> Rgb888 {
        let bytes = self.next().to_le_bytes();
        Rgb888::new(bytes[0], bytes[1], bytes[2])
    }
}

/// One thing to draw, on as many targets as one likes.
#[derive(Clone)]
pub(crate) enum Stroke {
    Solid(Rectangle, Rgb888),
    Colors(Rectangle, Vec<Rgb888>),
    Pixels(Vec<Pixel<Rgb888>>),
    Text(Point, Rgb888),
    Clear(Rgb888),
}

impl Stroke {
    pub(crate) fn random(random: &mut Random, size: Size) -> Self {
        let (width, height) = (size.width as i32, size.height as i32);
        let corner = Point::new(
            random.within(-20..width + 5),
            random.within(-20..height + 5),
        );
        let extent = Size::new(random.within(0..40) as u32, random.within(0..30) as u32);
        let area = Rectangle::new(corner, extent);
        match random.within(0..40) {
            0 => Self::Clear(random.color()),
            1..12 => Self::Solid(area, random.color()),
            12..24 => {
                // Now and then there are fewer colours than pixels.
                let all = extent.width * extent.height;
                let count = if random.next().is_multiple_of(4) {
                    all / 2
                } else {
                    all
                };
                Self::Colors(area, (0..count).map(|_| random.color()).collect())
            }
            24..34 => {
                let count = random.within(1..60);
                let pixel = |_| {
                    let x = random.within(-5..width + 5);
                    let y = random.within(-5..height + 5);
                    Pixel(Point::new(x, y), random.color())
                };
                Self::Pixels((0..count).map(pixel).collect())
            }
            _ => Self::Text(corner, random.color()),
        }
    }

    pub(crate) fn draw<D: DrawTarget<Color = Rgb888>>(
        &self,
        target: &mut D,
    ) -> Result<(), D::Error> {
        match self {
            Self::Solid(area, color) => target.fill_solid(area, *color),
            Self::Colors(area, colors) => target.fill_contiguous(area, colors.iter().copied()),
            Self::Pixels(pixels) => target.draw_iter(pixels.iter().copied()),
            Self::Text(at, color) => {
                let style = MonoTextStyle::new(&FONT_6X10, *color);
                Text::new("Ag!", *at, style).draw(target).map(drop)
            }
            Self::Clear(color) => target.clear(*color),
        }
    }
}
