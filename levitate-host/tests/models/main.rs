//! The device models, driven by raw register writes and rings built by hand.
//!
//! Nothing here uses `levitate-virtio`: driver, models and these tests each read the specification for themselves.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod adapter;
mod answers;
mod block;
mod block_config;
mod block_erase;
mod block_file;
mod block_zone_rules;
mod block_zones;
mod configuration;
mod conformance;
mod faults;
mod gpu;
mod gpu_commands;
mod gpu_cursor;
mod gpu_screens;
mod numbers;
mod packed;
mod packed_ring;
mod packed_threads;
mod pci;
mod pci_capabilities;
mod pci_interrupts;
mod pci_packed;
mod pci_rig;
mod pci_rules;
mod pci_space;
mod queue_registers;
mod registers;
mod rig;
mod ring;
mod rust_vmm;
mod threads;
