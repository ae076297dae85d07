//! QEMU's `virt` machine with 64-bit Arm CPUs; the kernel runs at EL1.

mod boot;
pub(crate) mod clock;
mod copying;
pub(crate) mod exceptions;
pub(crate) mod interrupt_controller;
pub(crate) mod machine;
pub(crate) mod masking;
pub(crate) mod memory_map;
pub(crate) mod power;
mod registers;
pub(crate) mod timer;
pub(crate) mod uart;
pub(crate) mod vector_registers;

pub(crate) use boot::{BOOT_MEMORY, DEVICE_MEMORY, image};
