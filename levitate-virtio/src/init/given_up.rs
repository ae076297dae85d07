//! Why a live device answers nothing more, however long one waits: [`GivenUp`].

use thiserror::Error;

use super::reset::is_gone;
use super::{Device, stage};
use crate::queue::Format;
use crate::status::Status;
use crate::transport::Transport;

/// Why a live device answers nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GivenUp {
    /// It met an error from which only a reset helps (§2.1.2).
    #[error("device set DEVICE_NEEDS_RESET, its status reads {status}")]
    NeedsReset {
        /// The device status.
        status: Status,
    },
    /// It was taken off its bus.
    #[error("device is gone from its bus")]
    Gone,
}

impl<T: Transport, R: Format> Device<T, stage::Live<R>> {
    /// Reads whether the device has given up; to be asked now and then while a request is waited for, for it costs an exit to a
    /// hypervisor.
    pub fn read_given_up(&mut self) -> Option<GivenUp> {
        let status = self.transport().read_status();
        // What nothing answers to reads as ones, and in some machines as zeroes; a live device reads as neither.
        if status.is_all() || status.is_empty() {
            return is_gone(self.transport_mut()).then_some(GivenUp::Gone);
        }
        let needs_reset = status.contains(Status::DEVICE_NEEDS_RESET);
        needs_reset.then_some(GivenUp::NeedsReset { status })
    }
}
