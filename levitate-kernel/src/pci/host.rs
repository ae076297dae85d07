//! The functions behind a host bridge: [`find`].

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use levitate_virtio::transport::pci::pci_types::{
    EndpointHeader, HeaderType, PciHeader, PciPciBridgeHeader,
};
use levitate_virtio::transport::pci::{
    BUS_BYTES, BarError, Bars, EcamAccess, Function, MemoryWindow,
};
use log::{info, warn};

use super::{Access, PciDevice, requester, slots};
use crate::interrupts::{Line, Trigger};
use crate::machine::{AssignedBy, PciHost, PciLines};
use crate::memory::registers;
use crate::platform::Registers;

/// Where 32-bit addresses end.
const LOW_END: u64 = 1 << 32;

/// What a host bridge forwards to its bus.
#[derive(Clone, Debug)]
pub(super) struct Windows(Arc<[Range<u64>]>);

impl Windows {
    /// Says whether one of them has all of `range`.
    pub(super) fn contain(&self, range: &Range<u64>) -> bool {
        let mut windows = self.0.iter();
        windows.any(|window| window.start <= range.start && range.end <= window.end)
    }
}

/// Looks for VirtIO devices, and gives them addresses if firmware has not.
///
/// Behind bridges it finds those that firmware has given bus numbers.
pub(crate) fn find(host: &PciHost) -> Vec<PciDevice> {
    let configuration = match registers::map(host.ecam.clone()) {
        Ok(()) => Registers::new(host.ecam.clone()),
        Err(error) => {
            warn!("PCI: {error}");
            None
        }
    };
    let Some(configuration) = configuration else {
        return Vec::new();
    };
    let first = *host.buses.start();
    let last = last_bus(host);
    info!(
        "PCI buses {first:#04x} to {last:#04x}, configuration space at {:#x}",
        host.ecam.start
    );
    let access = EcamAccess::new(configuration, host.segment, first..=last);
    let functions: Vec<_> = access
        .functions()
        .filter(|function| function.is_endpoint())
        .collect();
    let mut assignment = Assignment::new(host, &functions);
    let windows = Windows(host.windows.iter().cloned().collect());
    let devices = functions.into_iter().filter_map(|function| {
        let device_type = function.read_device_type()?;
        let bars = match assignment.settle(&function) {
            Ok(bars) => bars,
            Err(error) => {
                warn!("{}: {device_type}: {error}", function.address());
                return None;
            }
        };
        let line = line(host, &access, &function);
        let windows = windows.clone();
        Some(PciDevice::new(function, device_type, bars, windows, line))
    });
    devices.collect()
}

/// Returns the last bus that a bridge leads to.
fn last_bus(host: &PciHost) -> u8 {
    let first = *host.buses.start();
    let mut last = first;
    let mut bus = first;
    while let Some(access) = bus_access(host, bus) {
        for function in access.functions() {
            let header = PciHeader::new(function.address());
            if header.header_type(&access) != HeaderType::PciPciBridge {
                continue;
            }
            slots::watch(&access, function.address());
            if let Some(bridge) = PciPciBridgeHeader::from_header(header, &access) {
                let behind = bridge.subordinate_bus_number(&access);
                last = last.max(behind.min(*host.buses.end()));
            }
        }
        if bus == last {
            break;
        }
        bus += 1;
    }
    last
}

/// Returns the way to configuration space of one bus.
fn bus_access(host: &PciHost, bus: u8) -> Option<Access> {
    let start = host.ecam.start + usize::from(bus - host.buses.start()) * BUS_BYTES;
    let configuration = Registers::new(start..start + BUS_BYTES)?;
    Some(EcamAccess::new(configuration, host.segment, bus..=bus))
}

/// Who gives addresses, and which are left.
enum Assignment {
    Firmware,
    Kernel { low: MemoryWindow },
}

impl Assignment {
    fn new(host: &PciHost, functions: &[Function<Access>]) -> Self {
        let has_address = |function: &Function<Access>| {
            let bars = function.measure_bars();
            bars.is_ok_and(|bars| bars.memory().any(|(_, bar)| bar.address != 0))
        };
        let low = host.windows.iter().find(|window| window.end <= LOW_END);
        match (host.assigned_by, low) {
            (AssignedBy::Kernel, Some(low)) if !functions.iter().any(has_address) => Self::Kernel {
                low: MemoryWindow::new(low.clone()),
            },
            _ => Self::Firmware,
        }
    }

    /// Sees to it that a function's BARs have addresses, as far as it is the kernel's to do.
    fn settle(&mut self, function: &Function<Access>) -> Result<Bars, BarError> {
        let bars = function.measure_bars()?;
        let Self::Kernel { low } = self else {
            return Ok(bars);
        };
        // All below 4 GiB, where there is room for every device that a driver here is for.
        let mut high = MemoryWindow::new(0..0);
        // SAFETY: a host bridge forwards all of `low` to its bus, where no function had an address before; each takes its own
        // from what is left.
        unsafe { function.assign_bars(&bars, low, &mut high) }
    }
}

/// Returns where a function's interrupt line leads to, if it has one.
fn line(host: &PciHost, access: &Access, function: &Function<Access>) -> Option<Line> {
    /// What firmware writes where it knows no number.
    const UNKNOWN: u8 = 0xff;
    let address = function.address();
    let endpoint = EndpointHeader::from_header(PciHeader::new(address), access)?;
    let (pin, number) = endpoint.interrupt(access);
    if pin == 0 {
        return None;
    }
    match &host.lines {
        PciLines::Map { mask, entries } => {
            // A bridge turns the pins of what is behind it; where that is, nobody has numbered the bridges.
            let key = (address.bus() == *host.buses.start()).then(|| requester(address) & mask)?;
            let mut entries = entries.iter();
            let entry = entries.find(|(function, of_pin, _)| *function == key && *of_pin == pin);
            entry.map(|(_, _, line)| *line)
        }
        PciLines::Register => (number != UNKNOWN).then_some(Line {
            number: number.into(),
            trigger: Trigger::Level,
        }),
    }
}
