//! DMA memory that remembers what was given out, so that it can be taken back after a driver rightly leaked it: [`Memory`].

use std::alloc::Layout;
use std::cell::RefCell;
use std::ptr::NonNull;
use std::rc::Rc;

use levitate_hal::{Direction, Dma, DmaAddr, DmaAllocation, DmaError};
use levitate_host::{Policy, Pool};

use crate::sabotage::Sabotage;

/// Bytes of the largest piece there is: what a device talks a driver into allocating must not slow the run down.
const MAX_BYTES: usize = 64 << 10;

thread_local! {
    static SPARE: RefCell<Option<(Policy, Pool)>> = const { RefCell::new(None) };
}

/// A [`Pool`] with a ledger.
///
/// INVARIANT: every mapping is of a `Box<[u8]>`: programs of this crate have no others.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    policy: Policy,
    pool: Pool,
    ledger: Rc<RefCell<Ledger>>,
}

#[derive(Debug, Default)]
struct Ledger {
    allocations: Vec<(DmaAllocation, Layout)>,
    mappings: Vec<(NonNull<[u8]>, DmaAddr, Direction)>,
    sabotage: Sabotage,
}

impl Memory {
    pub(crate) fn new(policy: Policy, sabotage: Sabotage) -> Self {
        let ledger = Ledger {
            sabotage,
            ..Ledger::default()
        };
        let spare = SPARE.take().filter(|(other, _)| *other == policy);
        let pool = spare.map(|(_, pool)| pool);
        let pool = pool.unwrap_or_else(|| Pool::builder().policy(policy).build());
        // Whatever an earlier input wanted to fail does not any more.
        pool.fail_allocation_after(usize::MAX);
        Self {
            policy,
            pool,
            ledger: Rc::new(RefCell::new(ledger)),
        }
    }

    pub(crate) const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Counts what was given out and not given back.
    pub(crate) fn live(&self) -> usize {
        let ledger = self.ledger.borrow();
        ledger.allocations.len() + ledger.mappings.len()
    }

    /// Leaves the pool, which is as good as new, to the next input: making one takes longer than most inputs.
    pub(crate) fn recycle(self) {
        SPARE.set(Some((self.policy, self.pool)));
    }

    /// Takes back what a driver leaked, so that one input leaves nothing to the next.
    ///
    /// # Safety
    ///
    /// The drivers that used the memory are gone, and so are their buffers, or they are leaked for good; and so is the device.
    pub(crate) unsafe fn reclaim(&self) {
        let (allocations, mappings) = {
            let mut ledger = self.ledger.borrow_mut();
            (
                std::mem::take(&mut ledger.allocations),
                std::mem::take(&mut ledger.mappings),
            )
        };
        for (allocation, layout) in allocations {
            // SAFETY: the pool gave it out with this layout and has not got it back, or it would not be in the ledger; nobody uses it (caller).
            unsafe { self.pool.release(allocation, layout) };
        }
        for (buffer, device, direction) in mappings {
            // SAFETY: mapped so and not unmapped, or it would not be in the ledger; nobody uses it (caller).
            unsafe { self.pool.unmap(buffer, device, direction) };
            // SAFETY: it was a box (invariant) that its owner leaked, for otherwise it would have been unmapped.
            drop(unsafe { Box::from_raw(buffer.as_ptr()) });
        }
    }
}

// SAFETY: all is done by the pool, which keeps these promises; the ledger only takes notes. A sabotaged one breaks them on purpose:
// it is used with drivers whose failure is then the test's success, and gives nothing back that the CPU may still use.
unsafe impl Dma for Memory {
    fn allocate(&self, layout: Layout) -> Result<DmaAllocation, DmaError> {
        if layout.size() > MAX_BYTES {
            return Err(DmaError::OutOfMemory {
                size_bytes: layout.size(),
                align_bytes: layout.align(),
            });
        }
        let allocation = self.pool.allocate(layout)?;
        self.ledger
            .borrow_mut()
            .allocations
            .push((allocation, layout));
        Ok(allocation)
    }

    unsafe fn release(&self, allocation: DmaAllocation, layout: Layout) {
        let mut ledger = self.ledger.borrow_mut();
        if ledger.sabotage == Sabotage::Leak {
            return;
        }
        ledger
            .allocations
            .retain(|(other, _)| other.device != allocation.device);
        // SAFETY: the caller keeps to the contract of `release`, which is the pool's.
        unsafe { self.pool.release(allocation, layout) };
    }

    unsafe fn map(&self, buffer: NonNull<[u8]>, direction: Direction) -> Result<DmaAddr, DmaError> {
        // SAFETY: the caller keeps to the contract of `map`, which is the pool's.
        let device = unsafe { self.pool.map(buffer, direction) }?;
        self.ledger
            .borrow_mut()
            .mappings
            .push((buffer, device, direction));
        Ok(device)
    }

    unsafe fn unmap(&self, buffer: NonNull<[u8]>, device: DmaAddr, direction: Direction) {
        self.ledger
            .borrow_mut()
            .mappings
            .retain(|(_, other, _)| *other != device);
        // SAFETY: the caller keeps to the contract of `unmap`, which is the pool's.
        unsafe { self.pool.unmap(buffer, device, direction) };
    }

    unsafe fn sync_for_device(&self, buffer: NonNull<[u8]>, device: DmaAddr, direction: Direction) {
        // SAFETY: the caller keeps to the contract of `sync_for_device`, which is the pool's.
        unsafe { self.pool.sync_for_device(buffer, device, direction) };
    }

    unsafe fn sync_for_cpu(&self, buffer: NonNull<[u8]>, device: DmaAddr, direction: Direction) {
        // SAFETY: the caller keeps to the contract of `sync_for_cpu`, which is the pool's.
        unsafe { self.pool.sync_for_cpu(buffer, device, direction) };
    }
}
