//! The choices a test has about its DMA memory: [`PoolBuilder`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::pool::{Pool, Shared};
use super::state::State;

/// Above 4 GiB, so that a driver that drops the high half of an address is found out.
const DEFAULT_BASE: u64 = 0x12_8000_0000;

/// How a pool shall be; made by [`Pool::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PoolBuilder {
    base: u64,
    exact_alignment: bool,
    bounce: bool,
}

impl PoolBuilder {
    pub(super) const fn new() -> Self {
        Self {
            base: DEFAULT_BASE,
            exact_alignment: false,
            bounce: false,
        }
    }

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
