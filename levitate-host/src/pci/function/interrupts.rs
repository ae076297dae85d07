//! Notifications by the device: MSI-X, or else the interrupt line and the ISR status (§4.1.4.5, §4.1.5.1.2, §4.1.5.3, §4.1.5.4).

use super::super::header::{
    BUS_MASTER, INTERRUPT_STATUS, INTX_DISABLE, MSIX_ENABLE, MSIX_FUNCTION_MASK, STATUS,
};
use super::super::layout::VECTOR_BYTES;
use super::*;
use crate::device::{Source, USED_BUFFER};

/// The mask bit of a vector's control word.
const MASKED: u32 = 1;
/// Words of an entry of the table.
const WORDS: usize = VECTOR_BYTES as usize / 4;

/// A message the device has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The vector it was sent for.
    pub vector: u16,
    /// Where it was written.
    pub address: u64,
    /// What was written.
    pub data: u32,
}

/// An entry of the MSI-X table, and its pending bit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vector {
    /// Address, upper half of it, data, control.
    words: [u32; WORDS],
    pub(super) is_pending: bool,
}

impl Default for Vector {
    fn default() -> Self {
        Self {
            words: [0, 0, 0, MASKED],
            is_pending: false,
        }
    }
}

impl<M: DeviceModel> Function<M> {
    /// Maps an event to a vector, if the device can.
    pub(super) fn map(&mut self, vector: u16) -> Mapping {
        if vector != NO_VECTOR && vector >= self.layout.vectors {
            self.violation(
                "PCI-34",
                format!("vector {vector} was chosen of {}", self.layout.vectors),
            );
        }
        let is_usable =
            vector < self.layout.vectors && !self.traits.refused_vectors.contains(&vector);
        Mapping {
            vector: if is_usable { vector } else { NO_VECTOR },
            is_unread: true,
        }
    }

    /// Sends what the device has to say, and what it could not say before.
    pub(in crate::pci) fn deliver(&mut self) {
        let sources = self
            .core
            .signals
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        if self.message_control() & MSIX_ENABLE == 0 {
            return;
        }
        // With MSI-X, the ISR status says nothing of queues.
        self.core.interrupt_status &= !USED_BUFFER;
        for source in sources {
            let mapping = match source {
                Source::Queue(queue) => self.queues[usize::from(queue)].vector,
                Source::Config => self.config_vector,
            };
            if let Some(vector) = self.vectors.get_mut(usize::from(mapping.vector)) {
                vector.is_pending = true;
            }
        }
        self.send_pending();
    }

    fn send_pending(&mut self) {
        if self.message_control() & MSIX_FUNCTION_MASK != 0 {
            return;
        }
        let is_bus_master = self.command() & BUS_MASTER != 0;
        for index in 0..self.vectors.len() {
            let vector = &mut self.vectors[index];
            let [low, high, data, control] = vector.words;
            if !vector.is_pending || control & MASKED != 0 {
                continue;
            }
            vector.is_pending = false;
            if !is_bus_master {
                self.guest_error(format!(
                    "the message of vector {index} is lost: bus mastering is off"
                ));
                continue;
            }
            self.messages.push(Message {
                vector: index as u16,
                address: u64::from(low) | u64::from(high) << 32,
                data,
            });
        }
    }

    fn message_control(&self) -> u16 {
        self.msix_capability.map_or(0, |at| self.space.half(at + 2))
    }

    fn has_isr(&self) -> bool {
        self.message_control() & MSIX_ENABLE == 0 && self.core.interrupt_status != 0
    }

    /// Says whether the interrupt line is up.
    pub(in crate::pci) fn is_line_up(&self) -> bool {
        self.has_isr() && self.command() & INTX_DISABLE == 0
    }

    /// Has the status register show the interrupt.
    pub(super) fn show_interrupt_status(&mut self) {
        let mut status = self.space.half(STATUS) & !INTERRUPT_STATUS;
        if self.has_isr() {
            status |= INTERRUPT_STATUS;
        }
        self.space.put(STATUS, &status.to_le_bytes());
    }

    /// Reads the ISR status, which clears it.
    pub(super) fn read_isr(&mut self, offset: usize, width_bytes: usize) -> u64 {
        if offset != 0 || width_bytes != 1 {
            self.violation(
                "PCI-05",
                format!("read of {width_bytes} bytes at {offset} of the ISR status"),
            );
            return 0;
        }
        let status = std::mem::take(&mut self.core.interrupt_status);
        if self.message_control() & MSIX_ENABLE != 0 && status == 0 {
            self.violation(
                "PCI-26",
                "the ISR status was read with MSI-X, and the configuration had not changed"
                    .to_owned(),
            );
        }
        u64::from(status)
    }

    pub(super) fn read_table(&mut self, offset: usize, width_bytes: usize) -> u64 {
        if !self.is_table_access(width_bytes) {
            return 0;
        }
        let word = |at: usize| {
            let vector = self.vectors.get(at / WORDS);
            u64::from(vector.map_or(0, |vector| vector.words[at % WORDS]))
        };
        let at = offset / 4;
        if width_bytes == 8 {
            word(at) | word(at + 1) << 32
        } else {
            word(at)
        }
    }

    pub(super) fn write_table(&mut self, offset: usize, width_bytes: usize, value: u64) {
        if !self.is_table_access(width_bytes) {
            return;
        }
        let words = [value as u32, (value >> 32) as u32];
        for (word, at) in words.iter().zip(offset / 4..).take(width_bytes / 4) {
            if let Some(vector) = self.vectors.get_mut(at / WORDS) {
                vector.words[at % WORDS] = *word;
            }
        }
    }

    pub(super) fn read_pending(&mut self, offset: usize, width_bytes: usize) -> u64 {
        if !self.is_table_access(width_bytes) {
            return 0;
        }
        let first = 8 * offset;
        let bits = self.vectors.iter().skip(first).take(8 * width_bytes);
        bits.enumerate().fold(0, |bits, (at, vector)| {
            bits | u64::from(vector.is_pending) << at
        })
    }

    /// The table and the pending bits are accessed by 32 or 64 bits, as PCI has it.
    fn is_table_access(&mut self, width_bytes: usize) -> bool {
        let is_possible = width_bytes >= 4;
        if !is_possible {
            self.guest_error(format!("{width_bytes} bytes of the structures of MSI-X"));
        }
        is_possible
    }
}
