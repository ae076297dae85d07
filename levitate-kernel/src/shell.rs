//! The shell's language: one line of text to one [`Command`], and the help text.

mod error;
mod number;
mod table;
mod words;

use core::fmt;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::Rectangle;

use crate::command_line::Suite;

pub use error::ParseError;
pub use table::{Help, Usage};
use words::Words;

/// What the shell prints when it is ready for a line, without a newline.
pub const PROMPT: &str = "levitate> ";

/// One command, its arguments checked as far as they can be without looking at a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `help`: print [`Help`].
    Help,
    /// `devices`: list the devices.
    Devices,
    /// `stats`
    Stats,
    /// `blk info [N]`: describe one disk, or all (`None`).
    BlkInfo(Option<usize>),
    /// `blk read SECTOR [COUNT] [-d N]`: dump sectors; `sectors.first + sectors.count` fits a `u64`.
    BlkRead {
        /// Number of the disk; 0 if not given.
        disk: usize,
        /// What to read; one sector if not given.
        sectors: Sectors,
    },
    /// `blk write SECTOR COUNT BYTE [-d N]`: fill sectors with a byte, then flush.
    BlkWrite {
        /// Number of the disk; 0 if not given.
        disk: usize,
        /// What to fill.
        sectors: Sectors,
        /// What to fill it with.
        byte: u8,
    },
    /// `blk discard SECTOR COUNT [-d N]`: let the disk forget sectors.
    BlkDiscard {
        /// Number of the disk; 0 if not given.
        disk: usize,
        /// What to forget.
        sectors: Sectors,
    },
    /// `blk zero SECTOR COUNT [-d N]`: have the disk zero sectors, then flush.
    BlkZero {
        /// Number of the disk; 0 if not given.
        disk: usize,
        /// What to zero.
        sectors: Sectors,
    },
    /// `blk checksum [N]`: hash the whole disk, number 0 if not given.
    BlkChecksum(usize),
    /// `blk flush [N]`: flush one disk, or all (`None`).
    BlkFlush(Option<usize>),
    /// `gpu info`: describe the display.
    GpuInfo,
    /// `gpu card`: show the test card.
    GpuCard,
    /// `gpu fill X Y W H RRGGBB`: fill a rectangle and present the damage alone.
    GpuFill {
        /// What to fill: not empty; no number of it is above 65535.
        area: Rectangle,
        /// What to fill it with.
        colour: Rgb888,
    },
    /// `selftest [SUITE]`: run self-tests.
    Selftest(Suite),
    /// `crash panic`, `crash fault`: end the kernel as a mistake of its own would.
    Crash(Crash),
    /// `shutdown`: flush the disks and end the machine.
    Shutdown,
}

/// A way for the kernel to end that is not intended, for trying out what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// It panics.
    Panic,
    /// It writes where nothing is.
    Fault,
}

/// Sectors in a row; at least one, and the one after the last still has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sectors {
    /// Number of the first.
    pub first: u64,
    /// How many.
    pub count: u64,
}

impl fmt::Display for Sectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.first.saturating_add(self.count.saturating_sub(1));
        write!(f, "sectors {} to {last}", self.first)
    }
}

/// Reads one line. A blank one is no command (`None`).
///
/// Words are separated by white space; numbers are decimal, or hexadecimal after `0x`.
///
/// # Errors
///
/// A [`ParseError`], whose message is for the user: print it after `error: `.
pub fn parse(line: &str) -> Result<Option<Command>, ParseError<'_>> {
    let mut words = Words::new(line);
    let Some(first) = words.next() else {
        return Ok(None);
    };
    let usage = table::find(first, &mut words)?;
    words.expect(usage);
    let command = (usage.read)(&mut words)?;
    words.end()?;
    Ok(Some(command))
}

#[cfg(test)]
mod tests;
