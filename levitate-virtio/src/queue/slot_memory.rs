//! The shared memory of the request slots: a header, a footer and an indirect table each ([`SlotMemory`]).

use core::mem::{ManuallyDrop, size_of};

use levitate_hal::{Dma, DmaAddr, DmaError, DmaRegion, OutOfRange};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::layout::{DESCRIPTOR_TABLE_ALIGN, Descriptor};

/// One piece of DMA memory, divided among the slots.
///
/// It is given back only by [`SlotMemory::into_memory`]; dropped otherwise, it is leaked, for the device may still use it.
#[derive(Debug)]
pub(super) struct SlotMemory<D: Dma> {
    memory: ManuallyDrop<DmaRegion<D>>,
    /// Bytes from one slot to the next.
    stride: usize,
    /// Where in a slot the footer begins.
    footer: usize,
    /// Where in a slot the indirect table begins.
    table: usize,
}

impl<D: Dma> SlotMemory<D> {
    /// Allocates zeroed memory for `slots` slots; `table_entries` is 0 where there are no indirect tables.
    pub(super) fn new(
        dma: &D,
        slots: u16,
        header_bytes: usize,
        footer_bytes: usize,
        table_entries: usize,
    ) -> Result<Self, DmaError> {
        let align_bytes = DESCRIPTOR_TABLE_ALIGN;
        let layout = || {
            let footer = header_bytes.checked_next_multiple_of(align_bytes)?;
            let table = footer.checked_add(footer_bytes.checked_next_multiple_of(align_bytes)?)?;
            let stride = table.checked_add(table_entries.checked_mul(size_of::<Descriptor>())?)?;
            Some((
                footer,
                table,
                stride,
                stride.checked_mul(usize::from(slots))?,
            ))
        };
        let (footer, table, stride, size_bytes) = layout().ok_or(DmaError::InvalidLayout {
            size_bytes: usize::MAX,
            align_bytes,
        })?;
        let memory = ManuallyDrop::new(DmaRegion::new(dma, size_bytes, align_bytes)?);
        Ok(Self {
            memory,
            stride,
            footer,
            table,
        })
    }

    /// Returns the memory; the caller knows that the device cannot reach it any more.
    pub(super) fn into_memory(self) -> DmaRegion<D> {
        ManuallyDrop::into_inner(self.memory)
    }

    pub(super) fn write_header<T: IntoBytes + Immutable>(
        &self,
        slot: u16,
        header: &T,
    ) -> Result<DmaAddr, OutOfRange> {
        self.write_at(self.offset(slot, 0), header)
    }

    pub(super) fn write_footer<T: IntoBytes + Immutable>(
        &self,
        slot: u16,
        footer: &T,
    ) -> Result<DmaAddr, OutOfRange> {
        self.write_at(self.offset(slot, self.footer), footer)
    }

    /// Returns the first `len_bytes` of the footer, or as many as a `T` has; the rest of the `T` is zero.
    pub(super) fn read_footer<T: FromBytes + IntoBytes>(
        &self,
        slot: u16,
        len_bytes: u32,
    ) -> Result<T, OutOfRange> {
        let mut value = T::new_zeroed();
        let len = (len_bytes as usize).min(size_of::<T>());
        let bytes = value.as_mut_bytes().get_mut(..len).unwrap_or_default();
        self.memory
            .read_into(self.offset(slot, self.footer), bytes)?;
        Ok(value)
    }

    pub(super) fn write_table_entry(
        &self,
        slot: u16,
        index: u16,
        descriptor: &Descriptor,
    ) -> Result<(), OutOfRange> {
        let entry = usize::from(index).wrapping_mul(size_of::<Descriptor>());
        self.memory.write(
            self.offset(slot, self.table.wrapping_add(entry)),
            descriptor,
        )
    }

    pub(super) fn table_addr(&self, slot: u16) -> Result<DmaAddr, OutOfRange> {
        self.memory.device_addr_at(self.offset(slot, self.table))
    }

    fn write_at<T: IntoBytes + Immutable>(
        &self,
        offset: usize,
        value: &T,
    ) -> Result<DmaAddr, OutOfRange> {
        self.memory.write(offset, value)?;
        self.memory.device_addr_at(offset)
    }

    /// Returns an offset that `DmaRegion` checks.
    fn offset(&self, slot: u16, part: usize) -> usize {
        usize::from(slot)
            .wrapping_mul(self.stride)
            .wrapping_add(part)
    }
}
