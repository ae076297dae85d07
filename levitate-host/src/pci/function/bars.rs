//! Accesses to the BARs, and which structure they are for.

use super::super::header::{BARS, MEMORY_ENABLE};
use super::*;

impl<M: DeviceModel> Function<M> {
    /// Returns the length of a BAR, 0 if there is none.
    pub(in crate::pci) fn bar_len_bytes(&self, bar: u8) -> usize {
        self.layout.bar(bar).map_or(0, |bar| bar.len_bytes as usize)
    }

    /// Reads from a BAR; all ones where nothing answers.
    pub(in crate::pci) fn read_bar(&mut self, bar: u8, offset: usize, width_bytes: usize) -> u64 {
        let found = self.decode(Operation::Read, bar, offset, width_bytes);
        let value = match found {
            Some((structure, inner)) => self.read_structure(structure, inner, width_bytes),
            None => all_ones(width_bytes),
        };
        self.log(Operation::Read, bar, offset, width_bytes, value);
        value
    }

    /// Writes to a BAR; the instant returned is when the device wants to be called.
    pub(in crate::pci) fn write_bar(
        &mut self,
        bar: u8,
        offset: usize,
        width_bytes: usize,
        value: u64,
    ) -> Option<Instant> {
        self.log(Operation::Write, bar, offset, width_bytes, value);
        let (structure, inner) = self.decode(Operation::Write, bar, offset, width_bytes)?;
        self.write_structure(structure, inner, width_bytes, value)
    }

    fn log(
        &mut self,
        operation: Operation,
        bar: u8,
        offset: usize,
        width_bytes: usize,
        value: u64,
    ) {
        self.bar_logs[usize::from(bar)].push(Access {
            operation,
            offset,
            width_bytes,
            value,
        });
    }

    /// Notes an access that came through the window as one to the BAR, which it is.
    pub(super) fn log_bar(
        &mut self,
        operation: Operation,
        structure: Structure,
        inner: usize,
        width_bytes: usize,
        value: u64,
    ) {
        let offset = structure.offset as usize + inner;
        self.log(operation, structure.bar, offset, width_bytes, value);
    }

    /// Finds what an access is for, if the function hears it at all.
    fn decode(
        &mut self,
        operation: Operation,
        bar: u8,
        offset: usize,
        width_bytes: usize,
    ) -> Option<(Structure, usize)> {
        let access = format!("{operation:?} of {width_bytes} bytes at {offset:#x} of BAR {bar}");
        // No row of the ledger is about decoding, which is not VirtIO's but PCI's.
        if self.command() & MEMORY_ENABLE == 0 {
            self.guest_error(format!("{access}, while memory decoding is off"));
            return None;
        }
        if !self.is_assigned(bar) {
            self.guest_error(format!("{access}, which has no address"));
            return None;
        }
        if !offset.is_multiple_of(width_bytes) {
            self.violation("PCI-05", access);
            return None;
        }
        let Some(structure) = self.structure_at(bar, offset as u64, width_bytes as u64) else {
            self.guest_error(format!("{access}, where no structure is"));
            return None;
        };
        if structure.is_of_virtio() && self.layout.first(structure.kind) != Some(&structure) {
            self.violation(
                "PCI-08",
                format!("{access}, which is not the first of its kind"),
            );
        }
        Some((structure, offset - structure.offset as usize))
    }

    /// Says whether a BAR has an address: not zero, and not the one it has while it is being sized.
    fn is_assigned(&self, index: u8) -> bool {
        let Some(bar) = self.layout.bar(index) else {
            return false;
        };
        let at = BARS + 4 * usize::from(index);
        let low = u64::from(self.space.word(at) & !0xf);
        let (base, highest) = if bar.is_64_bit {
            (low | u64::from(self.space.word(at + 4)) << 32, u64::MAX)
        } else {
            (low, u64::from(u32::MAX))
        };
        base != 0
            && base
                .checked_add(bar.len_bytes)
                .is_some_and(|end| end <= highest)
    }

    pub(super) fn structure_at(&self, bar: u8, offset: u64, width_bytes: u64) -> Option<Structure> {
        self.layout
            .structures
            .iter()
            .find(|structure| structure.contains(bar, offset, width_bytes))
            .copied()
    }

    pub(super) fn read_structure(
        &mut self,
        structure: Structure,
        inner: usize,
        width_bytes: usize,
    ) -> u64 {
        match structure.kind {
            StructureKind::Common => self.read_common(inner, width_bytes),
            StructureKind::Isr => self.read_isr(inner, width_bytes),
            StructureKind::Device => {
                let mut bytes = [0; 8];
                self.core.read_config(inner, &mut bytes[..width_bytes]);
                u64::from_le_bytes(bytes)
            }
            StructureKind::Notify => {
                self.guest_error("read of the notification structure".to_owned());
                0
            }
            StructureKind::SharedMemory => {
                let mut bytes = [0; 8];
                bytes[..width_bytes]
                    .copy_from_slice(&self.shared_memory[inner..inner + width_bytes]);
                u64::from_le_bytes(bytes)
            }
            StructureKind::MsixTable => self.read_table(inner, width_bytes),
            StructureKind::MsixPending => self.read_pending(inner, width_bytes),
        }
    }

    pub(super) fn write_structure(
        &mut self,
        structure: Structure,
        inner: usize,
        width_bytes: usize,
        value: u64,
    ) -> Option<Instant> {
        let bytes = value.to_le_bytes();
        match structure.kind {
            StructureKind::Common => self.write_common(inner, width_bytes, value),
            StructureKind::Device => self.write_device(inner, &bytes[..width_bytes]),
            StructureKind::Notify => return self.notify(inner, width_bytes, value),
            StructureKind::Isr => self.guest_error("write to the ISR status".to_owned()),
            StructureKind::SharedMemory => {
                self.shared_memory[inner..inner + width_bytes]
                    .copy_from_slice(&bytes[..width_bytes]);
            }
            StructureKind::MsixTable => self.write_table(inner, width_bytes, value),
            StructureKind::MsixPending => {
                self.guest_error("write to the pending bits of MSI-X".to_owned());
            }
        }
        None
    }

    /// Writes the configuration of the device type.
    fn write_device(&mut self, offset: usize, bytes: &[u8]) {
        let field = self
            .core
            .model
            .config_fields()
            .iter()
            .find(|field| field.offset <= offset && offset < field.offset + field.len_bytes);
        if let Some(field) = field
            && !field.is_writable
            && self.core.rules.config_write(field).is_none()
        {
            self.guest_error(format!(
                "write to read-only field {offset} of the configuration"
            ));
        }
        self.core.write_config(offset, bytes);
    }
}
