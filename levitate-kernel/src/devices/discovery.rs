//! Looking for devices, and giving each to its driver.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use levitate_kernel::command_line::{Choice, Options};
use levitate_virtio::{DeviceType, Interrupt, MmioTransport, Transport};
use log::{error, info, warn};

use super::{Devices, Disk, Entry, State, version};
use crate::device_tree::{Device, DeviceTree};
use crate::drivers::block::BlockDevice;
use crate::drivers::display::Display;
use crate::drivers::levitate_blk::LevitateBlk;
use crate::drivers::levitate_gpu::LevitateGpu;
use crate::drivers::{DriverError, levitate_blk, levitate_gpu};
use crate::interrupts;
use crate::platform::Registers;
use crate::screen::Screen;

/// How often the handler acknowledges before it leaves the rest to the next interrupt: a device may raise it again meanwhile.
const MAX_ACKNOWLEDGEMENTS: usize = 4;

/// The way to every device of this machine.
pub(crate) type KernelTransport = MmioTransport<Registers>;

/// Looks into every virtio-mmio slot of the device tree and starts the drivers `options` chooses.
pub(crate) fn discover(tree: &DeviceTree, options: &Options) -> Devices {
    let mut slots: Vec<Device> = tree.virtio_mmio().collect();
    slots.sort_unstable_by_key(|slot| slot.registers.start);
    slots.dedup_by_key(|slot| slot.registers.start);
    let mut devices = Devices::default();
    for slot in slots {
        let address = slot.registers.start;
        if let Some(transport) = probe(&slot) {
            let entry = take_in_hand(&mut devices, options, &slot, transport);
            match &entry.state {
                State::Driven { driver, role } => info!("{address:#x}: {driver} drives {role}"),
                State::Off => info!("{address:#x}: switched off on the kernel command line"),
                State::Unknown => info!("{address:#x}: not driven: no driver for this type"),
                State::Failed { driver, reason } => error!("{address:#x}: {driver}: {reason}"),
            }
            devices.entries.push(entry);
        }
    }
    devices
}

/// Returns the way to the device in `slot`, if there is one.
fn probe(slot: &Device) -> Option<KernelTransport> {
    let address = slot.registers.start;
    let Some(registers) = Registers::new(slot.registers.clone()) else {
        warn!("{address:#x}: the device tree puts a virtio-mmio slot where no registers are mapped");
        return None;
    };
    match MmioTransport::probe(registers) {
        Ok(transport) => transport,
        Err(error) => {
            warn!("{address:#x}: {error}");
            None
        }
    }
}

/// Gives a device to its driver.
fn take_in_hand(
    devices: &mut Devices,
    options: &Options,
    slot: &Device,
    transport: KernelTransport,
) -> Entry {
    let address = slot.registers.start;
    let interface = transport.interface();
    let device_type = transport.device_type();
    info!(
        "{address:#x}: {device_type}, register version {}, interrupt {}",
        version(interface),
        slot.interrupt.number
    );
    let state = match (device_type, options.gpu, options.blk) {
        (DeviceType::GPU, Choice::Off, _) | (DeviceType::BLOCK, _, Choice::Off) => State::Off,
        (DeviceType::GPU, Choice::Levitate, _) => {
            acknowledge_interrupts(slot, &transport);
            driven(levitate_gpu::NAME, start_gpu(devices, transport))
        }
        (DeviceType::BLOCK, _, Choice::Levitate) => {
            acknowledge_interrupts(slot, &transport);
            driven(levitate_blk::NAME, start_blk(devices, address, transport))
        }
        _ => State::Unknown,
    };
    Entry {
        address,
        interrupt: slot.interrupt,
        interface,
        device_type,
        state,
    }
}

fn driven(driver: &'static str, role: Result<String, DriverError>) -> State {
    match role {
        Ok(role) => State::Driven { driver, role },
        Err(error) => State::Failed {
            driver,
            reason: error.to_string(),
        },
    }
}

fn start_gpu(
    devices: &mut Devices,
    transport: KernelTransport,
) -> Result<String, DriverError> {
    let display: &'static mut dyn Display = Box::leak(Box::new(LevitateGpu::new(transport)?));
    let size = display.size();
    let role = format!("display {}x{}", size.width, size.height);
    if devices.screen.is_none() {
        devices.screen = Some(Screen::new(display));
        Ok(role)
    } else {
        Ok(format!("{role} (not used: there is another)"))
    }
}

fn start_blk(
    devices: &mut Devices,
    address: usize,
    transport: KernelTransport,
) -> Result<String, DriverError> {
    let mut device = LevitateBlk::new(transport)?;
    let info = device.info();
    let id = device.id().unwrap_or_else(|error| {
        warn!("{address:#x}: no serial number: {error}");
        String::new()
    });
    let role = format!(
        "disk {} \"{}\", {} sectors{}",
        devices.disks.len(),
        id.escape_default(),
        info.capacity_sectors,
        if info.is_read_only { ", read-only" } else { "" }
    );
    devices.disks.push(Disk {
        address,
        device: Box::new(device),
    });
    Ok(role)
}

/// Has the device's interrupts acknowledged and counted; its driver polls, and does not depend on them.
fn acknowledge_interrupts(slot: &Device, transport: &KernelTransport) {
    let interrupt = transport.interrupt();
    let handled = interrupts::handle(slot.interrupt, move || {
        for _ in 0..MAX_ACKNOWLEDGEMENTS {
            if interrupt.acknowledge().is_empty() {
                break;
            }
        }
    });
    if let Err(error) = handled {
        warn!("{:#x}: {error}", slot.registers.start);
    }
}
