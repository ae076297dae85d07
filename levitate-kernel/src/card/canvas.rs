//! A display in memory for tests: knows which pixels were drawn, how, and how often.

use core::convert::Infallible;
use std::vec;
use std::vec::Vec;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Dimensions, OriginDimensions, Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::{PointsIter, Rectangle};

/// A display that refuses to be drawn on pixel by pixel, or outside of it.
#[derive(Clone)]
pub(crate) struct Canvas {
    size: Size,
    pub(crate) pixels: Vec<Option<Rgb888>>,
    /// Areas drawn since this was last emptied.
    pub(crate) fills: Vec<Rectangle>,
    /// Fills until one fails.
    pub(crate) budget: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OutOfBudget;

impl From<Infallible> for OutOfBudget {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Canvas {
    pub(crate) fn new(width: u32, height: u32) -> Self {
        Self {
            size: Size::new(width, height),
            pixels: vec![None; (width * height) as usize],
            fills: Vec::new(),
            budget: usize::MAX,
        }
    }

    pub(crate) fn at(&self, x: u32, y: u32) -> Rgb888 {
        assert!(x < self.size.width && y < self.size.height);
        self.pixels[(y * self.size.width + x) as usize].expect("a pixel that was not drawn")
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = OutOfBudget;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        _: I,
    ) -> Result<(), OutOfBudget> {
        panic!("drawn pixel by pixel")
    }

    fn fill_contiguous<I>(&mut self, area: &Rectangle, colors: I) -> Result<(), OutOfBudget>
    where
        I: IntoIterator<Item = Rgb888>,
    {
        self.budget = self.budget.checked_sub(1).ok_or(OutOfBudget)?;
        let inside = area.intersection(&self.bounding_box());
        assert!(inside == *area || area.is_zero_sized(), "drawn outside");
        self.fills.push(*area);
        let mut colors = colors.into_iter();
        for Point { x, y } in area.points() {
            let index = (y as u32 * self.size.width + x as u32) as usize;
            self.pixels[index] = Some(colors.next().expect("too few pixels"));
        }
        assert_eq!(colors.next(), None, "too many pixels");
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgb888) -> Result<(), OutOfBudget> {
        self.fill_contiguous(area, area.points().map(|_| color))
    }
}
