//! A device's registers, for somebody beside the kernel: [`DeviceStatus`], [`CommandRegister`], [`Bars`].

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::case::command;
use crate::platform::Transport;
use crate::vm::Vm;

/// How long QEMU may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Offset of `Status` among the registers of virtio-mmio (§4.2.2).
const MMIO_STATUS: u64 = 0x70;

/// The BAR in which QEMU has the modern interface, with the common configuration at its start.
const MODERN_BAR: u64 = 4;

/// Offset of `device_status` in the common configuration (§4.1.4.3).
const PCI_STATUS: u64 = 0x14;

/// A device's status register, which is as wide as its transport has it.
#[derive(Clone, Copy, Debug)]
pub(super) enum DeviceStatus {
    Mmio(u64),
    Pci(u64),
}

impl DeviceStatus {
    /// Finds it; `id` is QEMU's name for the device, `kind` what the kernel calls its type, of which there is one.
    pub(super) fn find(vm: &mut Vm, transport: Transport, id: &str, kind: &str) -> Result<Self> {
        if transport.is_pci() {
            Ok(Self::Pci(modern_interface(vm, id)? + PCI_STATUS))
        } else {
            Ok(Self::Mmio(slot(vm, kind)? + MMIO_STATUS))
        }
    }

    /// Reads it.
    pub(super) fn read(self, vm: &mut Vm) -> Result<u32> {
        match self {
            Self::Mmio(address) => vm.qtest()?.read_u32(address),
            Self::Pci(address) => Ok(vm.qtest()?.read_u8(address)?.into()),
        }
    }

    /// Resets the device.
    pub(super) fn reset(self, vm: &mut Vm) -> Result<()> {
        match self {
            Self::Mmio(address) => vm.qtest()?.write_u32(address, 0),
            Self::Pci(address) => vm.qtest()?.write_u8(address, 0),
        }
    }
}

/// The command register of a function on PCI, in its configuration space.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommandRegister(u64);

impl CommandRegister {
    /// Where it is in the function's configuration space.
    const OFFSET: u64 = 4;
    /// The function answers at its BARs for memory, and reaches memory by itself.
    pub(super) const ON: u32 = 0b110;

    /// Finds it; `id` is QEMU's name for the device, and `log` the boot log, which says where configuration space is.
    pub(super) fn find(vm: &mut Vm, log: &str, id: &str) -> Result<Self> {
        let base = log.lines().find_map(|line| {
            let (_, base) = line.split_once("configuration space at 0x")?;
            u64::from_str_radix(base, 16).ok()
        });
        let base = base.context("the log does not say where configuration space is")?;
        Ok(Self(function(vm, base, id)? + Self::OFFSET))
    }

    /// Reads it.
    pub(super) fn read(self, vm: &mut Vm) -> Result<u32> {
        Ok(vm.qtest()?.read_u32(self.0)? & 0xffff)
    }
}

/// The BARs of a function on PCI, in its configuration space.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bars(u64);

impl Bars {
    const OFFSET: u64 = 0x10;

    /// Finds them; `id` is QEMU's name for the device, and `base` where configuration space is.
    pub(super) fn find(vm: &mut Vm, base: u64, id: &str) -> Result<Self> {
        Ok(Self(function(vm, base, id)? + Self::OFFSET))
    }

    /// Writes the lower half of an address, or all of it if the BAR has but that.
    pub(super) fn write(self, vm: &mut Vm, bar: u8, address: u32) -> Result<()> {
        vm.qtest()?.write_u32(self.0 + 4 * u64::from(bar), address)
    }
}

/// Returns where the configuration space of a function is in that at `base`.
fn function(vm: &mut Vm, base: u64, id: &str) -> Result<u64> {
    let device = pci_device(vm, id)?;
    let number = |name: &str| device[name].as_u64().with_context(|| format!("no {name}"));
    let place = number("bus")? << 20 | number("slot")? << 15 | number("function")? << 12;
    Ok(base + place)
}

/// Returns where the modern interface of a device on PCI is.
fn modern_interface(vm: &mut Vm, id: &str) -> Result<u64> {
    let device = pci_device(vm, id)?;
    let regions = device["regions"].as_array();
    let mut regions = regions.context("no BAR")?.iter();
    let region = regions.find(|region| region["bar"] == MODERN_BAR);
    let address = region.and_then(|region| region["address"].as_u64());
    address.context("no modern interface")
}

/// Returns where the registers of the only device of a type are.
fn slot(vm: &mut Vm, kind: &str) -> Result<u64> {
    let devices = command(vm, "devices")?;
    let mut lines = devices.iter().map(|line| line.split_whitespace());
    let address = lines
        .find(|line| line.clone().any(|word| word == kind))
        .and_then(|mut line| line.next()?.strip_prefix("0x"))
        .with_context(|| format!("`devices` has no {kind}"))?;
    Ok(u64::from_str_radix(address, 16)?)
}

/// Returns what QEMU tells of the PCI device that it calls `id`.
fn pci_device(vm: &mut Vm, id: &str) -> Result<Value> {
    let buses = vm.qmp()?.execute("query-pci", json!({}), DEADLINE)?;
    find(&buses, id)
        .cloned()
        .with_context(|| format!("QEMU has no PCI device {id}"))
}

/// Looks behind bridges too.
fn find<'a>(value: &'a Value, id: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) if map.get("qdev_id").is_some_and(|found| found == id) => Some(value),
        Value::Object(map) => map.values().find_map(|value| find(value, id)),
        Value::Array(list) => list.iter().find_map(|value| find(value, id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_found_behind_a_bridge() {
        let buses = json!([{ "bus": 0, "devices": [
            { "qdev_id": "gpu0", "slot": 1 },
            { "qdev_id": "port", "slot": 2, "pci_bridge": { "devices": [
                { "qdev_id": "disk0", "slot": 0, "bus": 1 },
            ] } },
        ] }]);
        assert_eq!(find(&buses, "disk0").unwrap()["bus"], 1);
        assert_eq!(find(&buses, "port").unwrap()["slot"], 2);
        assert!(find(&buses, "disk1").is_none());
    }
}
