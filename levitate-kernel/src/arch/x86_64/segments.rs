//! The segments that 64-bit mode still needs, and a stack of its own for exceptions.

use core::cell::UnsafeCell;

use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable};
use x86_64::structures::tss::TaskStateSegment;

/// The number of the stack that exceptions have, counted from 0 as `set_stack_index` does.
pub(super) const EXCEPTION_STACK: u16 = 0;

const STACK_BYTES: usize = 32 << 10;

/// Written once, by [`start`], or by the CPU alone.
#[repr(C, align(16))]
struct Once<T>(UnsafeCell<T>);

// SAFETY: `start` writes to it, once and before there is anybody else; after that only the CPU does.
unsafe impl<T> Sync for Once<T> {}

static STACK: Once<[u8; STACK_BYTES]> = Once(UnsafeCell::new([0; STACK_BYTES]));
static TASK: Once<TaskStateSegment> = Once(UnsafeCell::new(TaskStateSegment::new()));
static TABLE: Once<GlobalDescriptorTable> = Once(UnsafeCell::new(GlobalDescriptorTable::new()));

/// Loads the segments; called once, first of all.
pub(super) fn start() {
    let stack_end = STACK.0.get().addr() + STACK_BYTES;
    // SAFETY: called once, before anything else uses it.
    let task = unsafe { &mut *TASK.0.get() };
    task.interrupt_stack_table[usize::from(EXCEPTION_STACK)] = VirtAddr::new(stack_end as u64);
    // SAFETY: as above.
    let table = unsafe { &mut *TABLE.0.get() };
    let code = table.append(Descriptor::kernel_code_segment());
    let task = table.append(Descriptor::tss_segment(task));
    table.load();
    // SAFETY: the selector is of a 64-bit code segment in the table that was just loaded.
    unsafe { CS::set_reg(code) };
    // SAFETY: the selector is of the task state segment in that table, which stays where it is.
    unsafe { load_tss(task) };
}
