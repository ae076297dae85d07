//! One contiguous piece of a framebuffer's memory: [`Chunk`].

use core::fmt;
use core::mem::ManuallyDrop;

use levitate_hal::{Dma, DmaError, DmaSlice, Segment, Segments};

use crate::device::Stopped;
use crate::pixel::Bgrx8888;

/// Alignment of a chunk: a cache line, so that nothing else shares its first and last one.
const ALIGN_BYTES: usize = 64;

/// Which resource of which life of which device a chunk's memory is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The number of the [`Gpu`](crate::Gpu).
    pub(crate) gpu: u64,
    /// Counts the device's resets.
    pub(crate) life: u64,
    /// The resource.
    pub(crate) resource_id: u32,
}

/// A place for one contiguous piece of a framebuffer's memory; empty at first.
///
/// A chunk keeps its memory until the device cannot reach it any more: it was told that the resource is not needed, or it was reset.
/// A chunk that is dropped or overwritten before leaks its memory, for the device may still read it.
pub struct Chunk<D: Dma> {
    /// INVARIANT: while there is an owner, the device may read it.
    memory: Option<ManuallyDrop<DmaSlice<Bgrx8888, D>>>,
    owner: Option<Owner>,
}

impl<D: Dma> Chunk<D> {
    /// Makes a chunk without memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            memory: None,
            owner: None,
        }
    }

    /// Says whether there is memory in it that a device may reach.
    #[must_use]
    pub const fn is_in_use(&self) -> bool {
        self.owner.is_some()
    }

    /// Frees the memory, if it belongs to the device that was stopped; says whether there is none now.
    pub fn release(&mut self, stopped: &Stopped) -> bool {
        if self.owner.is_some_and(|owner| stopped.covers(owner.gpu)) {
            self.free();
        }
        self.memory.is_none()
    }

    /// Allocates zeroed memory for pixels.
    pub(crate) fn allocate(&mut self, dma: &D, pixels: usize) -> Result<(), DmaError> {
        let memory = DmaSlice::new_zeroed_aligned(dma, pixels, ALIGN_BYTES)?;
        self.memory = Some(ManuallyDrop::new(memory));
        Ok(())
    }

    /// Frees the memory; the caller knows that no device can reach it.
    pub(crate) fn free(&mut self) {
        self.owner = None;
        drop(self.memory.take().map(ManuallyDrop::into_inner));
    }

    pub(crate) const fn owner(&self) -> Option<Owner> {
        self.owner
    }

    pub(crate) const fn set_owner(&mut self, owner: Option<Owner>) {
        self.owner = owner;
    }

    pub(crate) const fn has_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Returns where the device finds the memory.
    pub(crate) fn segment(&self) -> Option<Segment> {
        self.memory.as_ref()?.segment(0)
    }

    pub(crate) fn pixels(&self) -> &[Bgrx8888] {
        match &self.memory {
            Some(memory) => memory,
            None => &[],
        }
    }

    pub(crate) fn pixels_mut(&mut self) -> &mut [Bgrx8888] {
        match &mut self.memory {
            Some(memory) => memory,
            None => &mut [],
        }
    }
}

impl<D: Dma> Default for Chunk<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D: Dma> fmt::Debug for Chunk<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("pixels", &self.pixels().len())
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}
