//! DMA memory, and what a test asks about it: [`Pool`].

use std::fmt;
use std::sync::{Arc, Mutex};

use super::builder::PoolBuilder;
use super::memory::{DeviceMemory, StrayAccess};
use super::state::{Live, Misuse, State};
use crate::sync::lock;

/// DMA memory of a process, which devices reach as a [`Policy`](super::Policy) has it.
///
/// Clones are the same pool.
/// When the last of them, of the devices and of the memory is gone, it panics if memory was misused or leaked, or if a device
/// left the memory it was given; [`assert_no_leaks`](Self::assert_no_leaks) asks at a time of the test's choice.
#[derive(Clone)]
pub struct Pool {
    pub(super) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
}

impl Pool {
    /// Makes a pool behind an IOMMU that fails nothing by itself.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Chooses how a pool shall be.
    pub const fn builder() -> PoolBuilder {
        PoolBuilder::new()
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

    /// Returns the stray accesses and forgets them, for a test that provokes them.
    #[must_use]
    pub fn take_stray_accesses(&self) -> Vec<StrayAccess> {
        std::mem::take(&mut lock(&self.shared.state).strays)
    }

    /// Returns the rules of [`Dma`](levitate_hal::Dma) that were broken so far.
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
    /// If something is still allocated or mapped, or was misused, or a device strayed; the message lists it.
    pub fn assert_no_leaks(&self) {
        let complaint = lock(&self.shared.state).complaint(true);
        refuse(complaint);
    }

    /// Checks what is checked when the pool goes away: as [`assert_no_leaks`](Self::assert_no_leaks), but for leaks that are allowed.
    ///
    /// # Panics
    ///
    /// If something is wrong; the message lists it.
    pub fn assert_settled(&self) {
        let complaint = lock(&self.shared.state).last_complaint();
        refuse(complaint);
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

impl Drop for Shared {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if !state.ranges.is_empty() {
            // Whoever leaked memory may go on using it (`Dma::allocate`).
            state.arena.keep();
        }
        if std::thread::panicking() {
            return;
        }
        let complaint = state.last_complaint();
        drop(state);
        refuse(complaint);
    }
}

fn refuse(complaint: Option<String>) {
    if let Some(complaint) = complaint {
        panic!("DMA memory: {complaint}");
    }
}
