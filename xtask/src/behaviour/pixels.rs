//! The display: the kernel's test card, and a small change of it, compared pixel for pixel with the host's own drawing.
//!
//! Each picture is read twice: by QMP screendump, which sees what was transferred, and through VNC, which sees what was
//! flushed as well.

use std::convert::Infallible;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};

use super::case::command;
use crate::vm::image::{Image, Rectangle};
use crate::vm::{Vm, machine};

/// The trace event of a flushed rectangle.
pub(crate) const FLUSH_EVENT: &str = "virtio_gpu_cmd_res_flush";

/// QEMU's VNC server looks for changes every 3 s at least.
const VNC_DEADLINE: Duration = Duration::from_secs(12);

/// The console's first line of text must reach into this part of the screen.
const FIRST_LINE: Rectangle = Rectangle {
    x: 0,
    y: 0,
    width: 160,
    height: 40,
};

/// Checks the boot console, then the card, then a filled rectangle.
///
/// `rectangle` is to be small, of odd size and away from the edges.
pub(crate) fn check(vm: &mut Vm, size: (u32, u32), rectangle: Rectangle, dir: &Path) -> Result<()> {
    // Before anything is drawn: see `connect_vnc`.
    vm.connect_vnc()?;
    let console = vm.screendump().context("the boot console")?;
    ensure_shows_text(&console, size)?;
    ensure_vnc(vm, &console, dir, "console-vnc")?;

    let info = command(vm, "gpu info")?.join("\n");
    let (width, height) = size;
    ensure!(
        info.contains(&format!(
            "display {width}x{height}, EDID prefers {width}x{height}"
        )),
        "`gpu info` does not know the display's size, {width}x{height}: {info}"
    );

    command(vm, "gpu card")?;
    let mut expected = card(size)?;
    ensure!(
        expected != console,
        "the boot console looks like the card, so that the card proves nothing"
    );
    ensure_shown(vm, &expected, dir, "card")?;

    let Rectangle {
        x,
        y,
        width,
        height,
    } = rectangle;
    // A colour that no pixel of the rectangle has now.
    let colour = colour_absent_from(&expected, rectangle)?;
    let [r, g, b] = colour;
    let flushes = flushed(&vm.qemu_log()?).len();
    command(
        vm,
        &format!("gpu fill {x} {y} {width} {height} {r:02x}{g:02x}{b:02x}"),
    )?;
    expected.fill(rectangle, colour);
    ensure_shown(vm, &expected, dir, "fill")?;
    let log = vm.qemu_log()?;
    let flushed = flushed(&log);
    ensure!(
        flushed[flushes..] == [rectangle],
        "`gpu fill` was to flush its rectangle, {rectangle}, once; it flushed {:?}",
        &flushed[flushes..]
    );
    Ok(())
}

/// Draws the kernel's test card on the host.
fn card((width, height): (u32, u32)) -> Result<Image> {
    let mut canvas = Canvas(Image::filled(width, height, [0; 3]));
    levitate_kernel::card::draw(&mut canvas)?;
    Ok(canvas.0)
}

/// Checks that a screendump and a VNC client both see `expected`.
fn ensure_shown(vm: &mut Vm, expected: &Image, dir: &Path, name: &str) -> Result<()> {
    let actual = vm.screendump()?;
    actual
        .ensure_equals(expected, dir, &format!("{name}-screendump"))
        .context("a screendump shows another picture")?;
    ensure_vnc(vm, expected, dir, &format!("{name}-vnc"))
        .context("the screendump is right, so the picture was transferred; VNC shows another one, so it was not flushed")
}

/// Asks for frames until one equals `expected`, because the server looks for changes only now and then.
fn ensure_vnc(vm: &mut Vm, expected: &Image, dir: &Path, name: &str) -> Result<()> {
    let begin = Instant::now();
    loop {
        let frame = vm.vnc_frame()?;
        if &frame == expected {
            return Ok(());
        }
        if begin.elapsed() > VNC_DEADLINE {
            return frame.ensure_equals(expected, dir, name);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Checks that a picture of the right size has text at its top left, on a black ground.
///
/// QEMU's own message for a display without a scanout is in the middle.
fn ensure_shows_text(console: &Image, size: (u32, u32)) -> Result<()> {
    ensure!(
        console.size() == size,
        "the screen is {}x{} instead of {}x{}",
        console.size().0,
        console.size().1,
        size.0,
        size.1
    );
    let lit = (FIRST_LINE.y..FIRST_LINE.height)
        .flat_map(|y| (FIRST_LINE.x..FIRST_LINE.width).map(move |x| (x, y)))
        .filter(|(x, y)| console.pixel(*x, *y).is_some_and(|pixel| pixel != [0; 3]))
        .count();
    let area = (FIRST_LINE.width * FIRST_LINE.height) as usize;
    ensure!(
        lit >= 50 && lit < area / 2,
        "the boot console shows no text at its top left: {lit} of {area} pixels are not black"
    );
    Ok(())
}

/// Returns a colour that is in no pixel of the rectangle, and is not grey, so that mixed-up channels show.
fn colour_absent_from(image: &Image, rectangle: Rectangle) -> Result<[u8; 3]> {
    let candidates = [[0x12, 0xab, 0xe7], [0xe9, 0x34, 0x5c], [0x3b, 0xd1, 0x0f]];
    let used = |colour| {
        (rectangle.y..rectangle.y + rectangle.height).any(|y| {
            (rectangle.x..rectangle.x + rectangle.width).any(|x| image.pixel(x, y) == Some(colour))
        })
    };
    candidates
        .into_iter()
        .find(|colour| !used(*colour))
        .context("the card has every colour that the rectangle could be filled with")
}

/// Returns the rectangles of every flush in QEMU's log.
fn flushed(log: &str) -> Vec<Rectangle> {
    log.lines()
        .filter(|line| machine::is_trace_line(line) && line.contains(FLUSH_EVENT))
        .filter_map(|line| {
            let number = |key: &str| -> Option<u32> {
                let (_, after) = line.split_once(&format!(", {key} "))?;
                let end = after.find(|c: char| !c.is_ascii_digit());
                after[..end.unwrap_or(after.len())].parse().ok()
            };
            Some(Rectangle {
                x: number("x")?,
                y: number("y")?,
                width: number("w")?,
                height: number("h")?,
            })
        })
        .collect()
}

/// A host picture as a drawing target: one pixel after the other, with none of the driver's fast paths.
struct Canvas(Image);

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        let (width, height) = self.0.size();
        Size::new(width, height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<Rgb888>>,
    {
        for Pixel(point, colour) in pixels {
            if let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) {
                self.0.set(x, y, [colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushed_rectangles_are_read_from_the_log() {
        let log = "virtio_gpu_cmd_res_flush res 0x1, w 37, h 23, x 101, y 55\n\
                   pl011: something else, w 1, h 1, x 1, y 1\n\
                   7@1.5:virtio_gpu_cmd_res_flush res 0x1, w 1, h 2, x 3, y 4\n";
        let first = Rectangle {
            x: 101,
            y: 55,
            width: 37,
            height: 23,
        };
        let second = Rectangle {
            x: 3,
            y: 4,
            width: 1,
            height: 2,
        };
        assert_eq!(flushed(log), [first, second]);
    }

    #[test]
    fn the_card_is_drawn_at_every_size_that_is_used() {
        for size in [(1280, 800), (1024, 768), (800, 600), (1366, 768)] {
            let card = card(size).unwrap();
            assert_eq!(card.size(), size);
            assert!(card.count_other_than([0; 3]) > 1000);
            assert!(ensure_shows_text(&Image::filled(size.0, size.1, [0; 3]), size).is_err());
        }
    }

    #[test]
    fn a_screen_without_text_is_no_console() {
        let size = (640, 480);
        let black = Image::filled(640, 480, [0; 3]);
        assert!(ensure_shows_text(&black, size).is_err());
        assert!(ensure_shows_text(&Image::filled(640, 480, [9; 3]), size).is_err());
        let mut text = black.clone();
        for x in 0..60 {
            text.set(x, 12, [0xc0; 3]);
        }
        assert!(ensure_shows_text(&text, size).is_ok());
        assert!(ensure_shows_text(&text, (1280, 800)).is_err());
        // QEMU's placeholder is in the middle.
        let mut placeholder = black;
        for x in 200..440 {
            placeholder.set(x, 240, [0xc0; 3]);
        }
        assert!(ensure_shows_text(&placeholder, size).is_err());
    }

    #[test]
    fn the_fill_colour_changes_every_pixel() {
        let rectangle = Rectangle {
            x: 1,
            y: 1,
            width: 3,
            height: 3,
        };
        let mut image = Image::filled(8, 8, [0; 3]);
        let first = colour_absent_from(&image, rectangle).unwrap();
        image.set(2, 3, first);
        let second = colour_absent_from(&image, rectangle).unwrap();
        assert_ne!(first, second);
    }
}
