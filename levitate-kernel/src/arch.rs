//! The architecture the kernel runs on, behind one interface.
//!
//! A new architecture is a folder beside `aarch64`, and its name below; what else it takes is in
//! `docs/decisions/0031-what-an-architecture-is.md`. In the folder are
//! - `linker.ld`: where the kernel lies in memory; it gives the addresses that `image` returns;
//! - `modules.rs`: the modules of the folder, and of these what [`interface`] names, with the type that it has there;
//! - the entry point, which calls [`crate::boot::start`] with [`BOOT_MEMORY`] and [`DEVICE_MEMORY`] mapped;
//! - a handler of interrupts, which calls [`crate::interrupts::dispatch`] with the number of each.

#[cfg(not(target_arch = "x86_64"))]
mod device_tree;
mod interface;

// By path, so that the folder is all there is of an architecture, with no file of its name beside it; by name, which the
// log shows.
#[cfg(target_arch = "aarch64")]
#[path = "arch/aarch64/modules.rs"]
mod aarch64;
#[cfg(target_arch = "aarch64")]
use aarch64 as this_architecture;

#[cfg(target_arch = "x86_64")]
#[path = "arch/x86_64/modules.rs"]
mod x86_64;
#[cfg(target_arch = "x86_64")]
use self::x86_64 as this_architecture;

pub(crate) use this_architecture::{
    BOOT_MEMORY, DEVICE_MEMORY, clock, exceptions, image, interrupt_controller, machine, masking,
    memory_map, power, timer, uart, vector_registers,
};
