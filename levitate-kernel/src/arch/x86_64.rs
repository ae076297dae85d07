//! PCs as QEMU's `microvm` builds them: one ELF file that is entered by the PVH protocol, and no firmware needed.

mod apic;
mod boot;
pub(crate) mod clock;
pub(crate) mod exceptions;
pub(crate) mod interrupt_controller;
pub(crate) mod machine;
pub(crate) mod masking;
pub(crate) mod memory_map;
mod pit;
pub(crate) mod power;
mod segments;
pub(crate) mod timer;
pub(crate) mod uart;
pub(crate) mod vector_registers;

pub(crate) use boot::{BOOT_MEMORY, DEVICE_MEMORY, image};
