//! What `virt` says about itself in its device tree, which QEMU makes.

use dtoolkit::Node;
use dtoolkit::fdt::FdtNode;
use dtoolkit::standard::{NodeStandard, Status};
use log::warn;

use super::interrupt_controller::{Description, its};
use super::uart;
use crate::arch::device_tree::pci::{self, DeviceIds};
use crate::arch::device_tree::{CELL, DeviceTree, property, registers};
use crate::interrupts::{Line, Trigger};
use crate::machine::{Device, Machine, MachineError};

/// Describes the machine from the device tree at `boot_argument`.
///
/// # Errors
///
/// [`MachineError`].
///
/// # Safety
///
/// Memory at `boot_argument`, as long as a tree there says it is, is mapped and never written again.
pub(crate) unsafe fn describe(boot_argument: usize) -> Result<Machine, MachineError> {
    // SAFETY: the caller ensures the same.
    let tree = unsafe { DeviceTree::at(boot_argument) }?;
    let source = tree.source();
    let reserved = core::iter::once(tree.place()).chain(tree.reserved());
    let port = device(&tree, "arm,pl011").next();
    let port = port.ok_or_else(|| incomplete(&tree, "PL011 UART"))?;
    if port.registers.start != uart::BASE {
        let named = port.registers.start;
        warn!("the serial port is at {:#x}, not at {named:#x}", uart::BASE);
    }
    Ok(Machine {
        source,
        command_line: tree.command_line(),
        memory: Machine::collect(source, "ranges of memory", tree.memory())?,
        reserved: Machine::collect(source, "ranges of reserved memory", reserved)?,
        cpus: tree.cpus(),
        interrupt_controller: interrupt_controller(&tree)?,
        timer: timer(&tree)?,
        serial: port.interrupt,
        virtio_mmio: Machine::collect(source, "virtio-mmio slots", device(&tree, "virtio,mmio"))?,
        pci: pci::host(&tree, INTERRUPT_CELLS, line)?,
    })
}

fn incomplete(tree: &DeviceTree, what: &'static str) -> MachineError {
    MachineError::Incomplete {
        source_name: tree.source().name,
        what,
    }
}

/// Returns what is compatible with `compatible` and has both registers and an interrupt.
fn device(tree: &DeviceTree, compatible: &'static str) -> impl Iterator<Item = Device> + use<> {
    tree.devices(compatible).filter_map(|node| {
        Some(Device {
            registers: registers(node).next()?,
            interrupt: interrupt(node, 0)?,
        })
    })
}

fn interrupt_controller(tree: &DeviceTree) -> Result<Description, MachineError> {
    let incomplete = incomplete(tree, "interrupt controller (GICv2 or GICv3)");
    for node in tree.nodes() {
        let is_v2 = node.is_compatible("arm,cortex-a15-gic") || node.is_compatible("arm,gic-400");
        let is_v3 = node.is_compatible("arm,gic-v3");
        if !is_v2 && !is_v3 {
            continue;
        }
        let mut parts = registers(node);
        let distributor = parts.next().ok_or(incomplete)?;
        let second = parts.next().ok_or(incomplete)?;
        return Ok(if is_v3 {
            Description::GicV3 {
                distributor,
                redistributors: second,
                its: its(tree, node)?,
            }
        } else {
            Description::GicV2 {
                distributor,
                cpu_interface: second,
                message_frame: part(node, "arm,gic-v2m-frame")
                    .and_then(|frame| registers(frame).next()),
            }
        });
    }
    Err(incomplete)
}

/// Returns the first interrupt translation service of a GICv3, if it has one.
fn its(
    tree: &DeviceTree,
    controller: FdtNode<'static>,
) -> Result<Option<its::Description>, MachineError> {
    let node = part(controller, "arm,gic-v3-its");
    let Some((node, registers)) = node.and_then(|node| Some((node, registers(node).next()?)))
    else {
        return Ok(None);
    };
    Ok(Some(its::Description {
        registers,
        device_ids: DeviceIds::read(tree, node)?,
    }))
}

/// Returns the node below `node` that is compatible with `compatible` and switched on.
fn part(node: FdtNode<'static>, compatible: &str) -> Option<FdtNode<'static>> {
    let mut parts = node.children();
    parts.find(|part| part.is_compatible(compatible) && part.status() == Ok(Status::Okay))
}

/// Returns the interrupt of the virtual timer.
fn timer(tree: &DeviceTree) -> Result<Line, MachineError> {
    /// The order is: secure physical, physical, virtual, hypervisor.
    const VIRTUAL: usize = 2;
    let timer = tree
        .nodes()
        .find(|node| node.is_compatible("arm,armv8-timer"));
    timer
        .and_then(|node| interrupt(node, VIRTUAL))
        .ok_or_else(|| incomplete(tree, "timer"))
}

/// Cells that name an interrupt to a GIC: kind, number within the kind, flags.
const INTERRUPT_CELLS: usize = 3;

/// Returns the interrupt at `index` of a node.
fn interrupt(node: FdtNode<'static>, index: usize) -> Option<Line> {
    let cells = property(node, "interrupts")?;
    let mut chunks = cells.chunks_exact(INTERRUPT_CELLS * CELL);
    let mut cells = chunks.nth(index)?.chunks_exact(CELL).map(|cell| {
        let bytes = cell.try_into().unwrap_or_default();
        u32::from_be_bytes(bytes)
    });
    line(&[cells.next()?, cells.next()?, cells.next()?])
}

/// Returns the interrupt that the cells name to a GIC.
fn line(cells: &[u32]) -> Option<Line> {
    const SHARED: u32 = 0;
    const PRIVATE: u32 = 1;
    /// The first shared one, and how many there are.
    const SHARED_NUMBERS: (u32, u32) = (32, 988);
    /// The first private one, and how many there are.
    const PRIVATE_NUMBERS: (u32, u32) = (16, 16);
    /// Rising or falling edge.
    const EDGE: u32 = 0b0011;

    let &[kind, number, flags] = cells else {
        return None;
    };
    let (first, count) = match kind {
        SHARED => SHARED_NUMBERS,
        PRIVATE => PRIVATE_NUMBERS,
        _ => return None,
    };
    let trigger = if flags & EDGE == 0 {
        Trigger::Level
    } else {
        Trigger::Edge
    };
    (number < count).then(|| Line {
        number: first + number,
        trigger,
    })
}
