//! The end of a device's life, and the proof of it: [`Quiesced`] (§2.4).

use core::time::Duration;

use levitate_hal::{Clock, Deadline};
use thiserror::Error;

use super::Identity;
use crate::queue::QueueIndex;
use crate::status::Status;
use crate::transport::{CutOff, QueueState, Transport};

/// Proof that one life of a device has ended: it was reset, and said so.
///
/// It reaches none of the memory it was given during that life any more.
#[derive(Debug)]
pub struct Quiesced(Identity);

impl Quiesced {
    pub(crate) fn covers(&self, identity: Identity) -> bool {
        self.0 == identity
    }
}

/// Why a device was not reset; the memory it was given must be considered in use.
#[derive(Debug, Error)]
#[error(
    "device is not reset after {timeout:?}: its status reads {status}{}",
    if *is_gone { ", for it is gone from its bus" } else { "" }
)]
pub struct ResetError<T> {
    /// How long was waited.
    pub timeout: Duration,
    /// What the status read last.
    pub status: Status,
    /// Whether the device is gone from its bus, so that there is no status.
    pub is_gone: bool,
    /// The transport.
    pub transport: T,
    identity: Identity,
}

impl<T: Transport> ResetError<T> {
    /// Resets the device once more and waits for it.
    ///
    /// # Errors
    ///
    /// As [`Device::reset`](super::Device::reset).
    pub fn retry(
        self,
        clock: &impl Clock,
        timeout: Duration,
    ) -> Result<(T, Quiesced), ResetError<T>> {
        quiesce(self.transport, self.identity, clock, timeout)
    }
}

/// Ends one life of a device, and proves it.
pub(super) fn quiesce<T: Transport>(
    mut transport: T,
    identity: Identity,
    clock: &impl Clock,
    timeout: Duration,
) -> Result<(T, Quiesced), ResetError<T>> {
    match reset(&mut transport, clock, timeout) {
        Ok(()) => Ok((transport, Quiesced(identity))),
        Err(status) => Err(ResetError {
            timeout,
            status,
            is_gone: status.is_all() && is_gone(&mut transport),
            transport,
            identity,
        }),
    }
}

/// Resets the device and waits until it says so (§2.4.2).
pub(super) fn reset<T: Transport>(
    transport: &mut T,
    clock: &impl Clock,
    timeout: Duration,
) -> Result<(), Status> {
    transport.write_status(Status::empty());
    let deadline = Deadline::after(clock, timeout);
    let mut status = Status::empty();
    deadline
        .poll(clock, || {
            status = transport.read_status();
            status.is_empty().then_some(())
        })
        .ok_or(status)
}

/// Says whether the device is gone from its bus: to be asked where what was read is what nothing reads as, zeroes or ones.
pub(super) fn is_gone<T: Transport>(transport: &mut T) -> bool {
    transport.read_queue_state(QueueIndex::new(0)) == QueueState::CutOff(CutOff::Gone)
}
