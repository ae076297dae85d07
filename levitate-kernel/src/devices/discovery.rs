//! Looking for devices.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use levitate_kernel::changes::FollowUp;
use levitate_kernel::command_line::{Kind, Options};
use log::{error, info, warn};

use super::start::kind_of;
use super::way::Way;
use super::{Devices, Entry, State};
use crate::interrupts::Line;
use crate::machine::{Device, PciHost};
use crate::pci;
use crate::platform::Registers;

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
            devices.add(Way::Pci(Box::new(device)));
        }
        for kind in Kind::ALL {
            let (name, count) = (kind.name(), devices.count(kind));
            for number in options.drivers.strangers(kind, count) {
                warn!("the kernel command line names {name}.{number}, and there are {count}");
            }
        }
        devices
    }

    /// Returns how many devices of this kind there are.
    fn count(&self, kind: Kind) -> usize {
        let kinds = self.entries.iter().filter_map(|entry| entry.kind);
        kinds.filter(|(other, _)| *other == kind).count()
    }

    /// Starts the driver of the device with this index, and says what came of it.
    pub(crate) fn start(&mut self, index: usize) {
        let Some(mut entry) = self.entries.get(index).cloned() else {
            return;
        };
        let location = entry.location;
        let state = self.drive(&mut entry);
        match &state {
            State::Failed { .. } => error!("{location}: {state}"),
            _ => info!("{location}: {state}"),
        }
        entry.state = state;
        self.entries[index] = entry;
    }

    /// Notes a device and starts its driver.
    fn add(&mut self, way: Way) {
        let kind = kind_of(way.device_type());
        let entry = Entry {
            location: way.location(),
            kind: kind.map(|kind| (kind, self.count(kind))),
            signal: Box::leak(Box::default()),
            pulls: Box::leak(Box::default()),
            is_heard: false,
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

/// Says how a device interrupts.
pub(super) struct Interrupts<'a>(pub(super) &'a Way);

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
