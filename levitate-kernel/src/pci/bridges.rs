//! The bridges of a host: which buses are behind them, and what they forward there ([`Bridges`]).

use alloc::vec::Vec;
use core::ops::{Range, RangeInclusive};

use levitate_virtio::transport::pci::pci_types::{
    CommandRegister, ConfigRegionAccess as _, HeaderType, PciAddress, PciHeader, PciPciBridgeHeader,
};
use levitate_virtio::transport::pci::{BUS_BYTES, EcamAccess};
use log::warn;

use super::{Access, slots};
use crate::machine::{AssignedBy, PciHost};
use crate::platform::Registers;

/// Bridges forward memory in pieces of this length.
pub(super) const GRANULE: u64 = 1 << 20;

/// How many bridges may be one behind another, where the kernel numbers what is behind them.
const MAX_DEPTH: u8 = 8;

/// A bridge, by the buses behind it: the next one first, then those behind that.
struct Bridge {
    address: PciAddress,
    buses: RangeInclusive<u8>,
}

/// All bridges of a host, those behind others too.
pub(super) struct Bridges {
    list: Vec<Bridge>,
    first_bus: u8,
    last_bus: u8,
}

impl Bridges {
    /// Finds the bridges, and numbers the buses behind them if nobody has; has the slots below them watched.
    pub(super) fn find(host: &PciHost) -> Self {
        let first_bus = *host.buses.start();
        if host.assigned_by == AssignedBy::Kernel && on_bus(host, first_bus).all(is_unnumbered) {
            number(host, first_bus, &mut first_bus.clone(), 0);
        }
        let mut bridges = Self {
            list: Vec::new(),
            first_bus,
            last_bus: first_bus,
        };
        let mut bus = first_bus;
        loop {
            for (access, address) in on_bus(host, bus) {
                slots::watch(&access, address);
                bridges.add(host, &access, address);
            }
            if bus == bridges.last_bus {
                break;
            }
            bus += 1;
        }
        bridges
    }

    fn add(&mut self, host: &PciHost, access: &Access, address: PciAddress) {
        let header = PciHeader::new(address);
        if let Some(bridge) = PciPciBridgeHeader::from_header(header, access) {
            let last = bridge.subordinate_bus_number(access);
            let buses = bridge.secondary_bus_number(access)..=last.min(*host.buses.end());
            if *buses.start() <= address.bus() {
                // Nobody has numbered it.
                return;
            }
            self.last_bus = self.last_bus.max(*buses.end());
            self.list.push(Bridge { address, buses });
        }
    }

    /// Returns the last bus that one leads to.
    pub(super) const fn last_bus(&self) -> u8 {
        self.last_bus
    }

    /// Returns which pin of the host's own bus a pin is, and whose: each bridge in between turns the pins of what is behind it.
    pub(super) fn root_pin(
        &self,
        mut address: PciAddress,
        mut pin: u8,
    ) -> Option<(PciAddress, u8)> {
        const PINS: u8 = 4;
        for _ in 0..=self.list.len() {
            if address.bus() == self.first_bus {
                return Some((address, pin));
            }
            let mut bridges = self.list.iter();
            let bridge = bridges.find(|bridge| *bridge.buses.start() == address.bus())?;
            pin = (pin.checked_sub(1)? % PINS + address.device() % PINS) % PINS + 1;
            address = bridge.address;
        }
        // They lead to one another.
        None
    }

    /// Has each forward the `used` addresses of what is behind it, which are those of a bus each, and nothing else.
    pub(super) fn open(&self, access: &Access, used: &[(u8, Range<u64>)]) {
        for Bridge { address, buses } in &self.list {
            let behind = used.iter().filter(|(bus, _)| buses.contains(bus));
            let window = behind.fold(None, |window: Option<Range<u64>>, (_, range)| {
                let Range { start, end } = window.unwrap_or(range.clone());
                Some(start.min(range.start)..end.max(range.end))
            });
            forward(access, *address, window);
        }
    }
}

/// Gives a number to each bus behind the bridges of `bus`, the last of which is `last`.
fn number(host: &PciHost, bus: u8, last: &mut u8, depth: u8) {
    for (access, address) in on_bus(host, bus) {
        let end = *host.buses.end();
        let next = last.checked_add(1).filter(|next| *next <= end);
        let Some(next) = next.filter(|_| depth < MAX_DEPTH) else {
            warn!("{address}: there is no bus number for what is behind this bridge");
            continue;
        };
        *last = next;
        // Whatever is behind it is looked for before the last of its buses is known.
        write_buses(&access, address, next..=end);
        number(host, next, last, depth + 1);
        write_buses(&access, address, next..=*last);
    }
}

fn write_buses(access: &Access, address: PciAddress, buses: RangeInclusive<u8>) {
    const BUSES: u16 = 0x18;
    const LATENCY_TIMER: u32 = 0xff00_0000;
    let kept = read(access, address, BUSES) & LATENCY_TIMER;
    let numbers = u32::from_le_bytes([address.bus(), *buses.start(), *buses.end(), 0]);
    write(access, address, BUSES, kept | numbers);
}

/// Has a bridge forward one window of memory without prefetching, and what comes from behind it.
fn forward(access: &Access, address: PciAddress, window: Option<Range<u64>>) {
    const COMMAND: u16 = 0x04;
    /// Base and limit for I/O ports, below the secondary status, whose bits are cleared by writing 1.
    const IO: u16 = 0x1c;
    const MEMORY: u16 = 0x20;
    const PREFETCHABLE: u16 = 0x24;
    /// The base is above the limit.
    const NO_PORTS: u32 = 0x00f0;
    const NO_MEMORY: u32 = 0x0000_fff0;
    /// In a limit and a base: the upper 12 bits of an address of 32.
    const UPPER: u64 = 0xfff0_0000;

    let memory = window.map_or(NO_MEMORY, |Range { start, end }| {
        let limit = (end - 1) & UPPER;
        // Both are below 4 GiB, where the window is that they were taken from.
        (limit | (start & UPPER) >> 16) as u32
    });
    write(access, address, IO, NO_PORTS);
    write(access, address, MEMORY, memory);
    write(access, address, PREFETCHABLE, NO_MEMORY);
    let on = CommandRegister::MEMORY_ENABLE | CommandRegister::BUS_MASTER_ENABLE;
    let command = read(access, address, COMMAND) & 0xffff;
    write(access, address, COMMAND, command | u32::from(on.bits()));
}

/// Returns the bridges on a bus, with the way to its configuration space.
fn on_bus(host: &PciHost, bus: u8) -> impl Iterator<Item = (Access, PciAddress)> + use<> {
    let start = host.ecam.start + usize::from(bus - host.buses.start()) * BUS_BYTES;
    let configuration = Registers::new(start..start + BUS_BYTES);
    let segment = host.segment;
    let access =
        configuration.map(|configuration| EcamAccess::new(configuration, segment, bus..=bus));
    access.into_iter().flat_map(|access| {
        let functions = access.functions();
        functions.filter_map(move |function| {
            let header = PciHeader::new(function.address());
            let is_bridge = header.header_type(&access) == HeaderType::PciPciBridge;
            is_bridge.then(|| (access.clone(), function.address()))
        })
    })
}

/// Says whether a bridge leads to no bus yet: the first bus of all is behind none.
fn is_unnumbered((access, address): (Access, PciAddress)) -> bool {
    let bridge = PciPciBridgeHeader::from_header(PciHeader::new(address), &access);
    bridge.is_none_or(|bridge| bridge.secondary_bus_number(&access) == 0)
}

fn read(access: &Access, bridge: PciAddress, offset: u16) -> u32 {
    // SAFETY: an aligned offset; the access goes to the ECAM region or nowhere.
    unsafe { access.read(bridge, offset) }
}

fn write(access: &Access, bridge: PciAddress, offset: u16, value: u32) {
    // SAFETY: a register of a bridge's header; the access goes to the ECAM region or nowhere. What the bridge forwards by it is
    // what was assigned to the functions behind it, which nothing else has.
    unsafe { access.write(bridge, offset, value) };
}
