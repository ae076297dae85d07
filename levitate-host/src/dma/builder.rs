//! The choices a test has about its DMA memory: [`PoolBuilder`].

use std::sync::{Arc, Mutex};

use super::arena::Arena;
use super::policy::Policy;
use super::pool::{Pool, Shared};
use super::state::{Addresses, State};

/// Above 4 GiB, so that a driver that drops the high half of an address is found out.
const DEFAULT_BASE: u64 = 0x12_8000_0000;
/// Address space, not memory: what is not used takes none, but under Miri, which keeps account of every byte.
const DEFAULT_LEN_BYTES: usize = if cfg!(miri) { 1 << 24 } else { 1 << 30 };

/// How a pool shall be; made by [`Pool::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PoolBuilder {
    base: u64,
    len_bytes: usize,
    exact_alignment: bool,
    policy: Policy,
}

impl PoolBuilder {
    pub(super) const fn new() -> Self {
        Self {
            base: DEFAULT_BASE,
            len_bytes: DEFAULT_LEN_BYTES,
            exact_alignment: false,
            policy: Policy::Iommu,
        }
    }

    /// Places everything at *odd* multiples of the alignment asked for, under both addresses,
    /// so that an alignment that was not asked for is not there by luck.
    pub const fn exact_alignment(mut self) -> Self {
        self.exact_alignment = true;
        self
    }

    /// Chooses how devices reach memory; it is [`Policy::Iommu`] if nobody chooses.
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Starts device addresses at `base` instead of above 4 GiB; under [`Policy::Bounce`] at the next multiple of the memory's
    /// length, so that alignments hold under both addresses, and under [`Policy::Identity`] not at all.
    pub const fn device_base(mut self, base: u64) -> Self {
        self.base = base;
        self
    }

    /// Sets how much memory there is, rounded up to a power of two, instead of 1 GiB (16 MiB under Miri); only what is used is
    /// taken from the machine.
    pub const fn memory_len(mut self, len_bytes: usize) -> Self {
        self.len_bytes = len_bytes;
        self
    }

    /// Makes the pool.
    ///
    /// # Panics
    ///
    /// If the process may not have the address space or another open file.
    #[must_use]
    pub fn build(self) -> Pool {
        let arena = Arena::new(self.len_bytes).expect("memory that can be shared");
        let addresses = match self.policy {
            Policy::Identity => Addresses::Linear {
                base: arena.mapping().base().addr().get() as u64,
            },
            Policy::Bounce => Addresses::Linear {
                base: self
                    .base
                    .next_multiple_of(arena.mapping().len_bytes() as u64),
            },
            Policy::Iommu | Policy::FaultInjecting { .. } => Addresses::Fresh { next: self.base },
        };
        let state = State::new(arena, self.policy, addresses, self.exact_alignment);
        Pool {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
            }),
        }
    }
}
