//! The shell on the serial line.

use core::fmt::Write;

use levitate_kernel::line_editor::{Event, LineEditor};
use levitate_kernel::shell;

use crate::commands;
use crate::devices::Devices;
use crate::serial;

/// Reads lines and obeys them; `shutdown` is one, so it never returns.
pub(crate) fn run(devices: &mut Devices) -> ! {
    let mut editor = LineEditor::<160, 8>::new();
    let mut out = serial::writer();
    // Writing to the serial line does not fail.
    let _ = out.write_str(shell::PROMPT);
    loop {
        let byte = serial::wait_for_byte(devices, Devices::have_changed, |devices| {
            devices.follow_changes();
            devices.update_screen();
        });
        let echo = |text: &str| {
            let _ = serial::writer().write_str(text);
        };
        match editor.feed(byte, echo) {
            Event::Pending => continue,
            Event::Cancelled => {}
            Event::Line(line) => obey(line, devices),
        }
        devices.update_screen();
        let _ = out.write_str(shell::PROMPT);
    }
}

fn obey(line: &str, devices: &mut Devices) {
    let mut out = serial::writer();
    let _ = match shell::parse(line) {
        Ok(None) => Ok(()),
        Ok(Some(command)) => match commands::execute(command, devices, &mut out) {
            Ok(()) => Ok(()),
            Err(error) => writeln!(out, "error: {error}"),
        },
        Err(error) => writeln!(out, "error: {error}"),
    };
}
