//! Frames: what is remembered of them while they are in flight, and what their user is told ([`FrameToken`], [`Presented`]).

use levitate_hal::Deadline;

use crate::damage::Damage;
use crate::error::Error;
use crate::pixel::Bgrx8888;

/// Names a frame from its submission until its outcome was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "what became of the frame is told by `Gpu::poll_present`"]
pub struct FrameToken {
    /// `None` if there was nothing to do.
    pub(crate) serial: Option<u64>,
}

/// What it took to present a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presented {
    /// Pixels transferred; one that was in two rectangles counts twice.
    pub pixels: u64,
    /// Commands sent, 0 if nothing was drawn since the last frame.
    pub commands: u16,
}

impl Presented {
    /// Returns how many bytes were transferred.
    #[must_use]
    pub const fn transferred_bytes(&self) -> u64 {
        self.pixels.saturating_mul(size_of::<Bgrx8888>() as u64)
    }
}

/// What a framebuffer remembers of its frame in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InFlight {
    pub(crate) serial: u64,
    /// What the frame transfers.
    pub(crate) damage: Damage,
}

impl InFlight {
    pub(crate) fn presented(&self) -> Presented {
        let commands = self.damage.len().saturating_mul(2);
        Presented {
            pixels: self.damage.pixels(),
            commands: u16::try_from(commands).unwrap_or(u16::MAX),
        }
    }
}

/// Of which frame a command is part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The frame's number.
    pub(crate) serial: u64,
    /// How many of its commands were submitted before.
    pub(crate) number: u16,
}

/// What the driver remembers of a frame until its framebuffer asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// `None` in a place that is free.
    pub(crate) serial: Option<u64>,
    /// How many of its commands are not answered.
    pub(crate) unanswered: u16,
    /// The first thing that went wrong.
    pub(crate) failure: Option<Error>,
    /// When all must be answered.
    pub(crate) deadline: Option<Deadline>,
}

impl Frame {
    pub(crate) const NONE: Self = Self {
        serial: None,
        unanswered: 0,
        failure: None,
        deadline: None,
    };
}
