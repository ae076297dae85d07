//! The display: [`Contender`], what each of them has to do, and their turns.

use alloc::format;
use core::fmt::Write;

use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::primitives::Rectangle;
use levitate_kernel::command_line::Effort;

use super::series::{Record, Subject, Tally};
#[cfg(feature = "virtio-drivers")]
use super::virtio_drivers_gpu;
use super::{Result, floor, levitate_gpu};
use crate::devices::Entry;

/// A driver that is measured.
pub(super) struct Contender {
    /// Its name in what is told.
    pub(super) name: &'static str,
    /// Brings it up on a device, has it used, and takes it off again.
    pub(super) drive: fn(&Entry, &mut Body<'_>) -> Result,
}

/// Uses a driver that is up.
pub(super) type Body<'a> = dyn FnMut(&mut dyn Picture, &dyn Tally) -> Result + 'a;

/// In the order of their turns.
const CONTENDERS: &[Contender] = &[
    levitate_gpu::BLOCKING,
    #[cfg(feature = "virtio-drivers")]
    virtio_drivers_gpu::BLOCKING,
    floor::DISPLAY,
    levitate_gpu::ASLEEP,
];

/// A picture that a display shows.
pub(super) trait Picture {
    /// Returns its size.
    fn size(&self) -> Size;

    /// Brings `area` to the screen, and waits until it is there; more than `area` if the driver cannot do less.
    fn present(&mut self, area: &Rectangle) -> Result;
}

/// What is presented.
struct Workload {
    name: &'static str,
    /// Its width and height; `None` is all of the picture.
    side: Option<u32>,
}

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "present-all",
        side: None,
    },
    Workload {
        name: "present-64x64",
        side: Some(64),
    },
];

/// Rounds, and frames of each kind in a round.
const fn effort_of(effort: Effort) -> (u32, u32) {
    match effort {
        Effort::Full => (35, 20),
        Effort::Short => (2, 5),
    }
}

/// Measures all contenders on the display of `entry`.
pub(super) fn run(effort: Effort, entry: &Entry, out: &mut impl Write) -> Result {
    let mut record = Record::new("display", &entry.way);
    let (rounds, frames) = effort_of(effort);
    for _ in 0..rounds {
        for contender in CONTENDERS {
            (contender.drive)(entry, &mut |picture, tally| {
                turn(contender.name, picture, frames, tally, &mut record)
            })
            .map_err(|error| format!("{}: {error}", contender.name))?;
        }
    }
    Ok(record.write(out)?)
}

/// One turn of one contender.
fn turn(
    driver: &'static str,
    picture: &mut dyn Picture,
    frames: u32,
    tally: &dyn Tally,
    record: &mut Record,
) -> Result {
    let whole = Rectangle::new(Point::zero(), picture.size());
    // What was never shown is shown with the first frame, whatever its area.
    picture.present(&whole)?;
    for workload in WORKLOADS {
        let area = match workload.side {
            Some(side) => Rectangle::new(whole.center(), Size::new_equal(side)),
            None => whole,
        };
        picture.present(&area)?;
        let subject = Subject {
            driver,
            workload: workload.name,
            depth: 1,
        };
        record.measure(subject, tally, (frames, 1), |_| picture.present(&area))?;
    }
    Ok(())
}
