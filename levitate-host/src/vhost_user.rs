//! Real devices without a virtual machine, in another process: [`VhostUserTransport`] is the front end of the vhost-user protocol.

mod connection;
mod error;
mod extra;
mod handles;
mod memory;
mod options;
mod peer;
mod queue;
mod state;
mod transport;
mod watchdog;

pub use error::{ConnectError, MessageError};
pub use handles::{VhostUserInterrupt, VhostUserNotifier};
pub use options::Options;
pub use transport::VhostUserTransport;
