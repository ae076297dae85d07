//! Memory that the interrupt controller works in: [`Table`], [`give_all`].

use core::mem::ManuallyDrop;

use levitate_hal::{Barriers, DmaRegion, Mmio};
use zerocopy::{Immutable, IntoBytes};

use super::{ItsError, VALID, WRITE_BACK};
use crate::platform::{KernelDma, Registers};

/// The most devices that get room in a table: as many as there are requester ids.
const MAX_DEVICES: u64 = 1 << 16;

/// Zeroed memory that is the interrupt controller's.
///
/// It is never given back: the controller may look at it, and keep parts of it in caches, for as long as it is on.
#[derive(Debug)]
pub(super) struct Table(ManuallyDrop<DmaRegion<KernelDma>>);

impl Table {
    /// Allocates a table of at least `size_bytes`, aligned to `align_bytes`, a power of two.
    ///
    /// # Errors
    ///
    /// [`ItsError::Memory`].
    pub(super) fn new(size_bytes: usize, align_bytes: usize) -> Result<Self, ItsError> {
        let region = ManuallyDrop::new(DmaRegion::new(&KernelDma, size_bytes, align_bytes)?);
        Barriers::Platform.before_notify();
        Ok(Self(region))
    }

    /// Returns its address, as registers and commands have it.
    pub(super) fn address(&self) -> u64 {
        self.0.device_addr().get()
    }

    /// Writes `value` at `offset`, before any register that is written later; there is nothing outside the table.
    pub(super) fn write(&self, offset: usize, value: &(impl IntoBytes + Immutable)) {
        // Whoever owns the table computes the offset from its length.
        let _ = self.0.write(offset, value);
        Barriers::Platform.before_notify();
    }
}

/// How the controller is to reach a table: through the caches that the CPU uses; in every register at the same place.
pub(super) const SHARED: u64 = 0b01 << 10;

/// Checks that the controller reaches a table as it was told to, by what it reads back of the register.
///
/// # Errors
///
/// [`ItsError::NotCoherent`].
pub(super) fn ensure_shared(register: u64) -> Result<(), ItsError> {
    const MASK: u64 = 0b11 << 10;
    if register & MASK == SHARED {
        Ok(())
    } else {
        Err(ItsError::NotCoherent)
    }
}

/// Gives an ITS, which is off, the tables that it asks for; returns how many of its `devices` there is room for.
///
/// # Errors
///
/// [`ItsError::Memory`] and [`ItsError::NotCoherent`].
pub(super) fn give_all(registers: &Registers, devices: u64) -> Result<u64, ItsError> {
    /// `GITS_BASER`: the first register, and how many there are.
    const FIRST: usize = 0x100;
    const COUNT: usize = 8;
    /// What a table is for.
    const DEVICES: u64 = 1;
    const COLLECTIONS: u64 = 4;

    let mut devices_end = devices;
    for register in (FIRST..).step_by(size_of::<u64>()).take(COUNT) {
        match registers.read64(register) >> 56 & 0b111 {
            DEVICES => {
                let room = give(registers, register, devices.min(MAX_DEVICES))?;
                devices_end = room.min(devices);
            }
            COLLECTIONS => drop(give(registers, register, 1)?),
            // There is no such table, or it is for the CPUs of guests.
            _ => {}
        }
    }
    Ok(devices_end)
}

/// Gives an ITS the table of one register, with room for `entries`; returns for how many there is room.
fn give(registers: &Registers, register: usize, entries: u64) -> Result<u64, ItsError> {
    /// Pages of 64 KiB; they may have another size all the same.
    const LARGE_PAGES: u64 = 0b10 << 8;
    const MAX_PAGES: u64 = 256;

    let attributes = WRITE_BACK | SHARED;
    registers.write64(register, attributes | LARGE_PAGES);
    let answer = registers.read64(register);
    let entry_bytes = (answer >> 48 & 0x1f) + 1;
    let page_size = answer >> 8 & 0b11;
    let page_bytes: u64 = match page_size {
        0b00 => 0x1000,
        0b01 => 0x4000,
        _ => 0x1_0000,
    };
    let pages = (entries * entry_bytes)
        .div_ceil(page_bytes)
        .clamp(1, MAX_PAGES);
    let size_bytes = pages * page_bytes;
    let table = Table::new(size_bytes as usize, page_bytes as usize)?;
    let value = VALID | attributes | table.address() | page_size << 8 | (pages - 1);
    registers.write64(register, value);
    ensure_shared(registers.read64(register))?;
    Ok(size_bytes / entry_bytes)
}
