//! The page table the kernel runs on once it knows its memory: what is there, and nothing that may be both written and executed.

use core::arch::asm;
use core::ops::Range;

use aarch64_paging::descriptor::El1Attributes;
use aarch64_paging::idmap::IdMap;
use aarch64_paging::paging::{El1And0, MemoryRegion};
use thiserror::Error;

use super::boot::{DEVICE, DEVICE_MEMORY, MEMORY};
use crate::lock::Mutex;

/// Not the one of the first table: as no entry is global, what the TLB has of that is not used any more.
const ADDRESS_SPACE: usize = 1;
/// 512 GiB, as the first table has them.
const ROOT_LEVEL: usize = 1;

/// The page table in use, once there is one; it is never dropped, which would switch it off.
static MAP: Mutex<Option<IdMap<El1And0>>> = Mutex::new(None);

/// The page table could not be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{start:#x}..{end:#x} cannot be mapped")]
pub(crate) struct MemoryMapError {
    start: usize,
    end: usize,
}

/// Maps the device registers and `memory`, each at its own address, and switches over.
///
/// # Errors
///
/// [`MemoryMapError`]; the first table stays in use.
pub(crate) fn activate(memory: &[Range<usize>]) -> Result<(), MemoryMapError> {
    let data = MEMORY | El1Attributes::PXN;
    let mut map = IdMap::with_asid(ADDRESS_SPACE, ROOT_LEVEL, El1And0);
    add(&mut map, &DEVICE_MEMORY, DEVICE)?;
    for range in memory {
        add(&mut map, range, data)?;
    }
    let [code, constants] = read_only();
    add(&mut map, &code, MEMORY | El1Attributes::READ_ONLY)?;
    add(&mut map, &constants, data | El1Attributes::READ_ONLY)?;
    let mut in_use = MAP.lock();
    let map = in_use.insert(map);
    // SAFETY: all memory, the kernel's image and stack in it, and all registers are mapped at the addresses they had before;
    // only what nobody writes became read-only.
    unsafe { map.activate() };
    forget_translations();
    Ok(())
}

/// Maps device registers, each at its own address, where nothing is mapped yet.
///
/// # Errors
///
/// [`MemoryMapError`]; a part may be mapped then.
pub(crate) fn add_registers(range: &Range<usize>) -> Result<(), MemoryMapError> {
    let refused = MemoryMapError {
        start: range.start,
        end: range.end,
    };
    add(MAP.lock().as_mut().ok_or(refused)?, range, DEVICE)?;
    // SAFETY: nothing but a wait. No TLB remembers that something is not mapped, but the table has to be written before it is read.
    unsafe { asm!("dsb ishst", "isb", options(nostack, preserves_flags)) };
    Ok(())
}

/// Empties the TLB, so that the first table, which had all memory writable and executable, is nowhere any more.
fn forget_translations() {
    // SAFETY: translations are read again from the tables, which are in memory (`dsb ishst`) and name the same addresses.
    unsafe {
        asm!(
            "dsb ishst",
            "tlbi vmalle1",
            "dsb nsh",
            "isb",
            options(nostack, preserves_flags)
        )
    }
}

fn add(
    map: &mut IdMap<El1And0>,
    range: &Range<usize>,
    attributes: El1Attributes,
) -> Result<(), MemoryMapError> {
    let region = MemoryRegion::new(range.start, range.end);
    map.map_range(&region, attributes)
        .map_err(|_| MemoryMapError {
            start: range.start,
            end: range.end,
        })
}

/// Returns where the kernel's code and its constants are, in whole pages.
fn read_only() -> [Range<usize>; 2] {
    unsafe extern "C" {
        static text_begin: u8;
        static rodata_begin: u8;
        static data_begin: u8;
    }
    let code = &raw const text_begin;
    let constants = &raw const rodata_begin;
    let data = &raw const data_begin;
    [code.addr()..constants.addr(), constants.addr()..data.addr()]
}
