//! The commands about the display.

use core::fmt::Write;

use embedded_graphics::geometry::Point;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::Rectangle;
use levitate_kernel::card;

use super::CommandError;
use crate::devices::Devices;
use crate::drivers::display::{Canvas, Display};

/// Describes the display.
pub(super) fn info(devices: &mut Devices, out: &mut impl Write) -> Result<(), CommandError> {
    let screen = devices.screen.as_mut().ok_or(CommandError::NoDisplay)?;
    let info = screen.display().info()?;
    write!(out, "display {}x{}", info.size.width, info.size.height)?;
    match info.preferred {
        Some(size) => write!(out, ", EDID prefers {}x{}", size.width, size.height)?,
        None => write!(out, ", no EDID timing")?,
    }
    writeln!(out, ", {}", info.driver)?;
    Ok(())
}

/// Shows the test card.
pub(super) fn card(devices: &mut Devices) -> Result<(), CommandError> {
    let display = picture(devices)?;
    let Ok(()) = card::draw(&mut Canvas(display));
    display.present()?;
    Ok(())
}

/// Fills a rectangle, and shows no more than that.
pub(super) fn fill(
    devices: &mut Devices,
    area: Rectangle,
    colour: Rgb888,
) -> Result<(), CommandError> {
    let display = picture(devices)?;
    let size = display.size();
    let visible = area.intersection(&Rectangle::new(Point::zero(), size));
    if visible.is_zero_sized() {
        return Err(CommandError::OffScreen {
            width: size.width,
            height: size.height,
        });
    }
    display.fill_solid(&visible, colour);
    display.present()?;
    Ok(())
}

fn picture(devices: &mut Devices) -> Result<&mut dyn Display, CommandError> {
    let screen = devices.screen.as_mut().ok_or(CommandError::NoDisplay)?;
    Ok(screen.picture())
}
