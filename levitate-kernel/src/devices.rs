//! The VirtIO devices of the machine, and who drives them: [`Devices`].

mod changes;
mod discovery;
mod interrupts;
mod start;
mod way;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use levitate_kernel::changes::{FollowUp, Told};
use levitate_kernel::command_line::{Kind, Options};
use levitate_virtio::Signal;
use log::error;

use crate::drivers::QueueCounts;
use crate::drivers::block::BlockDevice;
use crate::screen::Screen;

use self::interrupts::Pulls;
pub(crate) use self::interrupts::tick;
pub(crate) use self::way::{KernelTransport, Location, Way, WayError};

/// What has become of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A driver serves it.
    Driven {
        /// The driver's crate.
        driver: &'static str,
        /// What it is to the kernel.
        role: String,
    },
    /// The command line says to leave it alone.
    Off,
    /// No driver knows this type.
    Unknown,
    /// Its driver was taken off it.
    Stopped,
    /// Its driver gave up on it.
    Failed {
        /// The driver's crate.
        driver: &'static str,
        /// Why.
        reason: String,
    },
}

/// A device.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Where it is.
    pub(crate) location: Location,
    /// How to get to it.
    pub(crate) way: Way,
    /// What the command line calls it, if the kernel has a use for its type.
    kind: Option<(Kind, usize)>,
    /// What its interrupts tell its driver; it stays for as long as the kernel runs.
    pub(crate) signal: &'static Signal,
    /// How often it has pulled its line; it stays as long.
    pulls: &'static Pulls,
    /// Whether its interrupts are heard.
    is_heard: bool,
    /// Whether it has to be looked at because of that.
    follow_up: FollowUp,
    /// What has become of it.
    pub(crate) state: State,
}

/// All devices, and the interfaces of those that are driven.
#[derive(Default)]
pub(crate) struct Devices {
    /// Who is to drive what.
    options: Options,
    /// One for each device, in ascending order of their locations.
    pub(crate) entries: Vec<Entry>,
    /// The display, if there is one.
    pub(crate) screen: Option<Screen>,
    /// The disks, in ascending order of their locations.
    pub(crate) disks: Vec<Disk>,
}

/// A disk and where it was found.
pub(crate) struct Disk {
    /// Where it is.
    pub(crate) location: Location,
    /// The length in sectors that the log has of it.
    told_sectors: Told<u64>,
    /// The disk.
    pub(crate) device: Box<dyn BlockDevice>,
}

impl Devices {
    /// Returns what the driver of the device at `location` counts of each queue.
    pub(crate) fn counts(&self, location: Location) -> Vec<QueueCounts> {
        if let Some(screen) = self.screen.as_ref().filter(|it| it.location() == location) {
            return screen.counts();
        }
        let disk = self.disks.iter().find(|disk| disk.location == location);
        disk.map_or_else(Vec::new, |disk| disk.device.counts())
    }

    /// Returns the list of devices, a line each.
    pub(crate) fn list(&self) -> impl Iterator<Item = impl fmt::Display> {
        self.entries.iter().map(|entry| Listed {
            entry,
            given_up: self.given_up(entry.location),
        })
    }

    /// Returns why the driver of the device at `location` has given up on it, if it has.
    fn given_up(&self, location: Location) -> Option<String> {
        let screen = self.screen.as_ref().filter(|it| it.location() == location);
        let disk = self.disks.iter().find(|disk| disk.location == location);
        let by_screen = screen.and_then(Screen::given_up);
        by_screen.or_else(|| disk?.device.given_up())
    }

    /// Brings the log on the display up to date.
    pub(crate) fn update_screen(&mut self) {
        if let Some(screen) = &mut self.screen
            && let Err(error) = screen.update()
        {
            error!("the display does not follow the log any more: {error}");
        }
    }
}

/// A device's line in the list of devices.
struct Listed<'a> {
    entry: &'a Entry,
    /// Why its driver has given up on it since it was started, if it has.
    given_up: Option<String>,
}

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.entry;
        let device_type = entry.way.device_type();
        let name = entry.kind.map_or_else(String::new, |(kind, number)| {
            format!("{}.{number}", kind.name())
        });
        write!(
            f,
            "{}  {}  {device_type:<8}  {name:<6}  ",
            entry.location, entry.way
        )?;
        match (&entry.state, &self.given_up) {
            (State::Driven { driver, .. }, Some(reason)) => {
                write!(f, "{}", State::failed(driver, reason))
            }
            (State::Driven { .. }, None) => {
                let count = entry.interrupt_count();
                write!(f, "{}; interrupts: {count}", entry.state)
            }
            _ => write!(f, "{}", entry.state),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driven { driver, role } => write!(f, "{driver}: {role}"),
            Self::Off => f.write_str("not driven: off on the kernel command line"),
            Self::Unknown => f.write_str("not driven: no driver for this type"),
            Self::Stopped => f.write_str("not driven: its driver was taken off"),
            Self::Failed { driver, reason } => write!(f, "{driver}: failed: {reason}"),
        }
    }
}
