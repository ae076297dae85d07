//! Describing a request to the device: header, data and footer as one descriptor chain (§2.7.5, §2.7.13.1).

use core::mem::size_of;

use levitate_hal::{Dma, DmaAddr, Segments};
use static_assertions::const_assert_eq;
use zerocopy::{Immutable, IntoBytes};

use super::layout::{Descriptor, DescriptorFlags};
use super::{Data, Queue, SubmitError};
use crate::transport::Notify;

/// What the chains of a queue have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChainShape {
    /// Slots in use; there may be more of them than the device's queue has room for.
    pub(super) slots: u16,
    /// Most descriptors for data.
    pub(super) max_segments: u16,
    /// Most bytes in one descriptor of data.
    pub(super) max_segment_bytes: u32,
    /// Whether chains are in indirect tables (§2.7.5.3).
    pub(super) is_indirect: bool,
    /// Descriptors in the table of the ring that belong to one slot, as a power of two.
    pub(super) stride_log2: u32,
}

impl ChainShape {
    /// Returns the first descriptor of a slot.
    pub(super) fn head_of(&self, slot: u16) -> u16 {
        slot.wrapping_shl(self.stride_log2)
    }

    /// Returns the slot whose first descriptor is `id`.
    pub(super) fn slot_of(&self, id: u32) -> Option<u16> {
        let slot = u16::try_from(id.checked_shr(self.stride_log2)?).ok()?;
        (u32::from(slot).checked_shl(self.stride_log2) == Some(id)).then_some(slot)
    }
}

/// A chain that is written and not yet in the ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) slot: u16,
    pub(super) head: u16,
    pub(super) data_writable_bytes: u32,
    pub(super) footer_bytes: u32,
}

/// Length of a table entry.
const DESCRIPTOR_BYTES: u32 = 16;
const_assert_eq!(DESCRIPTOR_BYTES as usize, size_of::<Descriptor>());

/// One descriptor to be.
#[derive(Clone, Copy)]
struct Part {
    addr: DmaAddr,
    len_bytes: u32,
    flags: DescriptorFlags,
}

impl<B: Segments, C, D: Dma, N: Notify> Queue<'_, B, C, D, N> {
    /// Writes a request into the first idle slot and its descriptors; nothing the device looks at before it is published.
    pub(super) fn write_chain<H, F>(
        &mut self,
        header: &H,
        data: &Data<B>,
        footer: &F,
    ) -> Result<Written, SubmitError>
    where
        H: IntoBytes + Immutable,
        F: IntoBytes + Immutable,
    {
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        let slots = self.shape.slots;
        let slot = self.idle.first().ok_or(SubmitError::Full { slots })?;
        let data_bytes = self.check_data(data)?;
        let header_len = u32::try_from(size_of::<H>()).map_err(|_| SubmitError::TooLong)?;
        let footer_bytes = u32::try_from(size_of::<F>()).map_err(|_| SubmitError::TooLong)?;
        data_bytes
            .checked_add(header_len)
            .and_then(|sum| sum.checked_add(footer_bytes))
            .ok_or(SubmitError::TooLong)?;
        self.check_part(size_of::<H>(), self.header_bytes)?;
        self.check_part(size_of::<F>(), self.footer_bytes)?;

        let mut chain = ChainWriter {
            queue: self,
            slot,
            count: 0,
            pending: None,
        };
        if size_of::<H>() != 0 {
            let addr = chain.queue.memory.write_header(slot, header)?;
            chain.push(Part {
                addr,
                len_bytes: header_len,
                flags: DescriptorFlags::empty(),
            })?;
        }
        let flags = match data {
            Data::Writable(_) => DescriptorFlags::WRITE,
            Data::Readable(_) | Data::None => DescriptorFlags::empty(),
        };
        chain.push_data(data, flags)?;
        if size_of::<F>() != 0 {
            let addr = chain.queue.memory.write_footer(slot, footer)?;
            chain.push(Part {
                addr,
                len_bytes: footer_bytes,
                flags: DescriptorFlags::WRITE,
            })?;
        }
        let head = chain.finish()?;
        let data_writable_bytes = if data.is_writable() { data_bytes } else { 0 };
        Ok(Written {
            slot,
            head,
            data_writable_bytes,
            footer_bytes,
        })
    }

    /// Counts what the data needs before anything is written; returns its length.
    fn check_data(&self, data: &Data<B>) -> Result<u32, SubmitError> {
        let ChainShape {
            max_segments,
            max_segment_bytes,
            ..
        } = self.shape;
        let too_many = SubmitError::TooManySegments {
            max_segments,
            max_segment_bytes,
        };
        data.check_direction()?;
        let mut total = 0_u32;
        let mut descriptors = 0_u64;
        let mut index = 0_usize;
        while let Some(segment) = data.segment(index) {
            let len = u32::try_from(segment.len_bytes).map_err(|_| SubmitError::TooLong)?;
            total = total.checked_add(len).ok_or(SubmitError::TooLong)?;
            let needed = len.div_ceil(max_segment_bytes.max(1));
            descriptors = descriptors.saturating_add(u64::from(needed));
            index = index.saturating_add(1);
            if descriptors > u64::from(max_segments) {
                return Err(too_many);
            }
        }
        Ok(total)
    }

    fn check_part(&self, len_bytes: usize, region_bytes: usize) -> Result<(), SubmitError> {
        if len_bytes > region_bytes {
            return Err(levitate_hal::OutOfRange {
                offset: 0,
                len_bytes,
                region_bytes,
            }
            .into());
        }
        Ok(())
    }
}

/// Writes descriptors one by one; each waits for the next, to know whether it has one.
struct ChainWriter<'q, 's, B, C, D: Dma, N> {
    queue: &'q mut Queue<'s, B, C, D, N>,
    slot: u16,
    count: u16,
    pending: Option<Part>,
}

impl<B: Segments, C, D: Dma, N: Notify> ChainWriter<'_, '_, B, C, D, N> {
    fn push_data(&mut self, data: &Data<B>, flags: DescriptorFlags) -> Result<(), SubmitError> {
        let limit = self.queue.shape.max_segment_bytes.max(1);
        let mut index = 0_usize;
        while let Some(segment) = data.segment(index) {
            let mut addr = segment.addr;
            // Its length was checked to be a `u32` by `check_data`.
            let mut left = u32::try_from(segment.len_bytes).map_err(|_| SubmitError::TooLong)?;
            while left != 0 {
                let len_bytes = left.min(limit);
                self.push(Part {
                    addr,
                    len_bytes,
                    flags,
                })?;
                left = left.saturating_sub(len_bytes);
                addr = addr
                    .checked_add(u64::from(len_bytes))
                    .ok_or(SubmitError::TooLong)?;
            }
            index = index.saturating_add(1);
        }
        Ok(())
    }

    fn push(&mut self, part: Part) -> Result<(), SubmitError> {
        if let Some(before) = self.pending.replace(part) {
            self.write(before, DescriptorFlags::NEXT)?;
        }
        Ok(())
    }

    /// Writes the last descriptor and returns the first one's index in the table of the ring.
    fn finish(mut self) -> Result<u16, SubmitError> {
        let last = self.pending.take().ok_or(SubmitError::Empty)?;
        self.write(last, DescriptorFlags::empty())?;
        let head = self.queue.shape.head_of(self.slot);
        if self.queue.shape.is_indirect {
            let addr = self.queue.memory.table_addr(self.slot)?;
            let len = u32::from(self.count).wrapping_mul(DESCRIPTOR_BYTES);
            let table = Descriptor {
                addr: addr.get().into(),
                len: len.into(),
                flags: DescriptorFlags::INDIRECT.bits().into(),
                next: 0.into(),
            };
            self.queue.ring.write_descriptor(head, table);
        }
        Ok(head)
    }

    fn write(&mut self, part: Part, link: DescriptorFlags) -> Result<(), SubmitError> {
        let position = self.count;
        self.count = position.wrapping_add(1);
        let shape = self.queue.shape;
        // A table of its own begins at 0; in the ring's table the chain begins at the slot's first descriptor.
        let index = match shape.is_indirect {
            true => position,
            false => shape.head_of(self.slot).wrapping_add(position),
        };
        let next = if link.is_empty() {
            0
        } else {
            index.wrapping_add(1)
        };
        let descriptor = Descriptor {
            addr: part.addr.get().into(),
            len: part.len_bytes.into(),
            flags: (part.flags | link).bits().into(),
            next: next.into(),
        };
        if shape.is_indirect {
            self.queue
                .memory
                .write_table_entry(self.slot, position, &descriptor)?;
        } else {
            self.queue.ring.write_descriptor(index, descriptor);
        }
        Ok(())
    }
}
