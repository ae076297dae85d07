//! A rectangle of pixels inside a picture: [`Area`].

use embedded_graphics_core::geometry::{Point, Size};
use embedded_graphics_core::primitives::Rectangle;

use crate::protocol::display::Rect;

/// The pixels from `left` to before `right`, and from `top` to before `bottom`.
///
/// INVARIANT: it is not empty, and no side is beyond [`MAX_PIXELS_PER_SIDE`](crate::MAX_PIXELS_PER_SIDE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
}

impl Area {
    /// All of a picture of a possible size.
    pub(crate) const fn of_size(width: u32, height: u32) -> Self {
        Self {
            left: 0,
            top: 0,
            right: width,
            bottom: height,
        }
    }

    /// One pixel of a picture.
    pub(crate) const fn pixel(x: u32, y: u32) -> Self {
        Self {
            left: x,
            top: y,
            right: x.saturating_add(1),
            bottom: y.saturating_add(1),
        }
    }

    /// The part of `rectangle` that is inside a picture of this size, if there is one.
    pub(crate) fn clip(rectangle: &Rectangle, width: u32, height: u32) -> Option<Self> {
        let (left, right) = clip(rectangle.top_left.x, rectangle.size.width, width)?;
        let (top, bottom) = clip(rectangle.top_left.y, rectangle.size.height, height)?;
        Some(Self {
            left,
            top,
            right,
            bottom,
        })
    }

    pub(crate) const fn left(&self) -> u32 {
        self.left
    }

    pub(crate) const fn top(&self) -> u32 {
        self.top
    }

    pub(crate) const fn right(&self) -> u32 {
        self.right
    }

    pub(crate) const fn width(&self) -> u32 {
        self.right.saturating_sub(self.left)
    }

    pub(crate) const fn height(&self) -> u32 {
        self.bottom.saturating_sub(self.top)
    }

    pub(crate) const fn pixels(&self) -> u64 {
        (self.width() as u64).saturating_mul(self.height() as u64)
    }

    pub(crate) const fn contains(&self, other: &Self) -> bool {
        self.left <= other.left
            && self.top <= other.top
            && other.right <= self.right
            && other.bottom <= self.bottom
    }

    /// Says whether the pixel is inside, or outside by at most `distance` in each direction.
    #[inline]
    pub(crate) const fn is_near(&self, x: u32, y: u32, distance: u32) -> bool {
        self.left <= x.saturating_add(distance)
            && x < self.right.saturating_add(distance)
            && self.top <= y.saturating_add(distance)
            && y < self.bottom.saturating_add(distance)
    }

    /// Grows the area so that it contains the pixel.
    #[inline]
    pub(crate) fn extend(&mut self, x: u32, y: u32) {
        self.left = self.left.min(x);
        self.top = self.top.min(y);
        self.right = self.right.max(x.saturating_add(1));
        self.bottom = self.bottom.max(y.saturating_add(1));
    }

    /// The smallest area that contains both.
    pub(crate) fn union(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// The pixels of both, counted once.
    pub(crate) fn pixels_together(&self, other: &Self) -> u64 {
        let width = self
            .right
            .min(other.right)
            .saturating_sub(self.left.max(other.left));
        let height = self
            .bottom
            .min(other.bottom)
            .saturating_sub(self.top.max(other.top));
        let in_both = u64::from(width).saturating_mul(u64::from(height));
        self.pixels()
            .saturating_add(other.pixels())
            .saturating_sub(in_both)
    }

    /// As the device is told.
    pub(crate) fn to_rect(self) -> Rect {
        Rect {
            x: self.left.into(),
            y: self.top.into(),
            width: self.width().into(),
            height: self.height().into(),
        }
    }

    /// As embedded-graphics has it.
    pub(crate) fn to_rectangle(self) -> Rectangle {
        let coordinate = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        Rectangle::new(
            Point::new(coordinate(self.left), coordinate(self.top)),
            Size::new(self.width(), self.height()),
        )
    }
}

/// Cuts `len` pixels from `start` on down to those between 0 and `limit`; returns the first and the one after the last.
fn clip(start: i32, len: u32, limit: u32) -> Option<(u32, u32)> {
    let start = i64::from(start);
    let end = start.saturating_add(i64::from(len)).min(i64::from(limit));
    let start = u32::try_from(start.max(0)).ok()?;
    let end = u32::try_from(end).ok()?;
    (start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clipped(x: i32, y: i32, width: u32, height: u32) -> Option<(u32, u32, u32, u32)> {
        let rectangle = Rectangle::new(Point::new(x, y), Size::new(width, height));
        Area::clip(&rectangle, 100, 50).map(|a| (a.left, a.top, a.right, a.bottom))
    }

    #[test]
    fn what_is_outside_is_cut_off() {
        assert_eq!(clipped(-5, -5, 10, 10), Some((0, 0, 5, 5)));
        assert_eq!(clipped(95, 45, 10, 10), Some((95, 45, 100, 50)));
        assert_eq!(clipped(i32::MIN, 0, u32::MAX, 1), Some((0, 0, 100, 1)));
        assert_eq!(clipped(0, 0, u32::MAX, u32::MAX), Some((0, 0, 100, 50)));
        for (x, y, width, height) in [
            (100, 0, 1, 1),
            (0, 50, 1, 1),
            (-5, 0, 5, 1),
            (0, 0, 0, 1),
            (0, 0, 1, 0),
            (i32::MAX, i32::MAX, u32::MAX, u32::MAX),
            (i32::MIN, i32::MIN, i32::MAX.unsigned_abs(), 1),
        ] {
            assert_eq!(clipped(x, y, width, height), None);
        }
    }

    #[test]
    fn pixels_in_both_are_counted_once() {
        let a = Area {
            left: 0,
            top: 0,
            right: 10,
            bottom: 10,
        };
        let b = Area {
            left: 5,
            top: 5,
            right: 15,
            bottom: 15,
        };
        let c = Area {
            left: 20,
            top: 0,
            right: 21,
            bottom: 1,
        };
        assert_eq!(a.pixels_together(&b), 175);
        assert_eq!(a.pixels_together(&c), 101);
        assert_eq!(
            a.union(&c),
            Area {
                left: 0,
                top: 0,
                right: 21,
                bottom: 10
            }
        );
    }

    #[test]
    fn near_is_counted_from_the_edge() {
        let area = Area {
            left: 10,
            top: 10,
            right: 20,
            bottom: 20,
        };
        assert!(area.is_near(15, 15, 0) && area.is_near(10, 19, 0));
        assert!(!area.is_near(20, 15, 0) && area.is_near(20, 15, 1));
        assert!(!area.is_near(15, 9, 0) && area.is_near(15, 9, 1));
        assert!(!area.is_near(3, 15, 6) && area.is_near(4, 15, 6));
    }
}
