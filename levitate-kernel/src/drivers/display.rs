//! A display, whoever drives it: [`Display`], and [`Canvas`] to draw on it.

use alloc::string::String;
use alloc::vec::Vec;
use core::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::Rectangle;

use super::{DriverError, QueueCounts};

/// What a display says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DisplayInfo {
    /// Its size in pixels.
    pub(crate) size: Size,
    /// The size its EDID prefers, if it has one.
    pub(crate) preferred: Option<Size>,
    /// The crate that drives it.
    pub(crate) driver: &'static str,
}

/// A display: what is drawn shows after the next [`present`](Self::present).
///
/// The drawing methods are those of [`DrawTarget`], in a form that works through a `dyn` pointer; use a [`Canvas`].
pub(crate) trait Display {
    /// Asks the display what it says about itself.
    fn info(&mut self) -> Result<DisplayInfo, DriverError>;

    /// Returns the size in pixels.
    fn size(&self) -> Size;

    /// Draws single pixels; those outside are left out.
    fn draw_pixels(&mut self, pixels: &mut dyn Iterator<Item = Pixel<Rgb888>>);

    /// Fills `area` row by row from `colours`.
    fn fill_contiguous(&mut self, area: &Rectangle, colours: &mut dyn Iterator<Item = Rgb888>);

    /// Fills `area` with one colour.
    fn fill_solid(&mut self, area: &Rectangle, colour: Rgb888);

    /// Shows what was drawn since the last time, and no more than that; returns how many bytes the device was told to fetch.
    fn present(&mut self) -> Result<u64, DriverError>;

    /// Shows all of the picture again; returns as [`present`](Self::present).
    fn present_all(&mut self) -> Result<u64, DriverError>;

    /// Chooses whether the display shall interrupt when it is done with something; it always does if the driver sleeps meanwhile.
    ///
    /// # Errors
    ///
    /// What the driver says.
    fn set_interrupts(&mut self, wanted: bool) -> Result<(), DriverError> {
        let _ = wanted;
        Ok(())
    }

    /// Lets go of the picture and makes a new one, which is black.
    fn recreate(&mut self) -> Result<(), DriverError>;

    /// Looks whether the display has changed, once it has said that it did; if it prefers another size, it gets a black picture of
    /// that size, or of the one it had if that fails. Returns the size of a new picture; one that was lost is made anew.
    fn process_events(&mut self) -> Result<Option<Size>, DriverError>;

    /// Says whether the display was reset since this was last asked: what it changed about itself meanwhile, it says to nobody.
    fn take_reset(&mut self) -> bool;

    /// Returns why the driver has given up on the display, if it has and it knows.
    fn given_up(&self) -> Option<String> {
        None
    }

    /// Returns what the driver counts of each queue, if it does.
    fn counts(&self) -> Vec<QueueCounts> {
        Vec::new()
    }
}

/// A display as a [`DrawTarget`].
pub(crate) struct Canvas<'a>(pub(crate) &'a mut dyn Display);

impl OriginDimensions for Canvas<'_> {
    fn size(&self) -> Size {
        self.0.size()
    }
}

impl DrawTarget for Canvas<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<Rgb888>>,
    {
        self.0.draw_pixels(&mut pixels.into_iter());
        Ok(())
    }

    fn fill_contiguous<I>(&mut self, area: &Rectangle, colours: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Rgb888>,
    {
        self.0.fill_contiguous(area, &mut colours.into_iter());
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: Rgb888) -> Result<(), Infallible> {
        self.0.fill_solid(area, colour);
        Ok(())
    }
}
