//! What the device tree says about the machine: [`DeviceTree`].
//!
//! The tree comes from outside: a node that lacks what it needs is an error or left out, never a panic.

pub(crate) mod pci;

use core::ops::Range;

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::standard::{NodeStandard, Status};
use dtoolkit::{Node, Property};

use crate::machine::{MachineError, Source};

/// The first four bytes of a device tree.
const MAGIC: [u8; 4] = [0xd0, 0x0d, 0xfe, 0xed];

/// The longest tree that is believed in: as much as lies before the kernel. QEMU's is half as long.
const MAX_BYTES: u32 = 2 << 20;

/// Bytes of one cell of a property.
pub(crate) const CELL: usize = 4;

/// What the tree is called where it is the source of a description.
const NAME: &str = "device tree";

/// A validated device tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceTree {
    fdt: Fdt<'static>,
    source: Source,
}

impl DeviceTree {
    /// Finds and checks the device tree at `address`.
    ///
    /// # Errors
    ///
    /// [`MachineError::Missing`] and [`MachineError::Damaged`].
    ///
    /// # Safety
    ///
    /// Memory at `address`, as long as a tree there says it is, is mapped and never written again.
    pub(crate) unsafe fn at(address: usize) -> Result<Self, MachineError> {
        let source = Source {
            name: NAME,
            address,
        };
        let start = address as *const u8;
        if start.is_null() || !address.is_multiple_of(CELL) {
            return Err(MachineError::Missing(source));
        }
        // SAFETY: mapped memory, says the caller; any four bytes are an array of bytes.
        let magic = unsafe { start.cast::<[u8; 4]>().read() };
        if magic != MAGIC {
            return Err(MachineError::Missing(source));
        }
        // SAFETY: mapped memory, for a tree has a header, of which this is the second field; any four bytes are an array of bytes.
        let total_size = unsafe { start.wrapping_add(CELL).cast::<[u8; 4]>().read() };
        if u32::from_be_bytes(total_size) > MAX_BYTES {
            return Err(MachineError::Damaged(source));
        }
        // SAFETY: there is a tree, and the caller says that all of it is mapped and stays as it is.
        let fdt = unsafe { Fdt::from_raw(start) };
        fdt.map(|fdt| Self { fdt, source })
            .map_err(|_| MachineError::Damaged(source))
    }

    /// Returns the memory the tree itself takes.
    pub(crate) fn place(&self) -> Range<usize> {
        let start = self.source.address;
        start..start.saturating_add(self.fdt.data().len())
    }

    /// Returns where the tree is.
    pub(crate) fn source(&self) -> Source {
        self.source
    }

    /// Returns the kernel command line, empty if there is none.
    pub(crate) fn command_line(&self) -> &'static [u8] {
        let chosen = self.fdt.find_node("/chosen");
        let arguments = chosen.and_then(|node| property(node, "bootargs"));
        arguments.unwrap_or_default()
    }

    /// Returns each range of memory the machine has.
    pub(crate) fn memory(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        self.nodes()
            .filter(|node| property(*node, "device_type") == Some(b"memory\0"))
            .flat_map(registers)
    }

    /// Returns each range of memory that is there but somebody else's; one that would wrap ends with the last address.
    pub(crate) fn reserved(&self) -> impl Iterator<Item = Range<usize>> {
        let reservations = self.fdt.memory_reservations();
        let reservations =
            reservations.map(|range| (range.address() as usize, range.size() as usize));
        let nodes = self.fdt.reserved_memory().into_iter().flatten();
        let nodes = nodes.flat_map(|node| starts_and_sizes(*node));
        reservations
            .chain(nodes)
            .map(|(start, size)| start..start.saturating_add(size))
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

    /// Returns each node that is compatible with `compatible` and switched on.
    pub(crate) fn devices(
        &self,
        compatible: &'static str,
    ) -> impl Iterator<Item = FdtNode<'static>> + use<> {
        self.nodes()
            .filter(move |node| node.is_compatible(compatible) && node.status() == Ok(Status::Okay))
    }

    /// Returns the root's children: on `virt`, every device has its node there.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = FdtNode<'static>> + use<> {
        self.fdt.root().children()
    }
}

/// Returns the value of a property.
pub(crate) fn property(node: FdtNode<'static>, name: &str) -> Option<&'static [u8]> {
    let property = node.property(name)?;
    // `value` would lend the bytes for as long as `property` lives; they are the tree's.
    property.value_as::<&'static [u8]>().ok()
}

/// Returns the ranges of `reg` that are not empty and do not wrap.
pub(crate) fn registers(node: FdtNode<'static>) -> impl Iterator<Item = Range<usize>> {
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
