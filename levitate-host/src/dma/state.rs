//! What a pool knows: its live ranges, who may reach them, and what went wrong.

use std::alloc::Layout;
use std::collections::BTreeMap;
use std::ptr::NonNull;

use levitate_hal::{Direction, DmaAddr};
use thiserror::Error;

use super::arena::{Arena, Block};
use super::memory::{AccessKind, StrayAccess, StrayReason};
use super::policy::Policy;

/// The unit of device addresses: each range has pages of its own.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// What is allocated and mapped now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Coherent allocations that were not released.
    pub allocations: usize,
    /// Mappings that were not ended.
    pub mappings: usize,
}

/// A rule of [`Dma`](levitate_hal::Dma) that a driver broke.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Misuse {
    /// No live allocation begins there: released twice, or never allocated.
    #[error("release of {device}, where no allocation begins")]
    ReleaseOfNothing {
        /// The address given back.
        device: DmaAddr,
    },
    /// The layout or the CPU address is not that of the allocation.
    #[error(
        "release of {device} as {given:?}, but it was allocated as {allocated:?} (or at another CPU address)"
    )]
    ReleaseOfAnother {
        /// The address given back.
        device: DmaAddr,
        /// The layout given back.
        given: Layout,
        /// The layout allocated.
        allocated: Layout,
    },
    /// No live mapping begins there: unmapped twice, or never mapped.
    #[error("{operation} of {device}, where no mapping begins")]
    NoSuchMapping {
        /// `unmap`, `sync_for_device` or `sync_for_cpu`.
        operation: &'static str,
        /// The address given.
        device: DmaAddr,
    },
    /// Buffer or direction differ from those the mapping was made with.
    #[error("{operation} of {device} with a buffer or direction it was not mapped with")]
    OtherMapping {
        /// `unmap`, `sync_for_device` or `sync_for_cpu`.
        operation: &'static str,
        /// The address given.
        device: DmaAddr,
    },
    /// The memory was given back while a device could still reach it (§3.3.1, CLEAN-02).
    #[error(
        "{operation} of {device} while a device may still use {exposed_len_bytes} bytes at {exposed}"
    )]
    StillExposed {
        /// `release` or `unmap`.
        operation: &'static str,
        /// The address given back.
        device: DmaAddr,
        /// The first byte the device may use.
        exposed: DmaAddr,
        /// How many it may use.
        exposed_len_bytes: u64,
    },
}

/// A pointer into memory that outlives the entry it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) NonNull<u8>);

// SAFETY: it is only followed under the pool's lock, to memory whose owner undertook to keep it (`Dma::map`, `Dma::allocate`).
unsafe impl Send for Place {}

#[derive(Debug)]
pub(crate) enum Kind {
    Coherent {
        block: Block,
        layout: Layout,
    },
    Mapping {
        buffer: Place,
        direction: Direction,
        bounce: Option<Block>,
    },
}

/// Memory a device can reach.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) len_bytes: usize,
    pub(crate) kind: Kind,
}

impl Range {
    /// Returns where the device's accesses go.
    pub(crate) fn target(&self) -> NonNull<u8> {
        match &self.kind {
            Kind::Coherent { block, .. }
            | Kind::Mapping {
                bounce: Some(block),
                ..
            } => block.start(),
            Kind::Mapping {
                buffer,
                bounce: None,
                ..
            } => buffer.0,
        }
    }

    fn permits(&self, kind: AccessKind) -> Result<(), StrayReason> {
        match (&self.kind, kind) {
            (Kind::Coherent { .. }, _)
            | (
                Kind::Mapping {
                    direction: Direction::Both,
                    ..
                },
                _,
            )
            | (
                Kind::Mapping {
                    direction: Direction::ToDevice,
                    ..
                },
                AccessKind::Read,
            )
            | (
                Kind::Mapping {
                    direction: Direction::FromDevice,
                    ..
                },
                AccessKind::Write,
            ) => Ok(()),
            (Kind::Mapping { direction, .. }, _) => Err(StrayReason::Direction(*direction)),
        }
    }
}

/// Where devices find memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Addresses {
    /// The arena is one range.
    Linear {
        /// Where it begins.
        base: u64,
    },
    /// Each range has addresses of its own.
    Fresh {
        /// The first that was never used.
        next: u64,
    },
}

/// The state behind all clones of a pool.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) arena: Arena,
    pub(crate) policy: Policy,
    pub(crate) exact_alignment: bool,
    pub(crate) ranges: BTreeMap<u64, Range>,
    addresses: Addresses,
    pub(crate) allow_leaks: bool,
    pub(crate) allocations_until_failure: Option<usize>,
    pub(crate) mappings_until_failure: Option<usize>,
    pub(crate) allocated_so_far: usize,
    pub(crate) mapped_so_far: usize,
    pub(crate) exposures: BTreeMap<u64, (u64, u64)>,
    pub(crate) exposed_so_far: u64,
    pub(crate) strays: Vec<StrayAccess>,
    pub(crate) misuses: Vec<Misuse>,
}

impl State {
    pub(crate) fn new(
        arena: Arena,
        policy: Policy,
        addresses: Addresses,
        exact_alignment: bool,
    ) -> Self {
        let (allocations, mappings) = match policy {
            Policy::FaultInjecting {
                allocations,
                mappings,
            } => (allocations, mappings),
            Policy::Identity | Policy::Bounce | Policy::Iommu => (None, None),
        };
        Self {
            arena,
            policy,
            exact_alignment,
            ranges: BTreeMap::new(),
            addresses,
            allow_leaks: false,
            allocations_until_failure: allocations,
            mappings_until_failure: mappings,
            allocated_so_far: 0,
            mapped_so_far: 0,
            exposures: BTreeMap::new(),
            exposed_so_far: 0,
            strays: Vec::new(),
            misuses: Vec::new(),
        }
    }

    /// Returns where a device finds the arena, if that is one linear range.
    pub(crate) const fn linear_base(&self) -> Option<u64> {
        match self.addresses {
            Addresses::Linear { base } => Some(base),
            Addresses::Fresh { .. } => None,
        }
    }

    /// Returns where a device finds `block`.
    pub(crate) fn address_of(
        &mut self,
        block: &Block,
        len_bytes: usize,
        align: usize,
    ) -> Option<u64> {
        match self.addresses {
            Addresses::Linear { base } => Some(base + block.offset() as u64),
            Addresses::Fresh { .. } => self.take_addresses(len_bytes, align),
        }
    }

    /// Says whether something of `len_bytes` at `start` is there already.
    pub(crate) fn is_taken(&self, start: u64, len_bytes: usize) -> bool {
        let end = start.saturating_add(len_bytes as u64);
        self.ranges
            .range(..end)
            .next_back()
            .is_some_and(|(at, range)| at + range.len_bytes as u64 > start)
    }

    /// Takes fresh device addresses for `len_bytes`, with a page before and after that belong to nobody; `None` if they are used
    /// up, or if there are none but those of the arena.
    pub(crate) fn take_addresses(&mut self, len_bytes: usize, align: usize) -> Option<u64> {
        let Addresses::Fresh { next } = &mut self.addresses else {
            return None;
        };
        let align = align as u64;
        let page_align = align.max(PAGE_BYTES);
        let start = if self.exact_alignment {
            // An odd multiple of `align`, whatever the page.
            let whole = align.checked_mul(2)?.max(PAGE_BYTES);
            next.checked_add(PAGE_BYTES)?
                .checked_next_multiple_of(whole)?
                .checked_add(align)?
        } else {
            next.checked_add(PAGE_BYTES)?
                .checked_next_multiple_of(page_align)?
        };
        *next = start
            .checked_add(len_bytes as u64)?
            .checked_next_multiple_of(PAGE_BYTES)?;
        Some(start)
    }

    /// Counts down to a failure that was asked for; true when it is due.
    pub(crate) fn is_due(countdown: &mut Option<usize>) -> bool {
        match countdown {
            None => false,
            Some(0) => {
                *countdown = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }

    /// Returns where the device finds `len_bytes` at `addr`, or says why it does not; does not record it.
    pub(crate) fn resolve(
        &self,
        addr: u64,
        len_bytes: u64,
        kind: AccessKind,
    ) -> Result<NonNull<u8>, StrayAccess> {
        let stray = |reason| StrayAccess {
            addr: DmaAddr::new(addr),
            len_bytes,
            kind,
            reason,
        };
        let Some((&start, range)) = self.ranges.range(..=addr).next_back() else {
            return Err(stray(StrayReason::Nothing));
        };
        let offset = addr - start;
        let range_len = range.len_bytes as u64;
        if offset >= range_len {
            return Err(stray(StrayReason::Nothing));
        }
        if offset
            .checked_add(len_bytes)
            .is_none_or(|end| end > range_len)
        {
            return Err(stray(StrayReason::PastEnd {
                start: DmaAddr::new(start),
                range_len_bytes: range_len,
            }));
        }
        range.permits(kind).map_err(stray)?;
        // SAFETY: `offset` is below the length of the range, checked above, and the target is that long.
        Ok(unsafe { range.target().add(offset as usize) })
    }

    /// Records a misuse if a device may still reach the range at `start` that is given back.
    pub(crate) fn check_concealed(&mut self, operation: &'static str, start: u64, len_bytes: u64) {
        let end = start.saturating_add(len_bytes);
        let found = self
            .exposures
            .values()
            .find(|(at, len)| *at < end && start < at.saturating_add(*len));
        if let Some(&(exposed, exposed_len_bytes)) = found {
            self.misuses.push(Misuse::StillExposed {
                operation,
                device: DmaAddr::new(start),
                exposed: DmaAddr::new(exposed),
                exposed_len_bytes,
            });
        }
    }

    pub(crate) fn live(&self) -> Live {
        let mappings = self
            .ranges
            .values()
            .filter(|range| matches!(range.kind, Kind::Mapping { .. }))
            .count();
        Live {
            allocations: self.ranges.len() - mappings,
            mappings,
        }
    }

    /// Says what a test should fail for in the end, if anything.
    pub(crate) fn last_complaint(&self) -> Option<String> {
        self.complaint(!self.allow_leaks)
    }

    /// Says in words what a test should fail for, if anything.
    pub(crate) fn complaint(&self, leaks_matter: bool) -> Option<String> {
        let mut lines: Vec<String> = self.misuses.iter().map(ToString::to_string).collect();
        lines.extend(self.strays.iter().map(ToString::to_string));
        if leaks_matter {
            lines.extend(self.ranges.iter().map(|(start, range)| {
                let what = match range.kind {
                    Kind::Coherent { .. } => "allocation",
                    Kind::Mapping { .. } => "mapping",
                };
                format!("leaked: {what} of {} bytes at {start:#x}", range.len_bytes)
            }));
        }
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}
