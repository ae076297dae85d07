//! Accesses to configuration space: its header, its capabilities, and the window into the BARs (§4.1.4.9).

use super::super::capability::{BAR, LENGTH, OFFSET, PCI_CFG, VENDOR_CFG, VENDOR_SPECIFIC};
use super::super::space::CONFIG_SPACE_BYTES;
use super::*;
use crate::device::DRIVER_OK;

/// Where `pci_cfg_data` is in its capability.
const DATA: usize = 16;
/// Bytes of it.
const DATA_BYTES: usize = 4;

impl<M: DeviceModel> Function<M> {
    /// Reads configuration space.
    pub(in crate::pci) fn read_config(&mut self, offset: usize, width_bytes: usize) -> u64 {
        let value = if self.is_config_access(Operation::Read, offset, width_bytes) {
            if let Some(window) = self.window(offset, width_bytes) {
                self.read_through(window);
            }
            self.show_interrupt_status();
            self.space.read(offset, width_bytes)
        } else {
            all_ones(width_bytes)
        };
        self.config_log.push(Access {
            operation: Operation::Read,
            offset,
            width_bytes,
            value,
        });
        value
    }

    /// Writes configuration space; the instant returned is when the device wants to be called.
    pub(in crate::pci) fn write_config(
        &mut self,
        offset: usize,
        width_bytes: usize,
        value: u64,
    ) -> Option<Instant> {
        self.config_log.push(Access {
            operation: Operation::Write,
            offset,
            width_bytes,
            value,
        });
        if !self.is_config_access(Operation::Write, offset, width_bytes) {
            return None;
        }
        self.check_capability_write(offset, width_bytes);
        self.space.write(offset, width_bytes, value);
        // As in QEMU, which takes the device for stopped then.
        if offset == header::COMMAND && self.command() & header::BUS_MASTER == 0 {
            self.core.status &= !DRIVER_OK;
        }
        let window = self.window(offset, width_bytes)?;
        self.write_through(window)
    }

    fn is_config_access(
        &mut self,
        operation: Operation,
        offset: usize,
        width_bytes: usize,
    ) -> bool {
        let is_possible =
            width_bytes <= 4 && offset.is_multiple_of(width_bytes) && offset < CONFIG_SPACE_BYTES;
        if !is_possible {
            self.guest_error(format!(
                "{operation:?} of {width_bytes} bytes at {offset:#x} of configuration space"
            ));
        }
        is_possible
    }

    /// Only the window is there to be written (§4.1.4.1).
    fn check_capability_write(&mut self, offset: usize, width_bytes: usize) {
        let touched = self
            .capabilities
            .iter()
            .find(|capability| capability.is_touched(offset, width_bytes));
        let id = match touched {
            Some(capability) if capability.id == VENDOR_SPECIFIC => match capability.cfg_type {
                Some(PCI_CFG) => return,
                // No driver knows the vendor, so none can know what it writes.
                Some(VENDOR_CFG) => "PCI-28",
                _ => "PCI-14",
            },
            _ => return,
        };
        self.violation(
            id,
            format!("{width_bytes} bytes were written to a capability at {offset:#x}"),
        );
    }

    /// Returns the window whose data an access touches, by where its capability is.
    fn window(&self, offset: usize, width_bytes: usize) -> Option<usize> {
        self.capabilities
            .iter()
            .filter(|capability| capability.cfg_type == Some(PCI_CFG))
            .map(|capability| capability.at)
            .find(|at| offset < at + DATA + DATA_BYTES && at + DATA < offset + width_bytes)
    }

    /// Returns what a window is open to: the structure, the offset in it and the width.
    fn opening(&mut self, window: usize) -> Option<(Structure, usize, usize)> {
        let bar = self.space.read(window + BAR, 1) as u8;
        let offset = self.space.word(window + OFFSET);
        let width_bytes = self.space.word(window + LENGTH);
        let place = format!("{width_bytes} bytes at {offset:#x} of BAR {bar}");
        if !matches!(width_bytes, 1 | 2 | 4) {
            self.violation("PCI-30", format!("the window was used for {place}"));
            return None;
        }
        if !offset.is_multiple_of(width_bytes) {
            self.violation("PCI-29", format!("the window was used for {place}"));
            return None;
        }
        let found = self
            .structure_at(bar, u64::from(offset), u64::from(width_bytes))
            .filter(Structure::is_of_virtio);
        let Some(structure) = found else {
            self.violation("PCI-30", format!("the window was used for {place}"));
            return None;
        };
        let inner = (offset - structure.offset) as usize;
        Some((structure, inner, width_bytes as usize))
    }

    fn read_through(&mut self, window: usize) {
        let Some((structure, inner, width_bytes)) = self.opening(window) else {
            return;
        };
        let value = self.read_structure(structure, inner, width_bytes);
        self.log_bar(Operation::Read, structure, inner, width_bytes, value);
        let data = value.to_le_bytes();
        self.space.put(window + DATA, &data[..width_bytes]);
    }

    fn write_through(&mut self, window: usize) -> Option<Instant> {
        let (structure, inner, width_bytes) = self.opening(window)?;
        let value = self.space.read(window + DATA, width_bytes);
        self.log_bar(Operation::Write, structure, inner, width_bytes, value);
        self.write_structure(structure, inner, width_bytes, value)
    }
}
