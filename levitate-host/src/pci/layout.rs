//! What is where in the BARs: [`Layout`].

use super::capability::{COMMON_CFG, Capability, DEVICE_CFG, ISR_CFG};

/// Bytes of a page, which each structure has to itself as in QEMU.
const PAGE: u32 = 0x1000;
/// The BAR with the structures of VirtIO, as in QEMU.
const STRUCTURES_BAR: u8 = 4;
/// The BAR with the MSI-X table, as in QEMU.
const MSIX_BAR: u8 = 1;
/// The BAR with shared memory.
const SHARED_MEMORY_BAR: u8 = 2;
/// Bytes of an entry of the MSI-X table.
pub(super) const VECTOR_BYTES: u32 = 16;

/// A vendor no driver knows.
const VENDOR: u16 = 0x1edc;

/// What a range of a BAR is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StructureKind {
    /// The common configuration (§4.1.4.3).
    Common,
    /// Where queues are notified (§4.1.4.4).
    Notify,
    /// The ISR status (§4.1.4.5).
    Isr,
    /// The configuration of the device type (§4.1.4.6).
    Device,
    /// A shared memory region (§4.1.4.7).
    SharedMemory,
    /// The table of MSI-X vectors.
    MsixTable,
    /// The pending bits of MSI-X.
    MsixPending,
}

/// A range of a BAR that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structure {
    /// What it is.
    pub kind: StructureKind,
    /// Which BAR it is in: 0 and 1 have 32 bits, 2 and 4 have 64, and 3 and 5 are the upper halves of those.
    pub bar: u8,
    /// Where it begins in the BAR.
    pub offset: u32,
    /// Its length in bytes.
    pub length: u32,
}

impl Structure {
    const fn end(&self) -> u64 {
        self.offset as u64 + self.length as u64
    }

    /// Says whether an access lies in it.
    pub(super) const fn contains(&self, bar: u8, offset: u64, width_bytes: u64) -> bool {
        self.bar == bar
            && self.offset as u64 <= offset
            && offset.saturating_add(width_bytes) <= self.end()
    }

    /// Says whether a capability of VirtIO is about it.
    pub(super) const fn is_of_virtio(&self) -> bool {
        !matches!(
            self.kind,
            StructureKind::MsixTable | StructureKind::MsixPending
        )
    }
}

/// A base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    /// Its length, a power of two.
    pub(super) len_bytes: u64,
    /// Whether the next register has the upper half of its address.
    pub(super) is_64_bit: bool,
}

/// What a function has, before anything is said about it.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) structures: Vec<Structure>,
    pub(super) vectors: u16,
    pub(super) multiplier: u32,
}

impl Layout {
    /// Lays out a device with so many queues and vectors.
    pub(super) fn new(queues: u16, vectors: u16, multiplier: u32, shared_memory_len: u32) -> Self {
        let structure = |kind, bar, offset, length| Structure {
            kind,
            bar,
            offset,
            length,
        };
        let ours = |kind, page, length| structure(kind, STRUCTURES_BAR, page * PAGE, length);
        let notify_len = u32::from(queues) * multiplier + 4;
        let mut structures = vec![
            ours(StructureKind::Common, 0, PAGE),
            ours(StructureKind::Isr, 1, PAGE),
            ours(StructureKind::Device, 2, PAGE),
            ours(StructureKind::Notify, 3, notify_len.next_multiple_of(PAGE)),
        ];
        if vectors > 0 {
            let table_len = u32::from(vectors) * VECTOR_BYTES;
            let pending_at = table_len.next_multiple_of(PAGE / 2);
            let pending_len = u32::from(vectors).div_ceil(64) * 8;
            structures.extend([
                structure(StructureKind::MsixTable, MSIX_BAR, 0, table_len),
                structure(
                    StructureKind::MsixPending,
                    MSIX_BAR,
                    pending_at,
                    pending_len,
                ),
            ]);
        }
        if shared_memory_len > 0 {
            structures.push(structure(
                StructureKind::SharedMemory,
                SHARED_MEMORY_BAR,
                0,
                shared_memory_len,
            ));
        }
        Self {
            structures,
            vectors,
            multiplier,
        }
    }

    /// Returns the structure of this kind that is to be used: the first.
    pub(super) fn first(&self, kind: StructureKind) -> Option<&Structure> {
        self.structures
            .iter()
            .find(|structure| structure.kind == kind)
    }

    /// Returns register `index`, if there is something behind it.
    pub(super) fn bar(&self, index: u8) -> Option<Bar> {
        let end = self
            .structures
            .iter()
            .filter(|structure| structure.bar == index)
            .map(Structure::end)
            .max()?;
        Some(Bar {
            len_bytes: end.next_power_of_two().max(u64::from(PAGE)),
            is_64_bit: matches!(index, SHARED_MEMORY_BAR | STRUCTURES_BAR),
        })
    }

    /// Returns the list as an honest device has it, with a capability of some vendor in between.
    pub(super) fn capabilities(&self) -> Vec<Capability> {
        let mut list = Vec::new();
        for structure in &self.structures {
            let Structure {
                kind,
                bar,
                offset,
                length,
            } = *structure;
            list.push(match kind {
                StructureKind::Common => Capability::structure(COMMON_CFG, bar, offset, length),
                StructureKind::Isr => Capability::structure(ISR_CFG, bar, offset, length),
                StructureKind::Device => Capability::structure(DEVICE_CFG, bar, offset, length),
                StructureKind::Notify => Capability::notify(bar, offset, length, self.multiplier),
                StructureKind::SharedMemory => {
                    Capability::shared_memory(0, bar, u64::from(offset), u64::from(length))
                }
                StructureKind::MsixTable | StructureKind::MsixPending => continue,
            });
        }
        // Between the first and the others, so that who takes the list by position errs.
        list.insert(1, Capability::vendor(VENDOR, b"levitate"));
        list.push(Capability::window());
        if let (Some(table), Some(pending)) = (
            self.first(StructureKind::MsixTable),
            self.first(StructureKind::MsixPending),
        ) {
            list.push(Capability::msix(
                self.vectors,
                (table.bar, table.offset),
                (pending.bar, pending.offset),
            ));
        }
        list
    }
}
