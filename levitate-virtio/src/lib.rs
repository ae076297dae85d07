#![no_std]
#![doc = include_str!("../README.md")]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a test may panic"
    )
)]

#[cfg(test)]
extern crate std;

pub mod config;
pub mod device_type;
pub mod diagnosis;
pub mod features;
pub mod init;
pub mod queue;
pub mod signal;
pub mod status;
pub mod transport;

pub use config::{ConfigError, ConfigSpace, ConfigWriter};
pub use device_type::DeviceType;
pub use diagnosis::{Timeout, TimeoutCause};
pub use features::{DeviceFeatures, Features, Negotiated, Wanted};
pub use init::queue_reset::{QueueQuiesced, QueueResetError};
pub use init::{Device, GivenUp, InitError, Quiesced, ResetError, stage};
pub use queue::{
    Completed, Data, DeviceFault, PreparedQueue, Queue, QueueConfig, QueueCounts, QueueError,
    QueueIndex, QueueSize, Rejected, RestartError, Slot, SubmitError, Token,
};
pub use signal::Signal;
pub use status::Status;
pub use transport::{
    AnyTransport, Interface, Interrupt, InterruptStatus, MmioTransport, Notify, PciTransport,
    Transport,
};
