//! The shell on the serial line, and who follows what changes while it waits.

use alloc::boxed::Box;
use core::cell::RefCell;
use core::fmt::Write;

use levitate_kernel::line_editor::{Event, LineEditor};
use levitate_kernel::shell;

use crate::devices::Devices;
use crate::{commands, executor, pci, serial, timer};

/// Reads lines and obeys them; `shutdown` is one, so it never returns.
pub(crate) fn run(devices: Devices) -> ! {
    // The tasks never end.
    let devices: &'static RefCell<Devices> = Box::leak(Box::new(RefCell::new(devices)));
    executor::run(|spawner| {
        // Each is spawned once, so its place is free.
        let _ = read_commands(devices).map(|task| spawner.spawn(task));
        let _ = follow(devices).map(|task| spawner.spawn(task));
    })
}

/// Obeys what is typed.
///
/// While a command is obeyed, no other task runs: the devices are its own.
#[embassy_executor::task]
async fn read_commands(devices: &'static RefCell<Devices>) -> ! {
    let mut editor = LineEditor::<160, 8>::new();
    let mut out = serial::writer();
    loop {
        // Writing to the serial line does not fail.
        let _ = out.write_str(shell::PROMPT);
        let line = loop {
            let echo = |text: &str| {
                let _ = serial::writer().write_str(text);
            };
            match editor.feed(serial::next_byte().await, echo) {
                Event::Pending => {}
                Event::Cancelled => break None,
                Event::Line(line) => break Some(line),
            }
        };
        let devices = &mut devices.borrow_mut();
        if let Some(line) = line {
            obey(line, devices);
        }
        devices.update_screen();
    }
}

/// Follows the log on the display, what the devices change about themselves, and what is taken out.
#[embassy_executor::task]
async fn follow(devices: &'static RefCell<Devices>) -> ! {
    loop {
        timer::NEWS.wait().await;
        pci::log_removals();
        let devices = &mut devices.borrow_mut();
        devices.follow_changes();
        devices.update_screen();
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
