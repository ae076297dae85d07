//! The descriptors of one list, followed and checked once (§2.8.5 to §2.8.7): [`List`].

use super::super::{Buffer, Chain, RingError, RingFeatures};
use super::descriptor::{self, DESCRIPTOR_LEN, Descriptor, INDIRECT, NEXT, WRITE};
use super::{DESCRIPTOR_BYTES, PackedQueue};
use crate::device::Violations;
use crate::dma::DeviceMemory;

/// A list with its descriptors as they are in the ring.
pub(super) struct List {
    pub(super) chain: Chain,
    pub(super) descriptors: Vec<[u8; DESCRIPTOR_LEN]>,
}

impl PackedQueue {
    /// Follows the list that begins with the next available descriptor.
    pub(super) fn follow(
        &self,
        memory: &DeviceMemory,
        features: RingFeatures,
        violations: &mut Violations,
    ) -> Result<List, RingError> {
        let mut descriptors = Vec::new();
        let mut elements = Elements::default();
        loop {
            let bytes = self.read_next(descriptors.len() as u16, memory, violations)?;
            let descriptor = Descriptor::from(bytes);
            descriptors.push(bytes);
            let slot = self.slot_ahead(descriptors.len() as u16 - 1);
            let mut indirect_table = None;
            if descriptor.flags & INDIRECT != 0 {
                let is_first = descriptors.len() == 1;
                check_indirect(slot, descriptor.flags, is_first, features, violations)?;
                let Descriptor {
                    addr, len_bytes, ..
                } = descriptor;
                elements.buffers = self.read_table(addr, len_bytes, memory, violations)?;
                indirect_table = Some((addr, len_bytes));
            } else {
                elements.add(slot, descriptor, violations)?;
            }
            if descriptor.flags & NEXT == 0 {
                let chain = Chain {
                    head: descriptor.id,
                    buffers: elements.buffers,
                    indirect_table,
                    descriptors: descriptors.len() as u16,
                    first: self.next_available.slot,
                };
                return Ok(List { chain, descriptors });
            }
        }
    }

    fn slot_ahead(&self, index: u16) -> u16 {
        self.next_available.ahead(index, self.size).slot
    }

    /// Reads the descriptor at `index` of the list, which the driver has to have written by now.
    fn read_next(
        &self,
        index: u16,
        memory: &DeviceMemory,
        violations: &mut Violations,
    ) -> Result<[u8; DESCRIPTOR_LEN], RingError> {
        let position = self.next_available.ahead(index, self.size);
        let (slot, first) = (position.slot, self.next_available.slot);
        if index >= self.size {
            let size = self.size;
            let what = format!("the list from {first} is longer than the queue size, {size}");
            violations.add("PACKED-07", what);
            return Err(RingError::ChainTooLong { head: first, size });
        }
        let bytes: [u8; DESCRIPTOR_LEN] = memory.read_array(self.descriptor_addr(slot))?;
        let is_written = bytes != self.known[usize::from(slot)];
        if index >= self.size - self.owned {
            // Where the driver has written to it, what it has broken is gone already.
            let (rule, what) = match is_written {
                true => ("PACKED-10", "overwrote"),
                false => ("PACKED-09", "waits for"),
            };
            let what = format!("the list from {first} {what} descriptor {slot}, which is in use");
            violations.add(rule, what);
            return Err(RingError::Overrun { slot });
        }
        let flags = Descriptor::from(bytes).flags;
        if !descriptor::is_available(flags, position.wrap) {
            let (rule, what) = match is_written {
                true => ("PACKED-20", "has the wrong flags"),
                false => ("PACKED-11", "was not written"),
            };
            let what = format!("descriptor {slot} of the list from {first} {what}: {flags:#06x}");
            violations.add(rule, what);
            return Err(RingError::Flags { index: slot, flags });
        }
        Ok(bytes)
    }

    /// Reads an indirect table (§2.8.7).
    pub(super) fn read_table(
        &self,
        table: u64,
        len_bytes: u32,
        memory: &DeviceMemory,
        violations: &mut Violations,
    ) -> Result<Vec<Buffer>, RingError> {
        if len_bytes == 0 || !u64::from(len_bytes).is_multiple_of(DESCRIPTOR_BYTES) {
            return Err(RingError::IndirectLength { len_bytes });
        }
        let entries = u64::from(len_bytes) / DESCRIPTOR_BYTES;
        if entries > u64::from(self.size) {
            let (first, size) = (self.next_available.slot, self.size);
            let what = format!("an indirect table of {entries} descriptors, the queue has {size}");
            violations.add("PACKED-14", what);
            return Err(RingError::ChainTooLong { head: first, size });
        }
        let mut elements = Elements::default();
        let mut surplus = None;
        for index in 0..entries {
            let bytes = memory.read_array(table.saturating_add(DESCRIPTOR_BYTES * index))?;
            let descriptor = Descriptor::from(bytes);
            if descriptor.flags & !WRITE != 0 {
                surplus.get_or_insert((index, descriptor.flags));
            }
            elements.add(index as u16, descriptor, violations)?;
        }
        // The device pays no attention to them.
        if let Some((index, flags)) = surplus {
            let what = format!("descriptor {index} of an indirect table has flags {flags:#06x}");
            violations.add("PACKED-13", what);
        }
        Ok(elements.buffers)
    }
}

/// Checks that a descriptor may refer to an indirect table, where `is_first` says whether its list begins with it (§2.8.19).
fn check_indirect(
    slot: u16,
    flags: u16,
    is_first: bool,
    features: RingFeatures,
    violations: &mut Violations,
) -> Result<(), RingError> {
    let (rule, what) = if !features.indirect {
        ("PACKED-12", "was not negotiated")
    } else if !is_first || flags & NEXT != 0 {
        ("PACKED-15", "must not be part of a list")
    } else {
        return Ok(());
    };
    let what = format!("descriptor {slot} is INDIRECT, which {what}");
    violations.add(rule, what);
    Err(RingError::Flags { index: slot, flags })
}

/// The elements of a buffer, as far as they are known.
#[derive(Default)]
struct Elements {
    buffers: Vec<Buffer>,
    total_bytes: u64,
}

impl Elements {
    fn add(
        &mut self,
        index: u16,
        descriptor: Descriptor,
        violations: &mut Violations,
    ) -> Result<(), RingError> {
        let Descriptor {
            addr,
            len_bytes,
            flags,
            id,
        } = descriptor;
        if len_bytes == 0 {
            return Err(RingError::EmptyBuffer { index });
        }
        let is_writable = flags & WRITE != 0;
        if !is_writable && self.buffers.last().is_some_and(|last| last.is_writable) {
            let what = format!("descriptor {index} is readable after a writable one");
            violations.add("PACKED-08", what);
            return Err(RingError::ReadableAfterWritable { index });
        }
        self.buffers.push(Buffer {
            addr,
            len_bytes,
            is_writable,
        });
        // No rule of packed rings says so, but the device could not count more.
        self.total_bytes += u64::from(len_bytes);
        if self.total_bytes > 1 << 32 {
            return Err(RingError::TooManyBytes { head: id });
        }
        Ok(())
    }
}
