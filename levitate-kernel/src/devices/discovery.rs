//! Looking for devices.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use levitate_kernel::changes::FollowUp;
use levitate_kernel::command_line::Options;
use levitate_virtio::{Interrupt, InterruptStatus, Transport};
use log::{error, info, warn};

use super::way::{Way, WayError};
use super::{Devices, Entry, State};
use crate::interrupts::{self, InterruptError, Line};
use crate::machine::{Device, PciHost};
use crate::pci;
use crate::platform::Registers;
use crate::timer;

/// How often the handler acknowledges before it leaves the rest to the next interrupt: a device may raise it again meanwhile.
const MAX_ACKNOWLEDGEMENTS: usize = 4;

impl Devices {
    /// Looks into every virtio-mmio slot and behind the host bridge, and starts the drivers that `options` chooses.
    pub(crate) fn discover(
        slots: impl IntoIterator<Item = Device>,
        host: Option<&PciHost>,
        options: &Options,
    ) -> Self {
        let mut slots: Vec<Device> = slots.into_iter().collect();
        slots.sort_unstable_by_key(|slot| slot.registers.start);
        slots.dedup_by_key(|slot| slot.registers.start);
        let mut devices = Self {
            options: *options,
            ..Self::default()
        };
        for way in slots.iter().filter_map(look_into) {
            devices.add(way);
        }
        for device in host.map(pci::find).unwrap_or_default() {
            devices.add(Way::Pci(device));
        }
        devices
    }

    /// Starts the driver of the device with this index, and says what came of it.
    pub(crate) fn start(&mut self, index: usize) {
        let Some(entry) = self.entries.get(index) else {
            return;
        };
        let location = entry.location;
        let state = match entry.way.connect() {
            Ok(transport) => self.drive(location, transport),
            Err(error) => State::failed("", &error),
        };
        match &state {
            State::Failed { .. } => error!("{location}: {state}"),
            _ => info!("{location}: {state}"),
        }
        self.entries[index].state = state;
    }

    /// Notes a device and starts its driver.
    fn add(&mut self, way: Way) {
        let entry = Entry {
            location: way.location(),
            has_changed: Arc::default(),
            follow_up: FollowUp::default(),
            state: State::Stopped,
            way,
        };
        info!(
            "{}: {}, {}, {}",
            entry.location,
            entry.way.device_type(),
            entry.way,
            Interrupts(&entry.way)
        );
        if let Err(error) = entry.acknowledge_interrupts() {
            warn!("{}: its interrupts are not heard: {error}", entry.location);
        }
        self.entries.push(entry);
        self.start(self.entries.len() - 1);
    }
}

/// Returns the way to what is in `slot`, if something is.
fn look_into(slot: &Device) -> Option<Way> {
    let address = slot.registers.start;
    let Some(registers) = Registers::new(slot.registers.clone()) else {
        warn!("{address:#x}: there is said to be a virtio-mmio slot where there are no registers");
        return None;
    };
    match Way::through(registers, slot.interrupt) {
        Ok(way) => way,
        Err(error) => {
            warn!("{address:#x}: {error}");
            None
        }
    }
}

/// Why a device's interrupts are not acknowledged.
#[derive(Debug, thiserror::Error)]
enum AcknowledgeError {
    #[error(transparent)]
    Way(#[from] WayError),
    #[error(transparent)]
    Interrupt(#[from] InterruptError),
}

impl Entry {
    /// Has the device's interrupts acknowledged and counted, and its changes noted; its driver polls, and does not depend on them.
    fn acknowledge_interrupts(&self) -> Result<(), AcknowledgeError> {
        let transport = self.way.connect()?;
        if !self.way.sends_messages() {
            let lines = self.way.lines();
            return lines.into_iter().try_for_each(|line| {
                let interrupt = transport.interrupt();
                let has_changed = self.has_changed.clone();
                Ok(interrupts::handle(line, move || {
                    acknowledge_line(&interrupt, &has_changed);
                })?)
            });
        }
        for (vector, line) in (0..).zip(self.way.lines()) {
            let interrupt = transport.interrupt();
            let has_changed = self.has_changed.clone();
            // There is nothing to acknowledge; what a message is about is known by its vector.
            interrupts::handle(line, move || {
                note(interrupt.acknowledge_vector(vector), &has_changed);
            })?;
        }
        Ok(())
    }
}

/// Acknowledges until nothing is left, so that the device lets go of its line.
fn acknowledge_line(interrupt: &impl Interrupt, has_changed: &AtomicBool) {
    for _ in 0..MAX_ACKNOWLEDGEMENTS {
        let causes = interrupt.acknowledge();
        note(causes, has_changed);
        if causes.is_empty() {
            break;
        }
    }
}

fn note(causes: InterruptStatus, has_changed: &AtomicBool) {
    if causes.contains(InterruptStatus::CONFIG_CHANGE) {
        // Relaxed: what has changed is read from the device, which no memory order is about.
        has_changed.store(true, Ordering::Relaxed);
        timer::NEWS.tell();
    }
}

/// Says how a device interrupts.
struct Interrupts<'a>(&'a Way);

impl fmt::Display for Interrupts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.0.lines();
        let kind = if self.0.sends_messages() {
            " (MSI-X)"
        } else {
            ""
        };
        match &lines[..] {
            [] => f.write_str("no interrupt"),
            [Line { number, .. }] => write!(f, "interrupt {number}{kind}"),
            [first, .., last] => write!(f, "interrupts {} to {}{kind}", first.number, last.number),
        }
    }
}
