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
use levitate_kernel::console::{Console, DEFAULT_CELLS, DEFAULT_HISTORY};
use levitate_kernel::log_format::Line;

use super::case::command;
use crate::vm::image::{Image, Rectangle};
use crate::vm::{Vm, log};

/// The trace event of a flushed rectangle.
pub(crate) const FLUSH_EVENT: &str = "virtio_gpu_cmd_res_flush";

/// How long VNC may show something else; QEMU's server looks for changes every 3 s at least.
const VNC_DEADLINE: Duration = Duration::from_secs(60);

/// The fewest lines of a boot log that is worth looking at.
const LOG_LINES: usize = 5;

/// Checks the boot console, then the card, then a filled rectangle, and that no more than that is flushed.
///
/// `log` is what the serial line showed before the prompt; `rectangle` is to be small, of odd size and away from the
/// edges.
pub(crate) fn check(
    vm: &mut Vm,
    size: (u32, u32),
    log: &str,
    rectangle: Rectangle,
    dir: &Path,
) -> Result<()> {
    let mut shown = check_console_and_card(vm, size, log, dir)?;
    check_fill(vm, &mut shown, rectangle, dir)?;
    check_damage(vm, &mut shown, rectangle)
}

/// Checks the boot console, then the card; returns the picture that is shown then.
pub(crate) fn check_console_and_card(
    vm: &mut Vm,
    size: (u32, u32),
    log: &str,
    dir: &Path,
) -> Result<Image> {
    // Before anything is drawn: see `connect_vnc`.
    vm.connect_vnc()?;
    let console = console(size, log)?;
    ensure_shown(vm, &console, dir, "console")?;
    let info = command(vm, "gpu info")?.join("\n");
    let (width, height) = size;
    ensure!(
        info.contains(&format!(
            "display {width}x{height}, EDID prefers {width}x{height}"
        )),
        "`gpu info` does not know the display's size, {width}x{height}: {info}"
    );

    command(vm, "gpu card")?;
    let card = card(size)?;
    ensure!(
        card != console,
        "the boot console looks like the card, so that the card proves nothing"
    );
    ensure_shown(vm, &card, dir, "card")?;
    Ok(card)
}

/// Checks that a filled rectangle shows, and that nothing else has changed of what was `shown` before.
pub(crate) fn check_fill(
    vm: &mut Vm,
    shown: &mut Image,
    rectangle: Rectangle,
    dir: &Path,
) -> Result<()> {
    fill(vm, shown, rectangle)?;
    ensure_shown(vm, shown, dir, "fill")
}

/// Checks that a filled rectangle is all that is flushed.
pub(crate) fn check_damage(vm: &mut Vm, shown: &mut Image, rectangle: Rectangle) -> Result<()> {
    let before = flushed(&vm.qemu_log()?).len();
    fill(vm, shown, rectangle)?;
    let log = vm.qemu_log()?;
    let flushed = flushed(&log);
    ensure!(
        flushed[before..] == [rectangle],
        "`gpu fill` was to flush its rectangle, {rectangle}, once; it flushed {:?}",
        &flushed[before..]
    );
    Ok(())
}

/// Has the kernel fill a rectangle with a colour that no pixel of it has now.
fn fill(vm: &mut Vm, shown: &mut Image, rectangle: Rectangle) -> Result<()> {
    let Rectangle {
        x,
        y,
        width,
        height,
    } = rectangle;
    let colour = colour_absent_from(shown, rectangle)?;
    let [r, g, b] = colour;
    command(
        vm,
        &format!("gpu fill {x} {y} {width} {height} {r:02x}{g:02x}{b:02x}"),
    )?;
    shown.fill(rectangle, colour);
    Ok(())
}

/// Draws on the host what the kernel's console shows of the boot log that the serial line showed.
fn console((width, height): (u32, u32), log: &str) -> Result<Image> {
    let mut console = Box::new(Console::<DEFAULT_CELLS, DEFAULT_HISTORY>::new());
    console.set_title(format_args!("Levitate {}", env!("CARGO_PKG_VERSION")));
    let mut count = 0;
    for line in log.lines() {
        let parts = log_line(line).with_context(|| format!("not a log line: {line}"))?;
        let (uptime, level, target, message) = parts;
        console.log(&Line {
            uptime,
            // The name's type is the log crate's, which this tool does not use otherwise.
            level: level
                .parse()
                .ok()
                .with_context(|| format!("no level: {line}"))?,
            target,
            message: format_args!("{message}"),
        });
        count += 1;
    }
    ensure!(
        count >= LOG_LINES,
        "the boot log has {count} lines, too few to see anything"
    );
    let mut canvas = Canvas(Image::filled(width, height, [0; 3]));
    console.draw(&mut canvas)?;
    Ok(canvas.0)
}

/// Takes `[   S.UUUUUU] LEVEL target: message` apart.
fn log_line(line: &str) -> Option<(Duration, &str, &str, &str)> {
    let (stamp, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let (seconds, micros) = stamp.trim_start().split_once('.')?;
    let uptime =
        Duration::new(seconds.parse().ok()?, 0) + Duration::from_micros(micros.parse().ok()?);
    let (level, rest) = rest.split_once(' ')?;
    let (target, message) = rest.trim_start().split_once(": ")?;
    Some((uptime, level, target, message))
}

/// Draws the kernel's test card on the host.
pub(super) fn card((width, height): (u32, u32)) -> Result<Image> {
    let mut canvas = Canvas(Image::filled(width, height, [0; 3]));
    levitate_kernel::card::draw(&mut canvas)?;
    Ok(canvas.0)
}

/// Checks that a screendump and a VNC client both see `expected`.
pub(super) fn ensure_shown(vm: &mut Vm, expected: &Image, dir: &Path, name: &str) -> Result<()> {
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
pub(crate) fn flushed(log: &str) -> Vec<Rectangle> {
    log.lines()
        .filter(|line| log::is_trace_line(line) && line.contains(FLUSH_EVENT))
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
        }
    }

    #[test]
    fn the_picture_in_the_readme_is_the_card() {
        let path = crate::workspace::root().join("docs/images/test-card.png");
        assert!(
            Image::read_png(&path).unwrap() == card((1280, 800)).unwrap(),
            "make it anew: cargo xtask screenshot --output docs/images/test-card.png"
        );
    }

    #[test]
    fn the_console_shows_every_line_of_the_log() {
        let log = |last: &str| {
            let lines = "[   0.000001] info  boot: line\n".repeat(4);
            console(
                (640, 480),
                &format!("{lines}[  12.345678] warn  a::b: {last}\n"),
            )
            .unwrap()
        };
        assert_eq!(log("same: line"), log("same: line"));
        assert_ne!(log("one"), log("two"));
        assert!(console((640, 480), "[   0.000001] info  boot: one line\n").is_err());
        assert!(console((640, 480), "no log line\n").is_err());
    }

    #[test]
    fn a_log_line_is_taken_apart() {
        let parts = log_line("[  12.000078] warn  a::b: c: d").unwrap();
        assert_eq!(
            parts,
            (Duration::from_micros(12_000_078), "warn", "a::b", "c: d")
        );
        let line = Line {
            uptime: parts.0,
            level: parts.1.parse().unwrap(),
            target: parts.2,
            message: format_args!("{}", parts.3),
        };
        assert_eq!(line.to_string(), "[  12.000078] warn  a::b: c: d");
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
