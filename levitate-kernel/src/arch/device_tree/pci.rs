//! What a device tree says about the host bridge of PCI: [`host`], [`DeviceIds`].

mod device_ids;

use core::ops::{Range, RangeInclusive};

use dtoolkit::fdt::FdtNode;
use levitate_virtio::transport::pci::BUS_BYTES;
use log::warn;

use super::{CELL, DeviceTree, property, registers};
use crate::interrupts::Line;
use crate::machine::{AssignedBy, Machine, MachineError, PciHost, PciLines};

pub(crate) use device_ids::DeviceIds;

/// What the node of a host bridge with its configuration space in memory is compatible with.
const COMPATIBLE: &str = "pci-host-ecam-generic";
/// Cells of an address on the bus: what kind it is, and 64 bits.
const ADDRESS_CELLS: usize = 3;
/// Cells of a pin.
const PIN_CELLS: usize = 1;
/// Cells that name the interrupt controller.
const PHANDLE_CELLS: usize = 1;
/// Where bus, device and function are in the first cell of an address.
const FUNCTION_SHIFT: u32 = 8;

/// Returns the first host bridge that is usable, if there is one.
///
/// `line` reads a line from the cells that name it to the interrupt controller, `line_cells` of them.
///
/// # Errors
///
/// [`MachineError::TooMany`].
pub(crate) fn host(
    tree: &DeviceTree,
    line_cells: usize,
    line: impl Fn(&[u32]) -> Option<Line>,
) -> Result<Option<PciHost>, MachineError> {
    let Some(node) = tree.devices(COMPATIBLE).next() else {
        return Ok(None);
    };
    let Some(ecam) = registers(node).next() else {
        warn!("the host bridge of PCI has no configuration space");
        return Ok(None);
    };
    let buses = buses(node, ecam.len());
    let source = tree.source();
    Ok(Some(PciHost {
        buses,
        segment: cells(node, "linux,pci-domain")
            .next()
            .and_then(|domain| u16::try_from(domain).ok())
            .unwrap_or(0),
        ecam,
        windows: Machine::collect(source, "PCI windows", windows(node))?,
        assigned_by: AssignedBy::Kernel,
        lines: lines(tree, node, line_cells, line)?,
    }))
}

/// Returns which buses there are, as far as there is configuration space for them.
fn buses(node: FdtNode<'static>, ecam_bytes: usize) -> RangeInclusive<u8> {
    let mut range = cells(node, "bus-range").map(|bus| u8::try_from(bus).unwrap_or(u8::MAX));
    let first = range.next().unwrap_or(0);
    let last = range.next().unwrap_or(u8::MAX);
    let places = u8::try_from((ecam_bytes / BUS_BYTES).max(1) - 1).unwrap_or(u8::MAX);
    first..=last.min(first.saturating_add(places))
}

/// Returns the windows for memory whose addresses are the same on both sides of the bridge.
fn windows(node: FdtNode<'static>) -> impl Iterator<Item = Range<u64>> {
    const PARENT_CELLS: usize = 2;
    const SIZE_CELLS: usize = 2;
    /// In the first cell of an address: it is in memory, with 32 or 64 bits, and not one of configuration space or of a port.
    const MEMORY: u32 = 0x0200_0000;

    chunks::<{ ADDRESS_CELLS + PARENT_CELLS + SIZE_CELLS }>(node, "ranges").filter_map(
        |[
            kind,
            high,
            low,
            parent_high,
            parent_low,
            size_high,
            size_low,
        ]| {
            let [bus, start, size] = [
                join(high, low),
                join(parent_high, parent_low),
                join(size_high, size_low),
            ];
            let is_same = kind & MEMORY != 0 && bus == start;
            let end = start.checked_add(size)?;
            (is_same && size > 0).then_some(start..end)
        },
    )
}

/// Reads where the lines of the bus lead to.
fn lines(
    tree: &DeviceTree,
    node: FdtNode<'static>,
    line_cells: usize,
    line: impl Fn(&[u32]) -> Option<Line>,
) -> Result<PciLines, MachineError> {
    let mask = cells(node, "interrupt-map-mask").next().unwrap_or(0);
    let mut map = cells(node, "interrupt-map");
    let entries = core::iter::from_fn(|| {
        let [function, _, _, pin, controller] =
            take::<{ ADDRESS_CELLS + PIN_CELLS + PHANDLE_CELLS }>(&mut map)?;
        let others = address_cells(tree, controller);
        (&mut map).take(others).for_each(drop);
        let mut named = heapless::Vec::<u32, 8>::new();
        named.extend((&mut map).take(line_cells.min(8)));
        Some((function, pin, named))
    });
    let entries = entries.filter_map(|(function, pin, named)| {
        let pin = u8::try_from(pin).ok()?;
        Some((under(mask, function), pin, line(&named)?))
    });
    Ok(PciLines::Map {
        mask: under(mask, u32::MAX),
        entries: Machine::collect(tree.source(), "PCI interrupt lines", entries)?,
    })
}

/// Returns bus, device and function of the first cell of an address, under a mask of that cell.
const fn under(mask: u32, cell: u32) -> u16 {
    ((mask & cell) >> FUNCTION_SHIFT & 0xffff) as u16
}

/// Returns how many cells come before the line in what is said to the interrupt controller of this phandle.
fn address_cells(tree: &DeviceTree, phandle: u32) -> usize {
    let mut controllers = tree.nodes();
    let controller = controllers.find(|node| cells(*node, "phandle").next() == Some(phandle));
    let count = controller.and_then(|node| cells(node, "#address-cells").next());
    count.unwrap_or(0) as usize
}

/// Returns the cells of a property, none if there is no such property.
fn cells(node: FdtNode<'static>, name: &str) -> impl Iterator<Item = u32> + use<> {
    let bytes = property(node, name).unwrap_or_default();
    bytes
        .chunks_exact(CELL)
        .map(|cell| u32::from_be_bytes(cell.try_into().unwrap_or_default()))
}

/// Returns the cells of a property, `N` at a time.
fn chunks<const N: usize>(
    node: FdtNode<'static>,
    name: &str,
) -> impl Iterator<Item = [u32; N]> + use<N> {
    let mut cells = cells(node, name);
    core::iter::from_fn(move || take(&mut cells))
}

/// Returns the next `N` cells, if there are as many.
fn take<const N: usize>(cells: &mut impl Iterator<Item = u32>) -> Option<[u32; N]> {
    let mut taken = [0; N];
    for place in &mut taken {
        *place = cells.next()?;
    }
    Some(taken)
}

fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}
