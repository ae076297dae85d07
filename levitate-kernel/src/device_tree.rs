//! What the device tree says about the machine: [`DeviceTree`].
//!
//! The tree comes from outside: a node that lacks what it needs is an error or left out, never a panic.

use core::ops::Range;

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::standard::{NodeStandard, Status};
use dtoolkit::{Node, Property};
use thiserror::Error;

use crate::interrupts::{Line, Trigger};

/// The first four bytes of a device tree.
const MAGIC: [u8; 4] = [0xd0, 0x0d, 0xfe, 0xed];

/// The longest tree that is believed in: as much as lies before the kernel. QEMU's is half as long.
const MAX_BYTES: u32 = 2 << 20;

/// Bytes of one cell of a property.
const CELL: usize = 4;

/// Why the device tree does not describe a machine this kernel can run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum DeviceTreeError {
    /// There is none.
    #[error("no device tree at {address:#x}")]
    Missing {
        /// Where it should be.
        address: usize,
    },
    /// There is one that contradicts itself.
    #[error("the device tree at {address:#x} is damaged")]
    Damaged {
        /// Where it is.
        address: usize,
    },
    /// A device the kernel needs is not in it, or lacks a property.
    #[error("the device tree has no usable {what}")]
    Incomplete {
        /// What is needed.
        what: &'static str,
    },
}

/// A device's registers, and the interrupt it raises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// Its registers.
    pub(crate) registers: Range<usize>,
    /// Its interrupt.
    pub(crate) interrupt: Line,
}

/// The interrupt controller the machine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InterruptController {
    /// Arm's GIC, version 2.
    GicV2 {
        /// The part all CPUs share.
        distributor: Range<usize>,
        /// The part that is each CPU's own.
        cpu_interface: Range<usize>,
    },
    /// Arm's GIC, version 3 or 4, with a CPU interface of system registers.
    GicV3 {
        /// The part all CPUs share.
        distributor: Range<usize>,
        /// A pair of frames for each CPU.
        redistributors: Range<usize>,
    },
}

/// A validated device tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceTree {
    fdt: Fdt<'static>,
    address: usize,
}

impl DeviceTree {
    /// Finds and checks the device tree at `address`.
    ///
    /// # Errors
    ///
    /// [`DeviceTreeError::Missing`] and [`DeviceTreeError::Damaged`].
    ///
    /// # Safety
    ///
    /// Memory at `address`, as long as a tree there says it is, is mapped and never written again.
    pub(crate) unsafe fn at(address: usize) -> Result<Self, DeviceTreeError> {
        let start = address as *const u8;
        if start.is_null() || !address.is_multiple_of(CELL) {
            return Err(DeviceTreeError::Missing { address });
        }
        // SAFETY: mapped memory, says the caller; any four bytes are an array of bytes.
        let magic = unsafe { start.cast::<[u8; 4]>().read() };
        if magic != MAGIC {
            return Err(DeviceTreeError::Missing { address });
        }
        // SAFETY: mapped memory, for a tree has a header, of which this is the second field; any four bytes are an array of bytes.
        let total_size = unsafe { start.wrapping_add(CELL).cast::<[u8; 4]>().read() };
        if u32::from_be_bytes(total_size) > MAX_BYTES {
            return Err(DeviceTreeError::Damaged { address });
        }
        // SAFETY: there is a tree, and the caller says that all of it is mapped and stays as it is.
        let fdt = unsafe { Fdt::from_raw(start) };
        fdt.map(|fdt| Self { fdt, address })
            .map_err(|_| DeviceTreeError::Damaged { address })
    }

    /// Returns the memory the tree itself takes.
    pub(crate) fn place(&self) -> Range<usize> {
        self.address..self.address.saturating_add(self.fdt.data().len())
    }

    /// Returns the kernel command line, empty if there is none.
    pub(crate) fn command_line(&self) -> &'static [u8] {
        let chosen = self.fdt.find_node("/chosen");
        let arguments = chosen.and_then(|node| property(node, "bootargs"));
        arguments.unwrap_or_default()
    }

    /// Calls `found` with each range of memory the machine has.
    pub(crate) fn memory(&self, mut found: impl FnMut(Range<usize>)) {
        for node in self.nodes() {
            if property(node, "device_type") == Some(b"memory\0") {
                registers(node).for_each(&mut found);
            }
        }
    }

    /// Calls `found` with each range of memory that is there but somebody else's; one that would wrap ends with the last address.
    ///
    /// # Errors
    ///
    /// The first of `found`.
    pub(crate) fn reserved<E>(
        &self,
        mut found: impl FnMut(Range<usize>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut found = |(start, size): (usize, usize)| found(start..start.saturating_add(size));
        for reservation in self.fdt.memory_reservations() {
            found((reservation.address() as usize, reservation.size() as usize))?;
        }
        for node in self.fdt.reserved_memory().into_iter().flatten() {
            starts_and_sizes(*node).try_for_each(&mut found)?;
        }
        Ok(())
    }

    /// Returns the number of CPUs.
    pub(crate) fn cpus(&self) -> usize {
        let cpus = self.fdt.find_node("/cpus");
        cpus.map_or(0, |node| {
            node.children()
                .filter(|cpu| property(*cpu, "device_type") == Some(b"cpu\0"))
                .count()
        })
    }

    /// Returns the interrupt controller.
    ///
    /// # Errors
    ///
    /// [`DeviceTreeError::Incomplete`] if there is none that the kernel knows.
    pub(crate) fn interrupt_controller(&self) -> Result<InterruptController, DeviceTreeError> {
        const INCOMPLETE: DeviceTreeError = DeviceTreeError::Incomplete {
            what: "interrupt controller (GICv2 or GICv3)",
        };
        for node in self.nodes() {
            let is_v2 =
                node.is_compatible("arm,cortex-a15-gic") || node.is_compatible("arm,gic-400");
            let is_v3 = node.is_compatible("arm,gic-v3");
            if !is_v2 && !is_v3 {
                continue;
            }
            let mut parts = registers(node);
            let distributor = parts.next().ok_or(INCOMPLETE)?;
            let second = parts.next().ok_or(INCOMPLETE)?;
            return Ok(if is_v3 {
                InterruptController::GicV3 {
                    distributor,
                    redistributors: second,
                }
            } else {
                InterruptController::GicV2 {
                    distributor,
                    cpu_interface: second,
                }
            });
        }
        Err(INCOMPLETE)
    }

    /// Returns the interrupt of the virtual timer.
    ///
    /// # Errors
    ///
    /// [`DeviceTreeError::Incomplete`] if there is none.
    pub(crate) fn timer_interrupt(&self) -> Result<Line, DeviceTreeError> {
        /// The order is: secure physical, physical, virtual, hypervisor.
        const VIRTUAL: usize = 2;
        let timer = self
            .nodes()
            .find(|node| node.is_compatible("arm,armv8-timer"));
        timer
            .and_then(|node| interrupt(node, VIRTUAL))
            .ok_or(DeviceTreeError::Incomplete { what: "timer" })
    }

    /// Returns the first PL011 UART.
    ///
    /// # Errors
    ///
    /// [`DeviceTreeError::Incomplete`] if there is none.
    pub(crate) fn uart(&self) -> Result<Device, DeviceTreeError> {
        self.devices("arm,pl011")
            .next()
            .ok_or(DeviceTreeError::Incomplete { what: "PL011 UART" })
    }

    /// Returns the slots that may hold a virtio-mmio device, in no particular order.
    pub(crate) fn virtio_mmio(&self) -> impl Iterator<Item = Device> + use<> {
        self.devices("virtio,mmio")
    }

    /// Returns what is compatible with `compatible`, is switched on, and has both registers and an interrupt.
    fn devices(&self, compatible: &'static str) -> impl Iterator<Item = Device> + use<> {
        self.nodes().filter_map(move |node| {
            if !node.is_compatible(compatible) || node.status() != Ok(Status::Okay) {
                return None;
            }
            Some(Device {
                registers: registers(node).next()?,
                interrupt: interrupt(node, 0)?,
            })
        })
    }

    /// Returns the root's children: on `virt`, every device has its node there.
    fn nodes(&self) -> impl Iterator<Item = FdtNode<'static>> + use<> {
        self.fdt.root().children()
    }
}

fn property(node: FdtNode<'static>, name: &str) -> Option<&'static [u8]> {
    let property = node.property(name)?;
    // `value` would lend the bytes for as long as `property` lives; they are the tree's.
    property.value_as::<&'static [u8]>().ok()
}

/// Returns the ranges of `reg` that are not empty and do not wrap.
fn registers(node: FdtNode<'static>) -> impl Iterator<Item = Range<usize>> {
    starts_and_sizes(node).filter_map(|(start, size)| {
        let end = start.checked_add(size)?;
        (size > 0).then_some(start..end)
    })
}

/// Returns what `reg` says.
fn starts_and_sizes(node: FdtNode<'static>) -> impl Iterator<Item = (usize, usize)> {
    let ranges = node.reg().ok().flatten();
    ranges.into_iter().flatten().filter_map(|range| {
        let start = usize::try_from(range.address::<u64>().ok()?).ok()?;
        let size = usize::try_from(range.size::<u64>().ok()?).ok()?;
        Some((start, size))
    })
}

/// Returns the interrupt at `index`, in the GIC's three cells: kind, number within the kind, flags.
fn interrupt(node: FdtNode<'static>, index: usize) -> Option<Line> {
    const SHARED: u32 = 0;
    const PRIVATE: u32 = 1;
    /// The first shared one, and how many there are.
    const SHARED_NUMBERS: (u32, u32) = (32, 988);
    /// The first private one, and how many there are.
    const PRIVATE_NUMBERS: (u32, u32) = (16, 16);
    /// Rising or falling edge.
    const EDGE: u32 = 0b0011;

    let cells = property(node, "interrupts")?;
    let [kind, number, flags] = cells.chunks_exact(3 * CELL).nth(index).and_then(|chunk| {
        let mut cells = chunk.chunks_exact(CELL).map(|cell| {
            let bytes = cell.try_into().unwrap_or_default();
            u32::from_be_bytes(bytes)
        });
        Some([cells.next()?, cells.next()?, cells.next()?])
    })?;
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
