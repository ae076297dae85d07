//! What a device is, whatever the transport: a [`DeviceModel`] for what it does, and a core around it for status, features and queues.

mod answer;
mod behaviour;
mod complaint;
mod control;
mod core;
mod fault;
pub mod feature;
mod model;
mod service;
mod violation;

pub use behaviour::{Behaviour, Completion, Suppression};
pub(crate) use complaint::{refuse, refuse_unless_panicking};
pub(crate) use control::controls;
pub use core::Family;
pub(crate) use core::{Core, DRIVER_OK, Rules, Source, USED_BUFFER};
pub use fault::Fault;
pub use model::{ConfigField, DeviceModel};
pub(crate) use service::Step;
pub use violation::{Violation, Violations};
