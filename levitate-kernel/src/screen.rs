//! The boot log on the display: [`Screen`].

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use embedded_graphics::geometry::Size;
use levitate_kernel::console::Console;
use levitate_kernel::log_format::Line;

use crate::devices::Location;
use crate::drivers::display::{Canvas, Display};
use crate::drivers::{DriverError, QueueCounts};
use crate::lock::Mutex;

/// The log as the display shows it; it is kept from the first line on, whether there is a display or not.
static CONSOLE: Mutex<Console> = Mutex::new(Console::new());

/// Whether something was added since the log was last drawn.
static HAS_NEWS: AtomicBool = AtomicBool::new(false);

/// Adds a log line; it shows when the screen is next updated.
pub(crate) fn log(line: &Line<'_>) {
    CONSOLE.lock().log(line);
    // Relaxed: the lock orders what was added; a late sight of the flag only delays the drawing.
    HAS_NEWS.store(true, Ordering::Relaxed);
}

/// Sets the title row.
pub(crate) fn set_title(title: fmt::Arguments<'_>) {
    CONSOLE.lock().set_title(title);
}

/// What the display shows now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    /// The log, which it follows.
    Log,
    /// A picture somebody asked for, which stays.
    Picture,
}

/// A display and what is on it.
pub(crate) struct Screen {
    location: Location,
    display: Box<dyn Display>,
    shows: Shows,
}

impl Screen {
    /// Takes the display at `location`, to show the log on it.
    pub(crate) fn new(location: Location, display: Box<dyn Display>) -> Self {
        // Another display may have shown some of the log.
        CONSOLE.lock().invalidate();
        HAS_NEWS.store(true, Ordering::Relaxed);
        Self {
            location,
            display,
            shows: Shows::Log,
        }
    }

    /// Returns where the display's registers are.
    pub(crate) const fn location(&self) -> Location {
        self.location
    }

    /// Returns why the driver has given up on the display, if it has.
    pub(crate) fn given_up(&self) -> Option<String> {
        self.display.given_up()
    }

    /// Returns what the driver counts of each queue.
    pub(crate) fn counts(&self) -> Vec<QueueCounts> {
        self.display.counts()
    }

    /// Brings the log up to date, if it is what the display shows.
    ///
    /// # Errors
    ///
    /// What the driver says; the display does not follow the log any more.
    pub(crate) fn update(&mut self) -> Result<(), DriverError> {
        // Relaxed: as in `log`.
        if self.shows != Shows::Log || !HAS_NEWS.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let Ok(drawn) = CONSOLE.lock().draw(&mut Canvas(&mut *self.display));
        if drawn == 0 {
            return Ok(());
        }
        // An error is logged, which is news again: without this the log would grow for ever.
        let presented = self.display.present();
        presented
            .map(drop)
            .inspect_err(|_| self.shows = Shows::Picture)
    }

    /// Looks whether the display has changed; one of another size, which is returned, shows the log on all of it.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(crate) fn process_events(&mut self) -> Result<Option<Size>, DriverError> {
        let size = self.display.process_events().inspect_err(|_| {
            // It may have been reset, and its picture be another one; whatever is drawn next is drawn on all of it.
            CONSOLE.lock().invalidate();
            HAS_NEWS.store(true, Ordering::Relaxed);
        })?;
        if size.is_some() {
            // Whatever picture there was is gone.
            self.show_log()?;
        }
        Ok(size)
    }

    /// Says whether the display was reset since this was last asked.
    pub(crate) fn take_reset(&mut self) -> bool {
        self.display.take_reset()
    }

    /// Shows the log again.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(crate) fn show_log(&mut self) -> Result<(), DriverError> {
        self.shows = Shows::Log;
        CONSOLE.lock().invalidate();
        HAS_NEWS.store(true, Ordering::Relaxed);
        self.update()
    }

    /// Lends the display for a picture, which stays on it.
    pub(crate) fn picture(&mut self) -> &mut dyn Display {
        self.shows = Shows::Picture;
        &mut *self.display
    }

    /// Lends the display without changing what it shows.
    pub(crate) fn display(&mut self) -> &mut dyn Display {
        &mut *self.display
    }
}
