//! How two pictures differ, to the pixel.

use std::fmt;

use super::image::{Image, Pixel, Rectangle};

/// How two pictures differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// They do not have the same size, so no pixel was compared.
    Size {
        expected: (u32, u32),
        actual: (u32, u32),
    },
    /// Some pixels differ.
    Pixels {
        /// How many.
        count: usize,
        /// Column and row of the first one, row by row.
        first: (u32, u32),
        /// Its colour in the expected picture.
        expected: Pixel,
        /// Its colour in the actual picture.
        actual: Pixel,
        /// The smallest rectangle that has all of them.
        within: Rectangle,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { expected, actual } => write!(
                f,
                "the picture is {}x{} instead of {}x{}",
                actual.0, actual.1, expected.0, expected.1
            ),
            Self::Pixels {
                count,
                first: (x, y),
                expected: [r, g, b],
                actual: [red, green, blue],
                within,
            } => write!(
                f,
                "{count} pixels differ, all within {within}; the first, ({x}, {y}), \
                 is #{red:02x}{green:02x}{blue:02x} instead of #{r:02x}{g:02x}{b:02x}"
            ),
        }
    }
}

/// Returns how `actual` differs from `expected`, if it does.
pub(crate) fn compare(expected: &Image, actual: &Image) -> Option<Difference> {
    if expected.size() != actual.size() {
        return Some(Difference::Size {
            expected: expected.size(),
            actual: actual.size(),
        });
    }
    let width = expected.size().0 as usize;
    let mut differing = expected
        .pixels()
        .iter()
        .zip(actual.pixels())
        .enumerate()
        .filter(|(_, (expected, actual))| expected != actual)
        .map(|(index, (expected, actual))| {
            let at = ((index % width) as u32, (index / width) as u32);
            (at, *expected, *actual)
        });
    let (first, expected, actual) = differing.next()?;
    let mut count = 1;
    let (mut left, mut right) = (first.0, first.0);
    let mut bottom = first.1;
    for ((x, y), ..) in differing {
        count += 1;
        left = left.min(x);
        right = right.max(x);
        bottom = y;
    }
    Some(Difference::Pixels {
        count,
        first,
        expected,
        actual,
        within: Rectangle {
            x: left,
            y: first.1,
            width: right - left + 1,
            height: bottom - first.1 + 1,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::image::tests::gradient;

    #[test]
    fn equal_pictures_have_no_difference() {
        assert_eq!(compare(&gradient(), &gradient()), None);
    }

    #[test]
    fn one_bit_of_one_pixel_is_a_difference() {
        let mut actual = gradient();
        actual.set(6, 4, [180, 200, 8]);
        let difference = compare(&gradient(), &actual).unwrap();
        assert_eq!(
            difference.to_string(),
            "1 pixels differ, all within 1x1 at (6, 4); the first, (6, 4), is #b4c808 instead of #b4c809"
        );
    }

    #[test]
    fn the_bounding_box_holds_every_difference() {
        let mut actual = gradient();
        for (x, y) in [(4, 1), (2, 2), (5, 3)] {
            actual.set(x, y, [1, 2, 3]);
        }
        let Some(Difference::Pixels {
            count,
            first,
            within,
            ..
        }) = compare(&gradient(), &actual)
        else {
            panic!("no difference found");
        };
        assert_eq!((count, first), (3, (4, 1)));
        let expected = Rectangle {
            x: 2,
            y: 1,
            width: 4,
            height: 3,
        };
        assert_eq!(within, expected);
    }

    #[test]
    fn a_picture_shifted_by_a_row_differs() {
        let mut actual = Image::filled(7, 5, [0; 3]);
        for y in 1..5 {
            for x in 0..7 {
                actual.set(x, y, gradient().pixel(x, y - 1).unwrap());
            }
        }
        assert!(compare(&gradient(), &actual).is_some());
    }

    #[test]
    fn another_size_is_a_difference() {
        let difference = compare(&gradient(), &Image::filled(5, 7, [0; 3])).unwrap();
        assert_eq!(difference.to_string(), "the picture is 5x7 instead of 7x5");
    }
}
