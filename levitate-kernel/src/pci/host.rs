//! The functions behind a host bridge: [`find`].

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use levitate_virtio::transport::pci::pci_types::{EndpointHeader, HeaderType, PciHeader};
use levitate_virtio::transport::pci::{BarError, Bars, EcamAccess, Function, MemoryWindow};
use log::{info, warn};

use super::bridges::{Bridges, GRANULE};
use super::{Access, PciDevice, requester};
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

/// Looks for VirtIO devices, those behind bridges too, and gives addresses to functions and numbers to buses if firmware has not.
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
    let bridges = Bridges::find(host);
    let (first, last) = (*host.buses.start(), bridges.last_bus());
    info!(
        "PCI buses {first:#04x} to {last:#04x}, configuration space at {:#x}",
        host.ecam.start
    );
    let access = EcamAccess::new(configuration, host.segment, first..=last);
    let functions: Vec<_> = access.functions().collect();
    let mut assignment = Assignment::new(host, &functions);
    let windows = Windows(host.windows.iter().cloned().collect());
    let mut devices = Vec::new();
    for function in functions {
        let Some(device_type) = function.read_device_type() else {
            assignment.settle_bridge(&function);
            continue;
        };
        match assignment.settle(&function) {
            Ok(bars) => {
                let line = line(host, &bridges, &access, &function);
                let windows = windows.clone();
                devices.push(PciDevice::new(function, device_type, bars, windows, line));
            }
            Err(error) => warn!("{}: {device_type}: {error}", function.address()),
        }
    }
    if let Assignment::Kernel { used, .. } = &assignment {
        bridges.open(&access, used);
    }
    devices
}

/// Who gives addresses, and which are left.
enum Assignment {
    Firmware,
    Kernel {
        low: MemoryWindow,
        /// The addresses that were given, by bus.
        used: Vec<(u8, Range<u64>)>,
    },
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
                used: Vec::new(),
            },
            _ => Self::Firmware,
        }
    }

    /// Gives a bridge's own BARs addresses, at which it answers once it forwards memory.
    fn settle_bridge(&mut self, function: &Function<Access>) {
        let header = PciHeader::new(function.address());
        let is_bridge = header.header_type(function.access()) == HeaderType::PciPciBridge;
        if is_bridge
            && matches!(self, Self::Kernel { .. })
            && let Err(error) = self.settle(function)
        {
            warn!("{}: {error}", function.address());
        }
    }

    /// Sees to it that a function's BARs have addresses, as far as it is the kernel's to do; functions come in the order of their
    /// buses.
    fn settle(&mut self, function: &Function<Access>) -> Result<Bars, BarError> {
        let bars = function.measure_bars()?;
        let Self::Kernel { low, used } = self else {
            return Ok(bars);
        };
        let bus = function.address().bus();
        if used.last().is_some_and(|(before, _)| *before != bus) {
            // What a bridge forwards is whole pieces, so those of another bus begin behind a piece of which nobody has anything.
            low.allocate(GRANULE);
        }
        // All below 4 GiB, where there is room for every device that a driver here is for.
        let mut high = MemoryWindow::new(0..0);
        // SAFETY: a host bridge forwards all of `low` to its bus, where no function had an address before; each takes its own
        // from what is left.
        let bars = unsafe { function.assign_bars(&bars, low, &mut high) }?;
        let ranges = bars.memory().map(|(_, bar)| {
            let end = bar.address.saturating_add(bar.len_bytes);
            (bus, bar.address..end)
        });
        used.extend(ranges);
        Ok(bars)
    }
}

/// Returns where a function's interrupt line leads to, if it has one.
fn line(
    host: &PciHost,
    bridges: &Bridges,
    access: &Access,
    function: &Function<Access>,
) -> Option<Line> {
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
            let (address, pin) = bridges.root_pin(address, pin)?;
            let key = requester(address) & mask;
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
