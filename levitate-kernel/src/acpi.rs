//! What a machine's ACPI tables say: [`Tables`].
//!
//! Firmware leaves them in memory, and a kernel may find anything there: lengths and checksums are checked before a table is
//! believed, what is wrong inside of one is left out, and every walk has an end.
//! The code in them (AML) is not run. Section numbers are those of the ACPI specification, version 6.5.

mod address;
pub mod fadt;
pub mod hpet;
pub mod madt;
pub mod mcfg;
mod root;
pub mod sleep;
mod table;
#[cfg(test)]
mod tests;

pub use address::Register;
pub use root::Tables;
pub use table::{AcpiError, PhysicalMemory, Signature, Table};
