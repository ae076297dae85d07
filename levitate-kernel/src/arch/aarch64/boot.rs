//! The entry point, and the page table it starts with.

use core::ops::Range;

use aarch64_paging::descriptor::El1Attributes;
use aarch64_paging::mair::{Mair, MairAttribute, NormalMemory};
use aarch64_rt::{InitialPagetable, entry, initial_pagetable};

/// Where `virt` has its device registers: interrupt controller, UART, virtio-mmio.
pub(crate) const DEVICE_MEMORY: Range<usize> = 0x0800_0000..0x4000_0000;

/// The memory that is mapped from the first instruction on: what a level-1 entry of the page table covers.
pub(crate) const BOOT_MEMORY: Range<usize> = 0x4000_0000..0x8000_0000;

/// Where QEMU puts the device tree for a kernel that was given as an ELF file, and then x0 is zero.
const DEVICE_TREE: usize = 0x4000_0000;

/// 1 MiB.
const STACK_PAGES: usize = 256;

/// Registers: not cached, not reordered, not executed.
pub(super) const DEVICE: El1Attributes = El1Attributes::VALID
    .union(El1Attributes::ATTRIBUTE_INDEX_0)
    .union(El1Attributes::ACCESSED)
    .union(El1Attributes::NON_GLOBAL)
    .union(El1Attributes::PXN)
    .union(El1Attributes::UXN);

/// Memory: cached, write-back, coherent with other CPUs and with the devices of this machine.
pub(super) const MEMORY: El1Attributes = El1Attributes::VALID
    .union(El1Attributes::ATTRIBUTE_INDEX_1)
    .union(El1Attributes::INNER_SHAREABLE)
    .union(El1Attributes::ACCESSED)
    .union(El1Attributes::NON_GLOBAL)
    .union(El1Attributes::UXN);

const MAIR: Mair = Mair::EMPTY
    .with_attribute(0, MairAttribute::DEVICE_NGNRE)
    .with_attribute(
        1,
        MairAttribute::normal(
            NormalMemory::WriteBackNonTransientReadWriteAllocate,
            NormalMemory::WriteBackNonTransientReadWriteAllocate,
        ),
    );

// The first GiB is registers, the second begins with the memory that holds the device tree and the kernel.
// The rest is mapped when the device tree has told how much there is.
initial_pagetable!(
    {
        let mut level_1 = [0; 512];
        level_1[0] = DEVICE.bits();
        level_1[1] = MEMORY.bits() | BOOT_MEMORY.start;
        InitialPagetable(level_1)
    },
    MAIR.0
);

entry!(enter, STACK_PAGES);

fn enter(x0: u64, _x1: u64, _x2: u64, _x3: u64) -> ! {
    let device_tree = if x0 == 0 { DEVICE_TREE } else { x0 as usize };
    crate::boot::start(device_tree)
}

/// Returns the memory the kernel's own code and data take.
pub(crate) fn image() -> Range<usize> {
    unsafe extern "C" {
        static image_begin: u8;
        static image_end: u8;
    }
    let begin = &raw const image_begin;
    let end = &raw const image_end;
    begin.addr()..end.addr()
}
