//! PCs as QEMU's `q35`, `pc` and `microvm` build them: one ELF file that is entered by the PVH protocol.
//!
//! What firmware leaves behind is read where there is some, and nothing of it is needed.

mod acpi;
mod apic;
mod boot;
pub(crate) mod clock;
pub(crate) mod exceptions;
mod hpet;
pub(crate) mod interrupt_controller;
mod io_apic;
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
