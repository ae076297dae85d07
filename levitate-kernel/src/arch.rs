//! The architecture the kernel runs on, behind one interface.
//!
//! A new architecture is a folder beside `aarch64` that has the same modules:
//! - `boot`: the entry point; it calls [`crate::boot::start`] with memory mapped and caches on;
//! - `machine`: describes what the machine has, as a [`crate::machine::Machine`];
//! - `clock`: a monotonic counter, usable from the first line on, and a moment in a loop that waits;
//! - `exceptions`: what the CPU does when code goes wrong, and a way to try it;
//! - `interrupt_controller`, `timer` and `masking`: interrupts and how to wait for one;
//! - `memory_map`: maps what the machine has, and no more;
//! - `power`: ends the machine, with an exit status if there is somebody to tell;
//! - `uart`: the serial port;
//! - `vector_registers`: the CPU's part of a test of what an interrupt must leave alone.

#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
compile_error!("the kernel runs on aarch64 and x86_64: build it with `cargo xtask build`");

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::*;

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub(crate) use self::x86_64::*;
