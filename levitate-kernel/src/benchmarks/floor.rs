//! The least a polling driver can do: a split ring whose descriptors are laid out once, and nothing is checked (§2.7).
//!
//! It says how much of a time is the device's own. No kernel should drive a device like that.

mod disk;
mod display;
mod memory;
mod ring;

pub(super) use disk::DISK;
pub(super) use display::DISPLAY;
