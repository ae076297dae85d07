//! Looking for devices.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use levitate_kernel::changes::FollowUp;
use levitate_kernel::command_line::Options;
use levitate_virtio::{Interrupt, InterruptStatus, MmioTransport, Transport};
use log::{error, info, warn};

use super::{Devices, Entry, KernelTransport, State, version};
use crate::interrupts;
use crate::machine::Device;
use crate::platform::Registers;

/// How often the handler acknowledges before it leaves the rest to the next interrupt: a device may raise it again meanwhile.
const MAX_ACKNOWLEDGEMENTS: usize = 4;

impl Devices {
    /// Looks into every virtio-mmio slot and starts the drivers that `options` chooses.
    pub(crate) fn discover(slots: impl IntoIterator<Item = Device>, options: &Options) -> Self {
        let mut slots: Vec<Device> = slots.into_iter().collect();
        slots.sort_unstable_by_key(|slot| slot.registers.start);
        slots.dedup_by_key(|slot| slot.registers.start);
        let mut devices = Self {
            options: *options,
            ..Self::default()
        };
        for slot in slots {
            let Some((entry, transport)) = probe(&slot) else {
                continue;
            };
            acknowledge_interrupts(&entry, &transport);
            devices.entries.push(entry);
            devices.start(devices.entries.len() - 1);
        }
        devices
    }

    /// Starts the driver of the device with this index, and says what came of it.
    pub(crate) fn start(&mut self, index: usize) {
        let Some(entry) = self.entries.get(index) else {
            return;
        };
        let address = entry.address;
        let state = match MmioTransport::probe(entry.registers.clone()) {
            Ok(Some(transport)) => self.drive(address, transport),
            Ok(None) => State::Unknown,
            Err(error) => State::failed("", &error),
        };
        match &state {
            State::Failed { .. } => error!("{address:#x}: {state}"),
            _ => info!("{address:#x}: {state}"),
        }
        self.entries[index].state = state;
    }
}

/// Returns what is in `slot`, if something is.
fn probe(slot: &Device) -> Option<(Entry, KernelTransport)> {
    let address = slot.registers.start;
    let Some(registers) = Registers::new(slot.registers.clone()) else {
        warn!("{address:#x}: there is said to be a virtio-mmio slot where there are no registers");
        return None;
    };
    let transport = match MmioTransport::probe(registers.clone()) {
        Ok(transport) => transport?,
        Err(error) => {
            warn!("{address:#x}: {error}");
            return None;
        }
    };
    let entry = Entry {
        address,
        registers,
        interrupt: slot.interrupt,
        interface: transport.interface(),
        device_type: transport.device_type(),
        has_changed: Arc::default(),
        follow_up: FollowUp::default(),
        state: State::Stopped,
    };
    info!(
        "{address:#x}: {}, register version {}, interrupt {}",
        entry.device_type,
        version(entry.interface),
        entry.interrupt.number
    );
    Some((entry, transport))
}

/// Has the device's interrupts acknowledged and counted, and its changes noted; its driver polls, and does not depend on them.
fn acknowledge_interrupts(entry: &Entry, transport: &KernelTransport) {
    let interrupt = transport.interrupt();
    let has_changed = entry.has_changed.clone();
    let handled = interrupts::handle(entry.interrupt, move || {
        for _ in 0..MAX_ACKNOWLEDGEMENTS {
            let causes = interrupt.acknowledge();
            if causes.contains(InterruptStatus::CONFIG_CHANGE) {
                // Relaxed: what has changed is read from the device, which no memory order is about.
                has_changed.store(true, Ordering::Relaxed);
            }
            if causes.is_empty() {
                break;
            }
        }
    });
    if let Err(error) = handled {
        warn!("{:#x}: {error}", entry.address);
    }
}
