//! QEMU's aarch64 machine `virt`: the first instructions, the serial port, the counter, the virtio-mmio slots, the end.

use core::arch::{asm, global_asm};

use levitate_hal::Mmio;

use crate::registers::Registers;

pub(crate) const NAME: &str = "aarch64";

// QEMU has loaded the ELF file, with all that is to be zero. The CPU is at EL1, with MMU and caches off.
// Two entries of a GiB each map registers and memory at their own addresses: what is not mapped as memory is not cached,
// and neither atomics nor what devices see may be relied on. No exception is handled: none is expected.
global_asm!(
    r#"
    .pushsection .text.start, "ax"
    .globl start
start:
    ldr x0, =0xff00         // MAIR: attribute 0 is device memory, attribute 1 memory that is cached.
    msr mair_el1, x0
    ldr x0, =0x803519       // TCR: 39 bits of address, tables are cached, only TTBR0 is used.
    msr tcr_el1, x0
    ldr x0, =page_table
    msr ttbr0_el1, x0
    tlbi vmalle1
    dsb nsh
    isb
    mrs x0, sctlr_el1
    ldr x1, =0x1005         // SCTLR: MMU, data cache, instruction cache.
    orr x0, x0, x1
    msr sctlr_el1, x0
    mov x0, #(3 << 20)      // CPACR: the compiler uses vector registers.
    msr cpacr_el1, x0
    isb
    ldr x0, =stack_end
    mov sp, x0
    bl {main}
    .popsection

    .pushsection .rodata.page_table, "a"
    .balign 4096
page_table:
    .quad 0x00000000 | 0x60000000000401     // Registers: never executed.
    .quad 0x40000000 | 0x705                // Memory: attribute 1, shared with other CPUs.
    .fill 510, 8, 0
    .popsection

    .pushsection .bss.stack, "aw", @nobits
    .balign 16
    .skip 256 * 1024
stack_end:
    .popsection
    "#,
    main = sym crate::main,
);

/// Switches the serial port on.
pub(crate) fn start() {
    PORT.write32(CONTROL, ENABLE_ALL);
}

/// Returns the registers of the virtio-mmio slots; the device tree names the same ones.
pub(crate) fn slots() -> impl Iterator<Item = Registers> {
    // SAFETY: `virt` has 32 slots there, one after the other, and the first entry of the page table maps them.
    (0..32).map(|slot| unsafe { Registers::new(0x0a00_0000 + slot * 0x200, 0x200) })
}

/// Returns what the counter has counted.
pub(crate) fn ticks() -> u64 {
    let ticks;
    // SAFETY: the register can be read at EL1, and that changes nothing.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nostack)) };
    ticks
}

/// Returns how fast it counts.
pub(crate) fn ticks_per_second() -> u64 {
    let frequency: u64;
    // SAFETY: as above.
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nomem, nostack)) };
    frequency.max(1)
}

/// The serial port, a PL011.
// SAFETY: `virt` has it there, and the first entry of the page table maps it.
const PORT: Registers = unsafe { Registers::new(0x0900_0000, 0x1000) };
const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const RECEIVE_EMPTY: u32 = 1 << 4;
const SEND_FULL: u32 = 1 << 5;
const CONTROL: usize = 0x30;
const ENABLE_ALL: u32 = 0x301;

/// Sends a byte, when there is room, or when there was none for too long.
pub(crate) fn send(byte: u8) {
    let _ = (0..1_000_000).find(|_| PORT.read32(FLAGS) & SEND_FULL == 0);
    PORT.write32(DATA, byte.into());
}

/// Returns the next byte received, if there is one.
pub(crate) fn receive() -> Option<u8> {
    let is_empty = PORT.read32(FLAGS) & RECEIVE_EMPTY != 0;
    (!is_empty).then(|| PORT.read32(DATA) as u8)
}

/// Ends QEMU with `status`, by semihosting: `-semihosting-config enable=on,target=native`.
pub(crate) fn exit(status: u64) -> ! {
    /// `ADP_Stopped_ApplicationExit`: the program ends by itself.
    const APPLICATION_EXIT: u64 = 0x2_0026;
    let why = [APPLICATION_EXIT, status];
    // SAFETY: QEMU reads `why` and does not come back.
    unsafe {
        asm!(
            "hlt #0xf000",
            in("x0") 0x20, // SYS_EXIT_EXTENDED
            in("x1") why.as_ptr(),
            options(noreturn),
        )
    }
}
