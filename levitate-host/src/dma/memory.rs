//! The device's side: [`DeviceMemory`].

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use levitate_hal::{Direction, DmaAddr};
use thiserror::Error;

use super::pool::Shared;
use super::state::State;
use crate::sync::lock;

/// What a device did to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKind {
    /// It read.
    Read,
    /// It wrote.
    Write,
}

/// Why an access was not to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrayReason {
    /// Nothing is allocated or mapped there; a CPU address, or memory that was given back.
    Nothing,
    /// It begins inside a range and reaches past its end.
    PastEnd {
        /// Where the range begins.
        start: DmaAddr,
        /// How long it is.
        range_len_bytes: u64,
    },
    /// The mapping is for the other direction only.
    Direction(Direction),
}

/// An access of a device to memory that the driver has not given to it; nothing was read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("stray {kind:?} of {len_bytes} bytes at {addr}: {reason:?}")]
pub struct StrayAccess {
    /// The first byte.
    pub addr: DmaAddr,
    /// How many bytes.
    pub len_bytes: u64,
    /// Read or write.
    pub kind: AccessKind,
    /// What was wrong.
    pub reason: StrayReason,
}

/// Names a range that [`DeviceMemory::expose`] was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exposure(u64);

/// The memory of a [`Pool`](super::Pool) by device address, and nothing else of the process.
///
/// A device must only use ranges a driver has put into its queues and commands, and only until it has given them back.
///
/// Whoever drives a device must meanwhile
///
/// - hold no reference to what the device may write, and touch it by volatile copies only;
/// - write nothing that the device reads at that moment, but for the rings, whose order of writes says what is ready:
///   a driver that lets its user draw into an attached framebuffer leaves it to him not to while a frame of it is in flight.
///
/// Otherwise the two race for memory, which is undefined behaviour if they are on [two threads](crate::mmio::MmioBuilder::build_threaded).
/// The 16-bit numbers of a ring are the exception: both sides access them whole, the driver by volatile accesses.
#[derive(Clone)]
pub struct DeviceMemory {
    pub(super) shared: Arc<Shared>,
}

impl DeviceMemory {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Copies the bytes at `addr` to `bytes`.
    ///
    /// # Errors
    ///
    /// [`StrayAccess`], which is recorded; `bytes` is unchanged.
    pub fn read(&self, addr: u64, bytes: &mut [u8]) -> Result<(), StrayAccess> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.access(addr, bytes.len() as u64, AccessKind::Read, |from| {
            let to = NonNull::from(&mut *bytes).cast();
            // SAFETY: `access` found that many bytes at `from`, which stay while the pool is locked; `bytes` is that long.
            // The driver does not write them now: it keeps to the rules of `DeviceMemory`.
            unsafe { from.copy_to(to, bytes.len()) }
        })
    }

    /// Copies `bytes` to `addr`, as a device would: at any time, whoever looks at the memory.
    ///
    /// A driver that keeps to the rules has no reference to memory a device may write now, and a test must not either.
    ///
    /// # Errors
    ///
    /// [`StrayAccess`], which is recorded; nothing is written.
    pub fn write(&self, addr: u64, bytes: &[u8]) -> Result<(), StrayAccess> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.access(addr, bytes.len() as u64, AccessKind::Write, |to| {
            let from = NonNull::from(bytes).cast();
            // SAFETY: `access` found that many bytes at `to`, which stay while the pool is locked; `bytes` is that long.
            // The driver has no reference to them: it keeps to the rules of `DeviceMemory`.
            unsafe { to.copy_from(from, bytes.len()) }
        })
    }

    /// Reads the 16-bit number at `addr`, before everything that is read later.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn load_u16(&self, addr: u64) -> Result<u16, StrayAccess> {
        let mut value = 0;
        self.access(addr, 2, AccessKind::Read, |from| {
            if from.cast::<AtomicU16>().is_aligned() {
                // SAFETY: two valid bytes (`access`), aligned; drivers access them by whole volatile 16-bit accesses (above).
                let number = unsafe { AtomicU16::from_ptr(from.cast().as_ptr()) };
                // Acquire: partner is the driver's barrier before it publishes an index (§2.7.13.3.1).
                value = u16::from_le(number.load(Ordering::Acquire));
            } else {
                // SAFETY: two valid bytes (`access`).
                value = u16::from_le_bytes(unsafe { from.cast::<[u8; 2]>().read_volatile() });
            }
        })?;
        Ok(value)
    }

    /// Writes the 16-bit number at `addr`, after everything that was written before.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn store_u16(&self, addr: u64, value: u16) -> Result<(), StrayAccess> {
        self.access(addr, 2, AccessKind::Write, |to| {
            if to.cast::<AtomicU16>().is_aligned() {
                // SAFETY: two valid bytes (`access`), aligned; drivers access them by whole volatile 16-bit accesses (above).
                let number = unsafe { AtomicU16::from_ptr(to.cast().as_ptr()) };
                // Release: partner is the driver's barrier after it has read the used index (§2.7.14).
                number.store(value.to_le(), Ordering::Release);
            } else {
                // SAFETY: two valid bytes (`access`).
                unsafe { to.cast::<[u8; 2]>().write_volatile(value.to_le_bytes()) };
            }
        })
    }

    /// Copies the `N` bytes at `addr`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_array<const N: usize>(&self, addr: u64) -> Result<[u8; N], StrayAccess> {
        let mut bytes = [0; N];
        self.read(addr, &mut bytes)?;
        Ok(bytes)
    }

    /// Says whether the device may do `kind` to `len_bytes` at `addr`; records nothing.
    ///
    /// # Errors
    ///
    /// [`StrayAccess`] if it may not.
    pub fn check(&self, addr: u64, len_bytes: u64, kind: AccessKind) -> Result<(), StrayAccess> {
        lock(&self.shared.state)
            .resolve(addr, len_bytes, kind)
            .map(|_| ())
    }

    /// As [`check`](Self::check), but an access that may not be is recorded as if it had been tried.
    pub(crate) fn demand(
        &self,
        addr: u64,
        len_bytes: u64,
        kind: AccessKind,
    ) -> Result<(), StrayAccess> {
        self.access(addr, len_bytes, kind, |_| ())
    }

    /// Notes that a device may use `len_bytes` at `addr` from now on; giving them back before
    /// [`conceal`](Self::conceal) is a misuse.
    pub fn expose(&self, addr: u64, len_bytes: u64) -> Exposure {
        let mut state = lock(&self.shared.state);
        let name = state.exposed_so_far;
        state.exposed_so_far += 1;
        state.exposures.insert(name, (addr, len_bytes));
        Exposure(name)
    }

    /// Notes that the device has done with a range.
    pub fn conceal(&self, exposure: Exposure) {
        lock(&self.shared.state).exposures.remove(&exposure.0);
    }

    fn access(
        &self,
        addr: u64,
        len_bytes: u64,
        kind: AccessKind,
        copy: impl FnOnce(NonNull<u8>),
    ) -> Result<(), StrayAccess> {
        let mut state = lock(&self.shared.state);
        let state: &mut State = &mut state;
        match state.resolve(addr, len_bytes, kind) {
            Ok(place) => {
                copy(place);
                Ok(())
            }
            Err(stray) => {
                state.strays.push(stray);
                Err(stray)
            }
        }
    }
}

impl fmt::Debug for DeviceMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeviceMemory")
            .field(&lock(&self.shared.state).live())
            .finish()
    }
}
