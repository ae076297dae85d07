//! What was counted: [`list`].

use core::fmt::{self, Write};

use crate::devices::Devices;
use crate::executor;

/// Writes a line for each queue of each device that is driven, and what the CPU did.
pub(super) fn list(devices: &mut Devices, out: &mut impl Write) -> fmt::Result {
    for entry in &devices.entries {
        let location = entry.location;
        let counts = devices.counts(location);
        if counts.is_empty() {
            let interrupts = entry.interrupt_count();
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
                entry.queue_interrupt_count(counts.queue),
            )?;
            if let Some(idle_polls) = counts.idle_polls {
                write!(out, ", {idle_polls} spurious wake-ups")?;
            }
            if !counts.features.is_empty() {
                write!(out, ", features")?;
            }
            for (name, _) in counts.features.iter_names() {
                write!(out, " {name}")?;
            }
            writeln!(out)?;
        }
    }
    writeln!(out, "CPU  {} sleeps", executor::sleeps())
}
