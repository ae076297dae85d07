//! The display, as far as the machine itself can see it; what shows on it is looked at from outside.

use alloc::vec::Vec;
use core::fmt::{self, Write};

use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::primitives::Rectangle;
use levitate_kernel::card;
use levitate_kernel::expectations;
use levitate_kernel::selftest::{Outcome, Run};

use super::{Result, driver, ensure, wait_until};
use crate::devices::Devices;
use crate::drivers::display::{Canvas, Display};
use crate::interrupts::{self, Line};
use crate::memory::frames;

type Test = fn(&mut dyn Display) -> Result;

const TESTS: &[(&str, Test)] = &[
    ("display-info", has_the_size_it_says),
    ("display-edid", has_the_size_its_edid_prefers),
    ("display-present", presents_a_picture),
    ("display-present-damage", presents_damage_alone),
    (
        "display-present-nothing",
        presents_nothing_when_nothing_changed,
    ),
    ("display-recreate", makes_its_picture_anew),
];

/// Runs every test on the display, and shows the log again.
pub(super) fn run(devices: &mut Devices, run: &mut Run, out: &mut impl Write) -> fmt::Result {
    let Some(screen) = &mut devices.screen else {
        return run.record(
            "display",
            &Outcome::skipped(format_args!("no display")),
            out,
        );
    };
    let crate_name = screen.display().info().map_or("", |info| info.driver);
    let location = screen.location();
    let mut entries = devices.entries.iter();
    let entry = entries.find(|entry| entry.location == location);
    let over = entry.and_then(|entry| entry.way.over());
    let mut record = |name: &str, result: Result| {
        let expected = expectations::find(name, crate_name, over);
        run.record(name, &Outcome::of(result).expecting(expected), out)
    };
    for (name, test) in TESTS {
        record(name, test(screen.picture()))?;
    }
    let lines = entry.map_or_else(Vec::new, |entry| entry.way.lines());
    let interrupted = interrupts_when_asked_to(screen.picture(), &lines);
    record("display-interrupts", interrupted)?;
    let shown = screen.show_log().map_err(driver);
    record("display-shows-the-log-again", shown)
}

fn has_the_size_it_says(display: &mut dyn Display) -> Result {
    let size = display.size();
    ensure!(
        size.width > 0 && size.height > 0,
        "the display has no pixel"
    );
    let info = display.info().map_err(driver)?;
    ensure!(
        info.size == size,
        "the device says {}, the picture has {size}",
        info.size
    );
    Ok(())
}

fn has_the_size_its_edid_prefers(display: &mut dyn Display) -> Result {
    let info = display.info().map_err(driver)?;
    let Some(preferred) = info.preferred else {
        return Err(Outcome::skipped(format_args!(
            "the device prefers nothing in an EDID"
        )));
    };
    ensure!(
        preferred == info.size,
        "the EDID prefers {preferred}, the display has {}",
        info.size
    );
    Ok(())
}

fn presents_a_picture(display: &mut dyn Display) -> Result {
    let Ok(()) = card::draw(&mut Canvas(display));
    let bytes = display.present().map_err(driver)?;
    let size = display.size();
    let whole = 4 * u64::from(size.width) * u64::from(size.height);
    ensure!(
        bytes == whole,
        "{bytes} bytes of a picture of {whole} were sent"
    );
    let bytes = display.present_all().map_err(driver)?;
    ensure!(bytes == whole, "{bytes} bytes of {whole} were sent again");
    Ok(())
}

fn presents_damage_alone(display: &mut dyn Display) -> Result {
    let size = display.size();
    let corner = Point::new((size.width / 2) as i32, (size.height / 2) as i32);
    let area = Rectangle::new(corner, Size::new(10, 5));
    display.fill_solid(&area, Rgb888::RED);
    let bytes = display.present().map_err(driver)?;
    let damage = 4 * 10 * 5;
    ensure!(
        bytes == damage,
        "{bytes} bytes were sent for damage of {damage}"
    );
    Ok(())
}

fn presents_nothing_when_nothing_changed(display: &mut dyn Display) -> Result {
    let bytes = display.present().map_err(driver)?;
    ensure!(
        bytes == 0,
        "{bytes} bytes were sent though nothing was drawn"
    );
    Ok(())
}

fn makes_its_picture_anew(display: &mut dyn Display) -> Result {
    /// What QEMU's device keeps of pictures at most, unless it is told otherwise (`max_hostmem`).
    const DEVICE_BYTES: u64 = 256 << 20;
    /// A picture so small that more than this many would fit is only made anew this often.
    const MAX_TURNS: u64 = 4000;
    let before = (display.size(), frames::free_bytes());
    let picture_bytes = 4 * u64::from(before.0.width) * u64::from(before.0.height);
    // More often than the device could keep pictures of this size, if the old ones were not let go.
    let turns = (DEVICE_BYTES / picture_bytes.max(1) + 2).min(MAX_TURNS);
    for turn in 0..turns {
        let made = display.recreate();
        made.map_err(|error| {
            Outcome::failed(format_args!("the picture {turn} after the first: {error}"))
        })?;
    }
    let after = (display.size(), frames::free_bytes());
    ensure!(
        before == after,
        "the picture had {} with {} bytes of memory free, now it has {} with {}",
        before.0,
        before.1,
        after.0,
        after.1
    );
    presents_a_picture(display)
}

fn interrupts_when_asked_to(display: &mut dyn Display, lines: &[Line]) -> Result {
    let before = interrupts::count(lines);
    display.set_interrupts(true).map_err(driver)?;
    let presented = display.present_all().map_err(driver);
    let arrived = presented.and_then(|_| wait_until(|| interrupts::count(lines) > before));
    display.set_interrupts(false).map_err(driver)?;
    arrived?;
    // A command for each of a transfer and a flush.
    let count = interrupts::count(lines) - before;
    ensure!(count <= 2, "2 commands made {count} interrupts");
    Ok(())
}
