//! Why a function is not driven: [`PciError`] (§4.1.2, §4.1.4).

use thiserror::Error;

use super::capability::BarRange;
use super::structures::{Refused, StructureKind};

/// Why a function is not driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PciError {
    /// There is no function.
    #[error("no PCI function is here")]
    Absent,
    /// It is something else.
    #[error("PCI function {vendor:04x}:{device:04x} is no VirtIO device")]
    NotVirtio {
        /// The vendor ID.
        vendor: u16,
        /// The device ID.
        device: u16,
    },
    /// It has the ID of a transitional device and none of the structures: it has the legacy interface alone, which is not supported.
    #[error(
        "device has no VirtIO capability, so it has the legacy interface alone, which is not supported over PCI"
    )]
    Legacy,
    /// It lacks a structure it cannot be driven without, or has one for its type's configuration that is of no use.
    #[error("device has no {structure} structure that is of use: {refused}")]
    NoStructure {
        /// What is missing.
        structure: StructureKind,
        /// The capabilities that tell of one.
        refused: Refused,
    },
    /// The platform did not map a structure.
    #[error(
        "the {structure} structure, {:#x} bytes from {:#x} in BAR {}, is not mapped", .range.len_bytes, .range.offset, .range.bar
    )]
    NotMapped {
        /// Which structure.
        structure: StructureKind,
        /// What of it should be mapped.
        range: BarRange,
    },
}
