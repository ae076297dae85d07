//! A pool's memory as rust-vmm reads and writes it: [`LockedMemory`].

use std::cell::{Cell, RefCell};
use std::iter::FusedIterator;
use std::sync::MutexGuard;

use vm_memory::guest_memory::{GuestMemorySliceIterator, Result as GuestResult};
use vm_memory::{
    GuestAddress, GuestMemory, GuestMemoryError, GuestMemoryMmap, Permissions, VolatileSlice,
};

use super::memory::{AccessKind, DeviceMemory, StrayAccess};
use super::state::State;
use crate::sync::lock;

/// The memory of a pool that is locked meanwhile, so that no range goes away.
///
/// Do not use the pool or its [`DeviceMemory`] while one is there.
pub(crate) struct LockedMemory<'a> {
    state: RefCell<MutexGuard<'a, State>>,
    stray: Cell<Option<StrayAccess>>,
}

impl DeviceMemory {
    /// Locks the memory for rust-vmm.
    pub(crate) fn lock(&self) -> LockedMemory<'_> {
        LockedMemory {
            state: RefCell::new(lock(&self.shared.state)),
            stray: Cell::new(None),
        }
    }
}

impl LockedMemory<'_> {
    /// Returns the first access that was not to be, for rust-vmm's errors do not say which it was.
    pub(crate) const fn stray(&self) -> Option<StrayAccess> {
        self.stray.get()
    }
}

/// The kinds of access that `permissions` stand for.
fn kinds(permissions: Permissions) -> impl Iterator<Item = AccessKind> {
    let read = permissions.allow(Permissions::Read);
    let write = permissions.allow(Permissions::Write);
    [
        read.then_some(AccessKind::Read),
        write.then_some(AccessKind::Write),
    ]
    .into_iter()
    .flatten()
}

impl GuestMemory for LockedMemory<'_> {
    // Never made: what is behind the translation is no such thing.
    type PhysicalMemory = GuestMemoryMmap<()>;
    type Bitmap = ();

    fn check_range(&self, addr: GuestAddress, count: usize, access: Permissions) -> bool {
        let state = self.state.borrow();
        kinds(access).all(|kind| state.resolve(addr.0, count as u64, kind).is_ok())
    }

    fn get_slices<'a>(
        &'a self,
        addr: GuestAddress,
        count: usize,
        access: Permissions,
    ) -> GuestResult<impl GuestMemorySliceIterator<'a, ()>> {
        let mut place = None;
        if count > 0 {
            let mut state = self.state.borrow_mut();
            for kind in kinds(access) {
                match state.resolve(addr.0, count as u64, kind) {
                    Ok(found) => place = Some(found),
                    Err(stray) => {
                        state.strays.push(stray);
                        self.stray.set(self.stray.get().or(Some(stray)));
                        return Err(GuestMemoryError::InvalidGuestAddress(addr));
                    }
                }
            }
        }
        // SAFETY: `resolve` found `count` bytes there, which stay while the pool is locked, and so for as long as `self` is
        // borrowed; the driver keeps to the rules of `DeviceMemory`: what it wrote before it published an index it leaves alone
        // until the device has given it back, and what else it shares with the device it accesses volatile.
        let slice =
            |place: std::ptr::NonNull<u8>| unsafe { VolatileSlice::new(place.as_ptr(), count) };
        Ok(OneSlice(place.map(slice)))
    }
}

/// A range is never in pieces.
struct OneSlice<'a>(Option<VolatileSlice<'a>>);

impl<'a> Iterator for OneSlice<'a> {
    type Item = GuestResult<VolatileSlice<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl FusedIterator for OneSlice<'_> {}

impl<'a> GuestMemorySliceIterator<'a, ()> for OneSlice<'a> {}
