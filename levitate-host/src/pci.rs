//! The PCI transport as its device has it: one function with configuration space and BARs (§4.1): [`PciDevice`].
//!
//! It is a modern device: there is no transitional identity and no legacy interface.

mod builder;
mod capability;
mod control;
mod function;
mod handle;
mod header;
mod layout;
mod region;
mod registers;
mod space;

pub use builder::PciBuilder;
pub use capability::Capability;
pub use function::Message;
pub use handle::PciDevice;
pub use layout::{Structure, StructureKind};
pub use region::PciRegion;
