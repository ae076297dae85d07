//! The entry point, from 32-bit mode to the first Rust function, and the page table it starts with.

use core::arch::global_asm;
use core::ops::Range;

use super::{clock, exceptions, interrupt_controller};

/// Where a PC has its device registers: virtio-mmio slots, I/O APIC, local APIC, timers. QEMU puts no memory there.
pub(crate) const DEVICE_MEMORY: Range<usize> = 0xe000_0000..0x1_0000_0000;

/// The memory that is mapped from the first Rust instruction on, wherever there is some.
pub(crate) const BOOT_MEMORY: Range<usize> = LOW_MEMORY.end..DEVICE_MEMORY.start;

/// What belongs to the firmware, which leaves the description of the machine there.
pub(super) const LOW_MEMORY: Range<usize> = 0..0x10_0000;

// The CPU comes in 32-bit mode without paging, with the address of the PVH start info in ebx (Xen's x86/HVM direct boot ABI).
// The first 4 GiB are mapped at their own addresses in pages of 2 MiB, all writable and executable, until `memory_map` has
// heard what is there. SSE is switched on for code that asks for it, see `vector_registers`; the compiler uses none.
global_asm!(
    r#"
    .pushsection .text.pvh_entry, "ax", @progbits
    .code32
    .globl pvh_entry
pvh_entry:
    cli
    cld
    movl $boot_stack_end, %esp

    movl $boot_level_3, %eax
    orl $0x3, %eax
    movl %eax, boot_level_4
    xorl %ecx, %ecx
2:  # Four tables of level 2, one for each GiB.
    movl %ecx, %eax
    shll $12, %eax
    addl $boot_level_2, %eax
    orl $0x3, %eax
    movl %eax, boot_level_3(, %ecx, 8)
    incl %ecx
    cmpl $4, %ecx
    jne 2b
    xorl %ecx, %ecx
3:  # Present, writable, 2 MiB.
    movl %ecx, %eax
    shll $21, %eax
    orl $0x83, %eax
    movl %eax, boot_level_2(, %ecx, 8)
    incl %ecx
    cmpl $2048, %ecx
    jne 3b

    # CR4: PAE, OSFXSR, OSXMMEXCPT.
    movl $0x620, %eax
    movl %eax, %cr4
    movl $boot_level_4, %eax
    movl %eax, %cr3
    # EFER: long mode, no-execute.
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax
    wrmsr
    # CR0: paging, write protection for the kernel too, x87 errors as exceptions, monitor coprocessor, protected mode.
    movl $0x80010033, %eax
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmpl $0x08, $4f

    .code64
4:  xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    xorl %ebp, %ebp
    movl %ebx, %edi
    call {enter}
5:  cli
    hlt
    jmp 5b
    .popsection

    .pushsection .rodata.boot_gdt, "a", @progbits
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
boot_gdt_pointer:
    .word . - boot_gdt - 1
    .long boot_gdt
    .popsection

    .pushsection .bss.boot_tables, "aw", @nobits
    .balign 4096
boot_level_4: .skip 4096
boot_level_3: .skip 4096
boot_level_2: .skip 4 * 4096
    .popsection
    "#,
    enter = sym enter,
    options(att_syntax)
);

unsafe extern "C" {
    fn pvh_entry() -> !;
}

pvh::xen_elfnote_phys32_entry!(pvh_entry);

extern "C" fn enter(start_info: u32) -> ! {
    exceptions::start();
    interrupt_controller::silence_legacy();
    clock::start();
    crate::boot::start(start_info as usize)
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
