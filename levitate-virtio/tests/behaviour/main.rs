//! The crate through its public interface, against the device models of `levitate-host`, one module a behaviour.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may panic"
)]

mod again;
mod config_space;
mod contexts;
mod faulted_queue;
mod footers;
mod handshake;
mod hostile_device;
mod in_order;
mod linux_headers;
mod notification;
mod notification_data;
mod numbers;
mod pci_addresses;
mod pci_bars;
mod pci_bus;
mod pci_fake;
mod pci_hostile;
mod pci_interrupts;
mod pci_line;
mod pci_list;
mod pci_queues;
mod pci_structures;
mod probe;
mod queue_reset;
mod queue_restart;
mod random_calls;
mod requests;
mod rig;
mod ring_order;
mod ring_sizes;
mod several_queues;
mod signal;
mod sleeping_sides;

mod tampered;
mod timeout_causes;
mod transport_features;
