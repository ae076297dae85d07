//! What was counted: [`list`].

use core::fmt::{self, Write};

use crate::devices::Devices;
use crate::{executor, interrupts};

/// Writes a line for each queue of each device that is driven, and what the CPU did.
pub(super) fn list(devices: &mut Devices, out: &mut impl Write) -> fmt::Result {
    for entry in &devices.entries {
        let location = entry.location;
        let counts = devices.counts(location);
        if counts.is_empty() {
            let interrupts = interrupts::count(&entry.way.lines());
            writeln!(
                out,
                "{location}  {interrupts} interrupts, nothing else is counted"
            )?;
        }
        for counts in counts {
            write!(
                out,
                "{location}  queue {}: {} requests, {} notifications, {} interrupts",
                counts.queue,
                counts.requests,
                counts.notifications,
                interrupts::count(&entry.way.lines_of_queue(counts.queue)),
            )?;
            if let Some(idle_polls) = counts.idle_polls {
                write!(out, ", {idle_polls} spurious wake-ups")?;
            }
            write!(out, ", features")?;
            for (name, _) in counts.features.iter_names() {
                write!(out, " {name}")?;
            }
            writeln!(out)?;
        }
    }
    writeln!(out, "CPU  {} sleeps", executor::sleeps())
}
