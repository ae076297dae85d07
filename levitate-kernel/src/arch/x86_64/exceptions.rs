//! What the vectors lead to: interrupts are handled, everything else is reported and ends the machine.

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use x86_64::VirtAddr;
use x86_64::registers::control::{Cr2, Cr3};
use x86_64::structures::idt::{Entry, HandlerFunc, InterruptDescriptorTable};

use super::{interrupt_controller, power, segments};
use crate::serial;

/// The exit status after an exception that nothing handles.
const STATUS_EXCEPTION: u8 = 102;

/// Vectors below this are the CPU's exceptions.
pub(super) const EXCEPTIONS: u8 = 32;

/// Bytes between the stubs of two vectors.
const STUB_BYTES: usize = 16;

// A stub for each vector pushes its number, and a zero where the CPU pushes no error code. What follows keeps every register
// in the order of `State`; the vector registers too, which the code that was interrupted may be using.
global_asm!(
    r#"
    .pushsection .text.vectors, "ax", @progbits
    .balign 16
    .globl vector_stubs
vector_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if ((vector >= 10) && (vector <= 14)) || (vector == 8) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
    .else
    pushq $0
    .endif
    pushq $vector
    jmp vector_common
    .set vector, vector + 1
    .endr

vector_common:
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    movq %rsp, %rdi
    movq %rsp, %rbx
    subq $512, %rsp
    andq $-16, %rsp
    fxsave64 (%rsp)
    call {handle}
    fxrstor64 (%rsp)
    movq %rbx, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp
    iretq
    .popsection
    "#,
    handle = sym handle,
    options(att_syntax)
);

/// What was pushed, the last first.
#[repr(C)]
struct State {
    registers: [u64; 15],
    vector: u64,
    error_code: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

/// Names of [`State::registers`].
const NAMES: [&str; 15] = [
    "r15", "r14", "r13", "r12", "r11", "r10", "r9", "r8", "rbp", "rdi", "rsi", "rdx", "rcx", "rbx",
    "rax",
];

/// The table, as the CPU sees it: 256 entries.
type Table = [Entry<HandlerFunc>; 256];

struct Vectors(UnsafeCell<Table>);

// SAFETY: only `start` writes to it, once and before there is anybody else.
unsafe impl Sync for Vectors {}

static VECTORS: Vectors = Vectors(UnsafeCell::new([const { Entry::missing() }; 256]));

const _: () = assert!(size_of::<Table>() == size_of::<InterruptDescriptorTable>());

/// Has every vector lead here; called once, first of all.
pub(super) fn start() {
    unsafe extern "C" {
        static vector_stubs: u8;
    }
    segments::start();
    let stubs = (&raw const vector_stubs).addr();
    // SAFETY: called once, before interrupts are unmasked.
    let table = unsafe { &mut *VECTORS.0.get() };
    for (vector, entry) in table.iter_mut().enumerate() {
        let stub = VirtAddr::new((stubs + vector * STUB_BYTES) as u64);
        // SAFETY: the stub takes what the CPU pushes for this vector, and returns by `iretq` to the registers it found.
        let options = unsafe { entry.set_handler_addr(stub) };
        if vector < usize::from(EXCEPTIONS) {
            // A stack that overflowed cannot take what the CPU pushes.
            // SAFETY: `segments::start` set this stack up, and nothing uses it but exceptions, which do not return.
            unsafe { options.set_stack_index(segments::EXCEPTION_STACK) };
        }
    }
    let pointer = x86_64::structures::DescriptorTablePointer {
        limit: (size_of::<Table>() - 1) as u16,
        base: VirtAddr::new(VECTORS.0.get().addr() as u64),
    };
    // SAFETY: the table is complete, and a static one.
    unsafe { x86_64::instructions::tables::lidt(&pointer) };
}

extern "C" fn handle(state: &State) {
    match u8::try_from(state.vector) {
        Ok(vector) if vector >= EXCEPTIONS => {
            if let Some(number) = interrupt_controller::taken(vector) {
                crate::interrupts::dispatch(number);
            }
        }
        _ => report(state),
    }
}

/// Writes to address 0, where nothing is mapped: the machine ends as it does after any exception that nothing handles.
#[expect(
    clippy::panic,
    reason = "should the write do nothing, the machine ends all the same"
)]
pub(crate) fn fault() -> ! {
    // SAFETY: nothing that Rust knows of is at address 0: the first page is never mapped once the memory map is active.
    unsafe {
        asm!("mov dword ptr [{address}], 0", address = in(reg) 0_usize, options(nostack));
    }
    panic!("a write to address 0 is no exception")
}

/// Writes what is known about an exception to the serial line and ends the machine.
fn report(state: &State) -> ! {
    static IS_REPORTING: AtomicBool = AtomicBool::new(false);
    // Relaxed: only this CPU reads it. An exception while one is reported is not reported.
    if IS_REPORTING.swap(true, Ordering::Relaxed) {
        power::exit(STATUS_EXCEPTION);
    }
    let mut out = serial::emergency();
    // Nobody is left to hear of a failure to write.
    let _ = out.line(format_args!("unhandled exception {}", state.vector));
    let _ = out.line(format_args!(
        "  error code {:#06x}  CR2 {:#018x}  CR3 {:#018x}",
        state.error_code,
        Cr2::read_raw(),
        Cr3::read().0.start_address().as_u64()
    ));
    let _ = out.line(format_args!(
        "  RIP {:#018x}  RFLAGS {:#010x}  CS {:#06x}  SS {:#06x}",
        state.rip, state.rflags, state.cs, state.ss
    ));
    let _ = out.line(format_args!("  rsp {:#018x}", state.rsp));
    for (name, value) in NAMES.iter().zip(state.registers).rev() {
        let _ = out.line(format_args!("  {name:<3} {value:#018x}"));
    }
    power::exit(STATUS_EXCEPTION)
}
