//! QEMU's x86_64 machine `microvm`: the first instructions, the serial port, the counter, the virtio-mmio slots, the end.

use core::arch::x86_64::_rdtsc;
use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU64, Ordering};

use crate::registers::Registers;

pub(crate) const NAME: &str = "x86_64";

// QEMU has loaded the ELF file, with all that is to be zero, and found the note that says where it begins (PVH).
// The CPU is in 32-bit mode. Pages of 2 MiB map the first 4 GiB at their own addresses: three of memory, which is cached,
// and one of registers, which are not. No exception is handled: none is expected.
global_asm!(
    r#"
    .pushsection .note.Xen, "a", @note
    .balign 4
    .long 4, 8, 18          // Lengths of name and content; the type: the address of a 32-bit entry point.
    .asciz "Xen"
    .quad start
    .popsection

    .pushsection .text.start, "ax"
    .code32
    .globl start
start:
    movl $stack_end, %esp
    movl $0x20, %eax        // CR4: physical address extension, which 64-bit mode needs.
    movl %eax, %cr4
    movl $level_4, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx  // EFER: 64-bit mode.
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl $0x80000011, %eax  // CR0: paging and protected mode.
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmpl $0x08, $2f
    .code64
2:  xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    call {main}
    .popsection

    .pushsection .data.tables, "aw"
    .balign 4096
level_4:
    .quad level_3 + 0x3     // Present, writable.
    .fill 511, 8, 0
level_3:
    .quad level_2 + 0x0003, level_2 + 0x1003, level_2 + 0x2003, level_2 + 0x3003
    .fill 508, 8, 0
level_2:
    .set page, 0
    .rept 1536
    .quad (page << 21) | 0x83
    .set page, page + 1
    .endr
    .rept 512
    .quad (page << 21) | 0x9b
    .set page, page + 1
    .endr
gdt:
    .quad 0
    .quad 0x00af9b000000ffff
gdt_pointer:
    .word . - gdt - 1
    .long gdt
    .popsection

    .pushsection .bss.stack, "aw", @nobits
    .balign 16
    .skip 256 * 1024
stack_end:
    .popsection
    "#,
    main = sym crate::main,
    options(att_syntax),
);

static TICKS_PER_SECOND: AtomicU64 = AtomicU64::new(0);

/// Measures how fast the counter of the CPU counts, which it does not tell.
pub(crate) fn start() {
    TICKS_PER_SECOND.store(measure(), Ordering::Relaxed);
}

/// Returns the registers of the virtio-mmio slots; on QEMU's command line for the kernel are those that are taken.
pub(crate) fn slots() -> impl Iterator<Item = Registers> {
    // SAFETY: `microvm` without ACPI has 8 slots there, one after the other, and the page table maps them.
    (0..8).map(|slot| unsafe { Registers::new(0xfeb0_0000 + slot * 0x200, 0x200) })
}

/// Returns what the time stamp counter has counted.
pub(crate) fn ticks() -> u64 {
    // SAFETY: every 64-bit CPU has the counter, and reading it is allowed in a kernel.
    unsafe { _rdtsc() }
}

/// Returns how fast it counts.
pub(crate) fn ticks_per_second() -> u64 {
    // Relaxed: it is stored once, by this very CPU.
    TICKS_PER_SECOND.load(Ordering::Relaxed).max(1)
}

/// Counts for 10 ms, by the first of the timers that every PC has: they count down 1,193,182 times a second.
fn measure() -> u64 {
    const COUNT: u16 = 11_932;
    let [low, high] = COUNT.to_le_bytes();
    write8(0x43, 0x30); // Timer 0: low byte, high byte; its output rises at the end.
    write8(0x40, low);
    write8(0x40, high);
    let begin = ticks();
    let is_over = || {
        write8(0x43, 0xe2); // The next byte read from timer 0 is its status.
        read8(0x40) & 0x80 != 0
    };
    let _ = (0..10_000_000).find(|_| is_over());
    ticks().wrapping_sub(begin).saturating_mul(100)
}

/// The serial port, a 16550.
const PORT: u16 = 0x3f8;
const LINE_STATUS: u16 = PORT + 5;
const RECEIVED: u8 = 1 << 0;
const SEND_EMPTY: u8 = 1 << 5;

/// Sends a byte, when there is room, or when there was none for too long.
pub(crate) fn send(byte: u8) {
    let _ = (0..1_000_000).find(|_| read8(LINE_STATUS) & SEND_EMPTY != 0);
    write8(PORT, byte);
}

/// Returns the next byte received, if there is one.
pub(crate) fn receive() -> Option<u8> {
    let is_received = read8(LINE_STATUS) & RECEIVED != 0;
    is_received.then(|| read8(PORT))
}

/// Ends QEMU, by `-device isa-debug-exit,iobase=0xf4,iosize=0x04`, with twice `status + 16` and 1: never with one of its own.
pub(crate) fn exit(status: u64) -> ! {
    write8(0xf4, status as u8 + 16);
    loop {
        core::hint::spin_loop();
    }
}

fn write8(port: u16, value: u8) {
    // SAFETY: the ports that this file writes are those of a PC's serial port, its timer and QEMU's exit: none touches memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) };
}

fn read8(port: u16) -> u8 {
    let value;
    // SAFETY: as above.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack)) };
    value
}
