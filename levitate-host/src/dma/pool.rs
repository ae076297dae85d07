//! The driver's side: [`Pool`] implements [`Dma`].

use std::alloc::Layout;
use std::collections::BTreeMap;
use std::fmt;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

use levitate_hal::{Direction, Dma, DmaAddr, DmaAllocation, DmaError};

use super::heap::HeapBlock;
use super::memory::{DeviceMemory, StrayAccess};
use super::state::{Kind, Live, Misuse, PAGE_BYTES, Place, Range, State};
use crate::sync::lock;

/// What freed and unmapped memory is filled with.
const POISON: u8 = 0xa5;
/// Above 4 GiB, so that a driver that drops the high half of an address is found out.
const DEFAULT_BASE: u64 = 0x12_8000_0000;

/// DMA memory of a process, under device addresses that have nothing in common with its CPU addresses.
///
/// Clones are the same pool.
/// When the last of them, of the devices and of the memory is gone, it panics if memory was misused or leaked;
/// [`assert_no_leaks`](Self::assert_no_leaks) asks at a time of the test's choice.
#[derive(Clone)]
pub struct Pool {
    pub(super) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
}

/// How a pool shall be; made by [`Pool::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PoolBuilder {
    base: u64,
    exact_alignment: bool,
    bounce: bool,
}

impl PoolBuilder {
    /// Places everything at *odd* multiples of the alignment asked for, under both addresses,
    /// so that an alignment that was not asked for is not there by luck.
    pub const fn exact_alignment(mut self) -> Self {
        self.exact_alignment = true;
        self
    }

    /// Gives each mapping a buffer of its own that is copied to and from on sync, and poisoned on unmap.
    pub const fn bounce(mut self) -> Self {
        self.bounce = true;
        self
    }

    /// Starts device addresses at `base` instead of above 4 GiB.
    pub const fn device_base(mut self, base: u64) -> Self {
        self.base = base;
        self
    }

    /// Makes the pool.
    #[must_use]
    pub fn build(self) -> Pool {
        Pool {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    ranges: BTreeMap::new(),
                    next: self.base,
                    exact_alignment: self.exact_alignment,
                    bounce: self.bounce,
                    allow_leaks: false,
                    allocations_until_failure: None,
                    mappings_until_failure: None,
                    allocated_so_far: 0,
                    mapped_so_far: 0,
                    exposures: BTreeMap::new(),
                    exposed_so_far: 0,
                    strays: Vec::new(),
                    misuses: Vec::new(),
                }),
            }),
        }
    }
}

impl Pool {
    /// Makes a pool that maps buffers where they are and never runs out.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Chooses how a pool shall be.
    pub const fn builder() -> PoolBuilder {
        PoolBuilder {
            base: DEFAULT_BASE,
            exact_alignment: false,
            bounce: false,
        }
    }

    /// Returns the memory as a device sees it.
    #[must_use]
    pub fn device_memory(&self) -> DeviceMemory {
        DeviceMemory::new(self.shared.clone())
    }

    /// Lets `successes` more allocations succeed and the one after them fail, once.
    pub fn fail_allocation_after(&self, successes: usize) {
        lock(&self.shared.state).allocations_until_failure = Some(successes);
    }

    /// Lets `successes` more mappings succeed and the one after them fail, once.
    pub fn fail_mapping_after(&self, successes: usize) {
        lock(&self.shared.state).mappings_until_failure = Some(successes);
    }

    /// Returns how many allocations succeeded since the pool was made.
    #[must_use]
    pub fn allocated_so_far(&self) -> usize {
        lock(&self.shared.state).allocated_so_far
    }

    /// Returns how many mappings succeeded since the pool was made.
    #[must_use]
    pub fn mapped_so_far(&self) -> usize {
        lock(&self.shared.state).mapped_so_far
    }

    /// Counts what is allocated and mapped now.
    #[must_use]
    pub fn live(&self) -> Live {
        lock(&self.shared.state).live()
    }

    /// Returns the accesses of devices to memory they had no business with.
    #[must_use]
    pub fn stray_accesses(&self) -> Vec<StrayAccess> {
        lock(&self.shared.state).strays.clone()
    }

    /// Returns the rules of [`Dma`] that were broken so far.
    #[must_use]
    pub fn misuses(&self) -> Vec<Misuse> {
        lock(&self.shared.state).misuses.clone()
    }

    /// Returns the misuses and forgets them, for a test that provokes them.
    #[must_use]
    pub fn take_misuses(&self) -> Vec<Misuse> {
        std::mem::take(&mut lock(&self.shared.state).misuses)
    }

    /// Makes leaked memory no reason to panic at the end, for a test in which a driver rightly keeps memory from reuse.
    pub fn allow_leaks(&self) {
        lock(&self.shared.state).allow_leaks = true;
    }

    /// Checks that everything was given back, properly.
    ///
    /// # Panics
    ///
    /// If something is still allocated or mapped, or was misused; the message lists it.
    pub fn assert_no_leaks(&self) {
        let complaint = lock(&self.shared.state).complaint(true);
        assert!(
            complaint.is_none(),
            "DMA memory: {}",
            complaint.unwrap_or_default()
        );
    }

    /// Checks that no device left the memory it was given.
    ///
    /// # Panics
    ///
    /// If one did; the message lists the accesses.
    pub fn assert_no_stray_accesses(&self) {
        let strays = self.stray_accesses();
        assert!(strays.is_empty(), "stray accesses: {strays:#?}");
    }

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

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.live()).finish()
    }
}

// SAFETY: `allocate` returns a block of the heap that is this allocation's alone, zeroed, aligned under both addresses, and not
// freed before `release`, even if the pool is gone; the device sees the block itself. `map` gives the device the buffer, or a
// bounce buffer that is copied on every sync, under addresses of its own with free pages around them. No method panics:
// what is wrong is recorded.
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
        let block = HeapBlock::new(size_bytes, align_bytes, state.exact_alignment).ok_or(none)?;
        let Some(start) = state.take_addresses(size_bytes, align_bytes) else {
            // SAFETY: the block was just made, so nobody uses it.
            unsafe { block.free(POISON) };
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
            unsafe { block.free(POISON) };
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
        let bounce = if state.bounce {
            Some(HeapBlock::new(size_bytes, 1, true).ok_or(none)?)
        } else {
            None
        };
        // The place within the page stays what it was, as with an IOMMU.
        let in_page = buffer.cast::<u8>().addr().get() as u64 % PAGE_BYTES;
        let Some(page) = size_bytes
            .checked_add(PAGE_BYTES as usize)
            .and_then(|room| state.take_addresses(room, 1))
            .map(|start| start - start % PAGE_BYTES)
        else {
            if let Some(block) = bounce {
                // SAFETY: the block was just made, so nobody uses it.
                unsafe { block.free(POISON) };
            }
            return Err(none);
        };
        let start = page + in_page;
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
            unsafe { block.free(POISON) };
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

impl Drop for Shared {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let state = lock(&self.state);
        let complaint = state.complaint(!state.allow_leaks);
        drop(state);
        assert!(
            complaint.is_none(),
            "DMA memory: {}",
            complaint.unwrap_or_default()
        );
    }
}
