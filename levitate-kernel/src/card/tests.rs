//! Tests of the card: that it is complete, and that a driver's mistakes change it.

use std::format;
use std::vec::Vec;

use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::RgbColor;
use embedded_graphics::primitives::Rectangle;

use super::canvas::{Canvas, OutOfBudget};
use super::text::Label;
use super::*;

const SIZES: [(u32, u32); 8] = [
    (160, 120),
    (161, 121),
    (320, 200),
    (600, 1000),
    (800, 600),
    (1280, 800),
    (1366, 768),
    (2000, 160),
];

fn card(width: u32, height: u32) -> Canvas {
    let mut canvas = Canvas::new(width, height);
    draw(&mut canvas).unwrap();
    canvas
}

/// Counts the pixels that differ from the card if each is taken from where `from` says; outside of it all differ.
fn differing(card: &Canvas, from: impl Fn(i64, i64) -> (i64, i64)) -> usize {
    let Size { width, height } = card.size();
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let differs = |&(x, y): &(u32, u32)| {
        let (from_x, from_y) = from(x.into(), y.into());
        match (u32::try_from(from_x), u32::try_from(from_y)) {
            (Ok(from_x), Ok(from_y)) if from_x < width && from_y < height => {
                card.at(x, y) != card.at(from_x, from_y)
            }
            _ => true,
        }
    };
    places.filter(differs).count()
}

#[test]
fn every_pixel_is_drawn_in_few_calls() {
    for (width, height) in SIZES {
        let card = card(width, height);
        assert!(
            card.pixels.iter().all(Option::is_some),
            "{width} x {height}"
        );
        let rows = height as usize;
        assert!(
            card.fills.len() < 16 * rows + 500,
            "{} calls for {rows} rows",
            card.fills.len()
        );
    }
}

#[test]
fn the_outermost_pixels_are_white_and_the_next_black() {
    for (width, height) in SIZES {
        let card = card(width, height);
        for (inset, colour) in [(0, Rgb888::WHITE), (1, Rgb888::BLACK)] {
            let (right, bottom) = (width - 1 - inset, height - 1 - inset);
            for x in inset..=right {
                assert_eq!([card.at(x, inset), card.at(x, bottom)], [colour; 2]);
            }
            for y in inset..=bottom {
                assert_eq!([card.at(inset, y), card.at(right, y)], [colour; 2]);
            }
        }
    }
}

/// Each corner is looked at in all eight ways in which a square can lie; a colour alone tells them apart too.
#[test]
fn no_corner_looks_like_another_however_it_is_turned() {
    for (width, height) in SIZES {
        let card = card(width, height);
        let side = width.min(height) / 9;
        let corners = [
            (2, 2),
            (width - 2 - side, 2),
            (2, height - 2 - side),
            (width - 2 - side, height - 2 - side),
        ];
        let shape = |(left, top): (u32, u32), way: u32| -> Vec<Rgb888> {
            let places = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
            let turned = places.map(|(x, y)| {
                let x = if way & 1 == 0 { x } else { side - 1 - x };
                let y = if way & 2 == 0 { y } else { side - 1 - y };
                if way & 4 == 0 { (x, y) } else { (y, x) }
            });
            turned.map(|(x, y)| card.at(left + x, top + y)).collect()
        };
        let lit = |pixels: &[Rgb888]| -> Vec<bool> {
            let background = card.at(width / 2 + 1, 3);
            pixels
                .iter()
                .map(|&pixel| pixel.r().max(pixel.b()) > background.b() + 0x40)
                .collect()
        };
        for (index, &one) in corners.iter().enumerate() {
            for &other in &corners[..index] {
                for way in 0..8 {
                    let (one, other) = (shape(one, 0), shape(other, way));
                    assert_ne!(one, other);
                    assert_ne!(lit(&one), lit(&other), "{width} x {height}, way {way}");
                }
            }
        }
    }
}

/// Says from where a mistaken driver takes the pixel of a place.
type Mistake<'a> = &'a dyn Fn(i64, i64) -> (i64, i64);

#[test]
fn mirrored_turned_or_shifted_cards_differ_in_many_places() {
    for (width, height) in [(160, 120), (320, 200), (240, 400), (801, 601)] {
        let card = card(width, height);
        let (right, bottom) = (i64::from(width) - 1, i64::from(height) - 1);
        let noise = Layout::of(card.size()).noise.size;
        // Neighbours in the noise are different nearly everywhere; and it alone must tell.
        let enough = (noise.width * noise.height) as usize * 9 / 10;
        assert!(enough > 100);
        let mistakes: [(&str, Mistake<'_>); 10] = [
            ("mirrored", &|x, y| (right - x, y)),
            ("upside down", &|x, y| (x, bottom - y)),
            ("turned", &|x, y| (right - x, bottom - y)),
            ("one to the left", &|x, y| (x + 1, y)),
            ("one to the right", &|x, y| (x - 1, y)),
            ("one up", &|x, y| (x, y + 1)),
            ("one down", &|x, y| (x, y - 1)),
            ("two rows down", &|x, y| (x, y - 2)),
            ("stride one too long", &|x, y| (x + y, y)),
            ("rows in pairs", &|x, y| (x, y ^ 1)),
        ];
        for (mistake, from) in mistakes {
            let count = differing(&card, from);
            assert!(
                count > enough,
                "{width} x {height} {mistake}: {count} of {enough}"
            );
        }
        assert_eq!(differing(&card, |x, y| (x, y)), 0);
    }
}

#[test]
fn every_lost_row_shows_in_the_middle_of_the_card() {
    let card = card(1280, 800);
    for y in 160..640 {
        let changed = (0..1280)
            .filter(|&x| card.at(x, y) != card.at(x, y + 1))
            .count();
        assert!(changed > 150, "row {y}: {changed}");
    }
}

#[test]
fn swapped_channels_and_lost_bits_show() {
    let card = card(800, 600);
    let pixels: Vec<Rgb888> = card.pixels.iter().copied().map(Option::unwrap).collect();
    let changed = |change: fn(Rgb888) -> Rgb888| {
        pixels
            .iter()
            .filter(|&&pixel| change(pixel) != pixel)
            .count()
    };
    assert!(changed(|p| Rgb888::new(p.b(), p.g(), p.r())) > pixels.len() / 4);
    assert!(changed(|p| Rgb888::new(p.g(), p.r(), p.b())) > pixels.len() / 4);
    assert!(changed(|p| Rgb888::new(p.r(), p.b(), p.g())) > pixels.len() / 4);
    for shift in 0..8 {
        for channel in [RgbColor::r, RgbColor::g, RgbColor::b] as [fn(&Rgb888) -> u8; 3] {
            let set = pixels
                .iter()
                .filter(|pixel| channel(pixel) >> shift & 1 == 1)
                .count();
            assert!(
                set > 1000 && pixels.len() - set > 1000,
                "bit {shift}: {set}"
            );
        }
    }
}

/// The card is compared across machines by drawing it twice, so a change of it must be a decision.
#[test]
fn the_card_is_the_one_that_was_decided_on() {
    let digest = |width, height| {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for pixel in card(width, height).pixels {
            let pixel = pixel.unwrap();
            for byte in [pixel.r(), pixel.g(), pixel.b()] {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
        hash
    };
    let digests = [digest(160, 120), digest(800, 600), digest(1280, 800)];
    assert_eq!(digests.map(|digest| format!("{digest:016x}")), GOLDEN);
}

const GOLDEN: [&str; 3] = ["e0e93b16531022bc", "2b8678f239a2af07", "9db58165e920afc7"];

#[test]
fn displays_too_small_for_the_card_do_no_harm() {
    struct Clipped(Canvas);
    impl OriginDimensions for Clipped {
        fn size(&self) -> Size {
            self.0.size()
        }
    }
    impl DrawTarget for Clipped {
        type Color = Rgb888;
        type Error = core::convert::Infallible;
        fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Self::Error>
        where
            I: IntoIterator<Item = embedded_graphics::Pixel<Rgb888>>,
        {
            let Size { width, height } = self.size();
            for embedded_graphics::Pixel(Point { x, y }, colour) in pixels {
                if (0..width as i32).contains(&x) && (0..height as i32).contains(&y) {
                    self.0.pixels[(y as u32 * width + x as u32) as usize] = Some(colour);
                }
            }
            Ok(())
        }
    }
    let small = (0..36).flat_map(|width| (0..36).map(move |height| (width, height)));
    for (width, height) in small.chain([(1, 3000), (3000, 1), (159, 119), (7, 500)]) {
        let mut clipped = Clipped(Canvas::new(width, height));
        draw(&mut clipped).unwrap();
        assert!(
            clipped.0.pixels.iter().all(Option::is_some),
            "{width} x {height}"
        );
    }
}

#[test]
fn a_display_of_an_absurd_size_is_drawn_in_part() {
    struct Huge(u64);
    impl OriginDimensions for Huge {
        fn size(&self) -> Size {
            Size::new(u32::MAX, u32::MAX)
        }
    }
    impl DrawTarget for Huge {
        type Color = Rgb888;
        type Error = core::convert::Infallible;
        fn draw_iter<I>(&mut self, _: I) -> Result<(), Self::Error>
        where
            I: IntoIterator<Item = embedded_graphics::Pixel<Rgb888>>,
        {
            panic!("drawn pixel by pixel")
        }
        fn fill_contiguous<I>(&mut self, area: &Rectangle, _: I) -> Result<(), Self::Error>
        where
            I: IntoIterator<Item = Rgb888>,
        {
            self.0 = self
                .0
                .max(u64::from(area.size.width) * u64::from(area.size.height));
            Ok(())
        }
        fn fill_solid(&mut self, area: &Rectangle, colour: Rgb888) -> Result<(), Self::Error> {
            self.fill_contiguous(area, [colour])
        }
    }
    let mut huge = Huge(0);
    draw(&mut huge).unwrap();
    assert_eq!(huge.0, 16_384 * 16_384);
}

#[test]
fn an_error_of_the_display_is_returned_wherever_it_happens() {
    let calls = card(160, 120).fills.len();
    for budget in (0..calls).step_by(3).chain([calls - 1]) {
        let mut canvas = Canvas::new(160, 120);
        canvas.budget = budget;
        assert_eq!(draw(&mut canvas), Err(OutOfBudget), "{budget} of {calls}");
    }
}

#[test]
fn a_label_is_as_large_as_fits_and_in_its_middle() {
    for (width, height, wanted) in [
        (100, 60, Some((30, 60))),
        (39, 60, Some((10, 20))),
        (19, 19, Some((8, 13))),
        (10, 7, Some((5, 7))),
        (9, 60, None),
        (60, 6, None),
    ] {
        let mut canvas = Canvas::new(200, 100);
        let centre = Point::new(100, 50);
        Label {
            centre,
            width,
            height,
            colour: Rgb888::WHITE,
        }
        .draw(&mut canvas, "II")
        .unwrap();
        let Some((cell_width, cell_height)) = wanted else {
            assert!(canvas.fills.is_empty());
            continue;
        };
        let (left, top) = (100 - cell_width, 50 - cell_height / 2);
        let label = Rectangle::new(
            Point::new(left, top),
            Size::new(2 * cell_width as u32, cell_height as u32),
        );
        assert!(!canvas.fills.is_empty());
        for fill in &canvas.fills {
            assert_eq!(fill.intersection(&label), *fill, "{width} x {height}");
        }
        let half = |left: bool| {
            canvas
                .fills
                .iter()
                .filter(|fill| (fill.top_left.x < 100) == left)
                .count()
        };
        assert_eq!(half(true), half(false));
    }
}
