//! What a driver asks of its platform: [`Dma`] for [`Pool`].

use std::alloc::Layout;
use std::ptr::NonNull;

use levitate_hal::{Direction, Dma, DmaAddr, DmaAllocation, DmaError};

use super::arena::Block;
use super::policy::Policy;
use super::pool::Pool;
use super::state::{Kind, Misuse, PAGE_BYTES, Place, Range, State};
use crate::sync::lock;

/// What freed and unmapped memory is filled with.
const POISON: u8 = 0xa5;

// SAFETY: `allocate` returns a block of the arena that is this allocation's alone, zeroed, aligned under both addresses, and not
// given out again before `release`; the arena stays mapped if the pool goes away before that. The device sees the block itself.
// `map` gives the device the buffer, or a bounce buffer that is copied on every sync, to the byte. No method panics: what is
// wrong is recorded.
unsafe impl Dma for Pool {
    fn allocate(&self, layout: Layout) -> Result<DmaAllocation, DmaError> {
        let (size_bytes, align_bytes) = (layout.size(), layout.align());
        if size_bytes == 0 {
            return Err(DmaError::InvalidLayout {
                size_bytes,
                align_bytes,
            });
        }
        let none = DmaError::OutOfMemory {
            size_bytes,
            align_bytes,
        };
        let mut state = lock(&self.shared.state);
        if State::is_due(&mut state.allocations_until_failure) {
            return Err(none);
        }
        let exactly = state.exact_alignment;
        let block = state
            .arena
            .allocate(size_bytes, align_bytes, exactly)
            .ok_or(none)?;
        let Some(start) = state.address_of(&block, size_bytes, align_bytes) else {
            // SAFETY: the block was just made, so nobody uses it.
            unsafe { state.arena.free(block, POISON) };
            return Err(none);
        };
        let allocation = DmaAllocation {
            cpu: block.start(),
            device: DmaAddr::new(start),
        };
        state.allocated_so_far += 1;
        state.ranges.insert(
            start,
            Range {
                len_bytes: size_bytes,
                kind: Kind::Coherent { block, layout },
            },
        );
        Ok(allocation)
    }

    unsafe fn release(&self, allocation: DmaAllocation, layout: Layout) {
        let mut state = lock(&self.shared.state);
        let device = allocation.device;
        match state.ranges.get(&device.get()) {
            Some(Range {
                kind:
                    Kind::Coherent {
                        block,
                        layout: allocated,
                    },
                ..
            }) => {
                if layout != *allocated || allocation.cpu != block.start() {
                    let misuse = Misuse::ReleaseOfAnother {
                        device,
                        given: layout,
                        allocated: *allocated,
                    };
                    state.misuses.push(misuse);
                    // Not freed: whose memory it is has become unclear.
                    return;
                }
            }
            _ => {
                state.misuses.push(Misuse::ReleaseOfNothing { device });
                return;
            }
        }
        state.check_concealed("release", device.get(), layout.size() as u64);
        if let Some(Range {
            kind: Kind::Coherent { block, .. },
            ..
        }) = state.ranges.remove(&device.get())
        {
            // SAFETY: the caller says that the CPU is done with it; devices no longer find it, for it has left the table.
            unsafe { state.arena.free(block, POISON) };
        }
    }

    unsafe fn map(&self, buffer: NonNull<[u8]>, direction: Direction) -> Result<DmaAddr, DmaError> {
        let size_bytes = buffer.len();
        if size_bytes == 0 {
            return Err(DmaError::NotMappable { size_bytes });
        }
        let none = DmaError::OutOfMemory {
            size_bytes,
            align_bytes: 1,
        };
        let mut state = lock(&self.shared.state);
        if State::is_due(&mut state.mappings_until_failure) {
            return Err(none);
        }
        let (start, bounce) = place(&mut state, buffer)?;
        let range = Range {
            len_bytes: size_bytes,
            kind: Kind::Mapping {
                buffer: Place(buffer.cast()),
                direction,
                bounce,
            },
        };
        // In every direction: bytes the device does not write must come back as they were.
        // SAFETY: the caller says that the buffer is valid, and lends it to `map` alone.
        unsafe { Self::copy_bounced(&range, true) };
        state.mapped_so_far += 1;
        state.ranges.insert(start, range);
        Ok(DmaAddr::new(start))
    }

    unsafe fn unmap(&self, buffer: NonNull<[u8]>, device: DmaAddr, direction: Direction) {
        let mut state = lock(&self.shared.state);
        if !Self::check_mapping(&mut state, "unmap", buffer, device, direction) {
            return;
        }
        state.check_concealed("unmap", device.get(), buffer.len() as u64);
        let Some(range) = state.ranges.remove(&device.get()) else {
            return;
        };
        if direction != Direction::ToDevice {
            // SAFETY: the caller says that the buffer is still valid, and nobody uses it during `unmap`.
            unsafe { Self::copy_bounced(&range, false) };
        }
        if let Kind::Mapping {
            bounce: Some(block),
            ..
        } = range.kind
        {
            // SAFETY: only this pool knows the bounce buffer; devices no longer find it, for it has left the table.
            unsafe { state.arena.free(block, POISON) };
        }
    }

    unsafe fn sync_for_device(&self, buffer: NonNull<[u8]>, device: DmaAddr, direction: Direction) {
        let mut state = lock(&self.shared.state);
        if Self::check_mapping(&mut state, "sync_for_device", buffer, device, direction)
            && direction != Direction::FromDevice
            && let Some(range) = state.ranges.get(&device.get())
        {
            // SAFETY: the mapping has not ended, so the buffer is valid; the caller lends it for the sync.
            unsafe { Self::copy_bounced(range, true) };
        }
    }

    unsafe fn sync_for_cpu(&self, buffer: NonNull<[u8]>, device: DmaAddr, direction: Direction) {
        let mut state = lock(&self.shared.state);
        if Self::check_mapping(&mut state, "sync_for_cpu", buffer, device, direction)
            && direction != Direction::ToDevice
            && let Some(range) = state.ranges.get(&device.get())
        {
            // SAFETY: the mapping has not ended, so the buffer is valid; the caller lends it for the sync.
            unsafe { Self::copy_bounced(range, false) };
        }
    }
}

/// Chooses where the device finds `buffer`, and takes a bounce buffer if it needs one.
fn place(state: &mut State, buffer: NonNull<[u8]>) -> Result<(u64, Option<Block>), DmaError> {
    let size_bytes = buffer.len();
    let none = DmaError::OutOfMemory {
        size_bytes,
        align_bytes: 1,
    };
    let cpu_address = buffer.cast::<u8>().addr().get() as u64;
    match state.policy {
        Policy::Identity => {
            if state.is_taken(cpu_address, size_bytes) {
                return Err(DmaError::NotMappable { size_bytes });
            }
            Ok((cpu_address, None))
        }
        Policy::Bounce => {
            // At an odd address, as a buffer has no alignment that a driver could count on.
            let block = state.arena.allocate(size_bytes, 1, true).ok_or(none)?;
            let start = state.address_of(&block, size_bytes, 1).ok_or(none)?;
            Ok((start, Some(block)))
        }
        Policy::Iommu | Policy::FaultInjecting { .. } => {
            let room = size_bytes.checked_add(PAGE_BYTES as usize).ok_or(none)?;
            let page = state.take_addresses(room, 1).ok_or(none)?;
            // The place within the page stays what it was.
            Ok((page - page % PAGE_BYTES + cpu_address % PAGE_BYTES, None))
        }
    }
}

impl Pool {
    /// Copies between a mapped buffer and its bounce buffer.
    ///
    /// # Safety
    ///
    /// The buffer of the mapping is valid for reads and writes, and nobody else uses it.
    unsafe fn copy_bounced(range: &Range, to_device: bool) {
        if let Kind::Mapping {
            buffer: Place(buffer),
            bounce: Some(bounce),
            ..
        } = &range.kind
        {
            let (from, to) = if to_device {
                (*buffer, bounce.start())
            } else {
                (bounce.start(), *buffer)
            };
            // SAFETY: both are `len_bytes` long, the one by the caller and the other by `map`, and do not overlap.
            unsafe { from.copy_to_nonoverlapping(to, range.len_bytes) };
        }
    }

    /// Finds the mapping at `device`, or records that there is no such one.
    fn check_mapping(
        state: &mut State,
        operation: &'static str,
        buffer: NonNull<[u8]>,
        device: DmaAddr,
        direction: Direction,
    ) -> bool {
        match state.ranges.get(&device.get()) {
            Some(Range {
                len_bytes,
                kind:
                    Kind::Mapping {
                        buffer: place,
                        direction: mapped,
                        ..
                    },
            }) => {
                let is_same =
                    *len_bytes == buffer.len() && place.0 == buffer.cast() && *mapped == direction;
                if !is_same {
                    state
                        .misuses
                        .push(Misuse::OtherMapping { operation, device });
                }
                is_same
            }
            _ => {
                state
                    .misuses
                    .push(Misuse::NoSuchMapping { operation, device });
                false
            }
        }
    }
}
