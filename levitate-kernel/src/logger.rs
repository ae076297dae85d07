//! The kernel's log: on the serial line at once, and kept for the screen.

use core::fmt::Write;

use levitate_hal::Instant;
use levitate_kernel::log_format::Line;
use log::{LevelFilter, Log, Metadata, Record};

use crate::arch::clock;
use crate::{screen, serial};

/// What the kernel's own targets begin with, and its log does without.
const OWN_CRATE: &str = "levitate_kernel::";

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let uptime = clock::now().since(Instant::from_nanos(0));
        let mut line = Line::new(uptime, record);
        line.target = line.target.strip_prefix(OWN_CRATE).unwrap_or(line.target);
        // It cannot fail, and there would be no place to say so.
        let _ = writeln!(serial::writer(), "{line}");
        screen::log(&line);
    }

    fn flush(&self) {}
}

/// Starts logging, at the level the command line has when it names none.
pub(crate) fn start() {
    // It fails if there is a logger already, which then stays.
    let _ = log::set_logger(&Logger);
    log::set_max_level(LevelFilter::Info);
}
