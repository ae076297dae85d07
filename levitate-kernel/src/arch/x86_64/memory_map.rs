//! The page table the kernel runs on once it knows its memory: what is there, and nothing that may be both written and executed.

use alloc::boxed::Box;
use core::ops::Range;

use thiserror::Error;
use x86_64::registers::control::{Cr3, Cr3Flags};
use x86_64::structures::paging::mapper::MapToError;
use x86_64::structures::paging::{
    FrameAllocator, Mapper, OffsetPageTable, PageSize, PageTable, PageTableFlags, PhysFrame,
    Size2MiB, Size4KiB,
};
use x86_64::{PhysAddr, VirtAddr};

use super::boot::{DEVICE_MEMORY, LOW_MEMORY};
use crate::lock::Mutex;

const CODE: PageTableFlags = PageTableFlags::PRESENT;
const CONSTANTS: PageTableFlags = CODE.union(PageTableFlags::NO_EXECUTE);
const DATA: PageTableFlags = CONSTANTS.union(PageTableFlags::WRITABLE);
const DEVICE: PageTableFlags = DATA
    .union(PageTableFlags::NO_CACHE)
    .union(PageTableFlags::WRITE_THROUGH);

/// The first page is left out, so that a null pointer leads nowhere.
const NULL_BYTES: usize = Size4KiB::SIZE as usize;

/// The page table in use, once there is one.
static MAP: Mutex<Option<OffsetPageTable<'static>>> = Mutex::new(None);

/// The page table could not be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{start:#x}..{end:#x} cannot be mapped")]
pub(crate) struct MemoryMapError {
    start: usize,
    end: usize,
}

/// Maps the device registers, the firmware's description and `memory`, each at its own address, and switches over.
///
/// # Errors
///
/// [`MemoryMapError`]; the first table stays in use.
pub(crate) fn activate(memory: &[Range<usize>]) -> Result<(), MemoryMapError> {
    let root: &'static mut PageTable = Box::leak(Box::new(PageTable::new()));
    let root_frame = PhysFrame::containing_address(PhysAddr::new((&raw const *root).addr() as u64));
    // SAFETY: all memory that tables are made in is mapped at its own address; the table is a new one, and empty.
    let mut map = unsafe { OffsetPageTable::new(root, VirtAddr::zero()) };
    let [code, constants] = read_only();
    add(&mut map, &(NULL_BYTES..LOW_MEMORY.end), CONSTANTS)?;
    add(&mut map, &DEVICE_MEMORY, DEVICE)?;
    add(&mut map, &code, CODE)?;
    add(&mut map, &constants, CONSTANTS)?;
    for range in memory {
        // Around what is read-only and mapped already.
        let before = range.start..range.end.min(code.start);
        let after = range.start.max(constants.end)..range.end;
        add(&mut map, &before, DATA)?;
        add(&mut map, &after, DATA)?;
    }
    // SAFETY: all memory, the kernel's image and stack in it, and all registers are mapped at the addresses they had before;
    // only what nobody writes became read-only. No entry is global, so that nothing of the first table stays in the TLB.
    unsafe { Cr3::write(root_frame, Cr3Flags::empty()) };
    *MAP.lock() = Some(map);
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
    // No TLB remembers that something is not mapped.
    add(MAP.lock().as_mut().ok_or(refused)?, range, DEVICE)
}

/// Maps whole pages, as large as fit.
fn add(
    map: &mut OffsetPageTable<'_>,
    range: &Range<usize>,
    flags: PageTableFlags,
) -> Result<(), MemoryMapError> {
    let mut start = range.start;
    while start < range.end {
        let is_large = start.is_multiple_of(Size2MiB::SIZE as usize)
            && range.end - start >= Size2MiB::SIZE as usize;
        let mapped = if is_large {
            add_page::<Size2MiB>(map, start, flags)
        } else {
            add_page::<Size4KiB>(map, start, flags)
        };
        start += mapped.ok_or(MemoryMapError {
            start: range.start,
            end: range.end,
        })?;
    }
    Ok(())
}

/// Maps one page; returns its length.
fn add_page<S: PageSize>(
    map: &mut OffsetPageTable<'_>,
    start: usize,
    flags: PageTableFlags,
) -> Option<usize>
where
    for<'a> OffsetPageTable<'a>: Mapper<S>,
{
    let frame = PhysFrame::<S>::from_start_address(PhysAddr::try_new(start as u64).ok()?).ok()?;
    // Not every physical address is a virtual one, too, and `identity_map` takes it for granted.
    VirtAddr::try_new(start as u64).ok()?;
    // SAFETY: the table maps every address to itself, and one that is mapped already is refused.
    let mapped: Result<_, MapToError<S>> =
        unsafe { map.identity_map(frame, flags, &mut HeapTables) };
    // Nothing to flush: no TLB remembers that something is not mapped.
    mapped.ok().map(|flush| flush.ignore())?;
    usize::try_from(S::SIZE).ok()
}

/// Makes page tables in the heap, where they stay.
struct HeapTables;

// SAFETY: each table is a new allocation of a page's size and alignment that is never freed, at its physical address.
unsafe impl FrameAllocator<Size4KiB> for HeapTables {
    fn allocate_frame(&mut self) -> Option<PhysFrame> {
        let table: &'static mut PageTable = Box::leak(Box::new(PageTable::new()));
        let address = PhysAddr::try_new((&raw const *table).addr() as u64).ok()?;
        PhysFrame::from_start_address(address).ok()
    }
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
