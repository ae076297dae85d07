//! Drawing on a picture by `embedded-graphics`: [`DrawTarget`] for [`Framebuffer`].

use core::convert::Infallible;

use embedded_graphics_core::Pixel;
use embedded_graphics_core::draw_target::DrawTarget;
use embedded_graphics_core::geometry::{OriginDimensions, Size};
use embedded_graphics_core::pixelcolor::Rgb888;
use embedded_graphics_core::primitives::Rectangle;
use levitate_hal::Dma;

use super::Framebuffer;
use crate::area::Area;
use crate::damage::Damage;
use crate::pixel::Bgrx8888;

/// Pixels drawn one by one and no further apart than this are transferred as one rectangle.
const NEAR_PIXELS: u32 = 16;

impl<D: Dma> OriginDimensions for Framebuffer<'_, D> {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl<D: Dma> DrawTarget for Framebuffer<'_, D> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<Rgb888>>,
    {
        let (width, height) = (self.width, self.height);
        let mut drawn: Option<Area> = None;
        let mut damage = core::mem::replace(&mut self.damage, Damage::NONE);
        let mut row: &mut [Bgrx8888] = &mut [];
        let mut row_y = None;
        for Pixel(point, color) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) else {
                continue;
            };
            if x >= width || y >= height {
                continue;
            }
            if row_y != Some(y) {
                row_y = Some(y);
                row = self.row_mut(y).unwrap_or_default();
            }
            if let Some(pixel) = row.get_mut(x as usize) {
                *pixel = color.into();
            }
            match &mut drawn {
                Some(area) if area.is_near(x, y, NEAR_PIXELS) => area.extend(x, y),
                far => {
                    if let Some(area) = far.replace(Area::pixel(x, y)) {
                        damage.add(area);
                    }
                }
            }
        }
        if let Some(area) = drawn {
            damage.add(area);
        }
        self.damage = damage;
        Ok(())
    }

    fn fill_contiguous<I>(&mut self, area: &Rectangle, colors: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Rgb888>,
    {
        let Some(visible) = Area::clip(area, self.width, self.height) else {
            return Ok(());
        };
        let mut colors = colors.into_iter();
        // Colours come for the whole of `area`; those of pixels outside the picture are passed over.
        let outside = |from: i32, to: u32| (i64::from(to)).saturating_sub(i64::from(from));
        let above = outside(area.top_left.y, visible.top());
        let left = outside(area.top_left.x, visible.left());
        let right = i64::from(area.size.width)
            .saturating_sub(left)
            .saturating_sub(i64::from(visible.width()));
        let first = above
            .saturating_mul(i64::from(area.size.width))
            .saturating_add(left);
        let between = left.saturating_add(right);
        if !pass_over(&mut colors, first) {
            return Ok(());
        }
        let mut is_first = true;
        for row in self.rows_mut(visible) {
            if !is_first && !pass_over(&mut colors, between) {
                break;
            }
            is_first = false;
            for (pixel, color) in row.iter_mut().zip(&mut colors) {
                *pixel = color.into();
            }
        }
        self.damage.add(visible);
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgb888) -> Result<(), Infallible> {
        if let Some(area) = Area::clip(area, self.width, self.height) {
            let pixel = Bgrx8888::from(color);
            for row in self.rows_mut(area) {
                row.fill(pixel);
            }
            self.damage.add(area);
        }
        Ok(())
    }

    fn clear(&mut self, color: Rgb888) -> Result<(), Infallible> {
        let pixel = Bgrx8888::from(color);
        for chunk in self.chunks.iter_mut() {
            chunk.pixels_mut().fill(pixel);
        }
        self.mark_all();
        Ok(())
    }
}

/// Takes `count` colours out of an iterator; says whether it had as many.
fn pass_over(colors: &mut impl Iterator<Item = Rgb888>, count: i64) -> bool {
    let last = usize::try_from(count).unwrap_or_default().checked_sub(1);
    last.is_none_or(|last| colors.nth(last).is_some())
}
