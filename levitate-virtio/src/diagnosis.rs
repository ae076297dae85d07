//! What a missed deadline comes from, as far as the device lets the driver see: [`Timeout`], [`TimeoutCause`].

use core::time::Duration;

use levitate_hal::{Dma, Segments};
use thiserror::Error;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::features::Features;
use crate::init::{Device, stage};
use crate::queue::{Format, Queue, Token};
use crate::status::Status;
use crate::transport::{CutOff, Interface, QueueState, Transport};

/// A request that was not answered in time; the queue keeps what it carries until the device answers or is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no answer within {timeout:?}: {cause}")]
pub struct Timeout {
    /// How long was waited.
    pub timeout: Duration,
    /// The first thing found wrong.
    pub cause: TimeoutCause,
}

/// The first thing found wrong with a device that did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TimeoutCause {
    /// The device asks to be reset (§2.1.2).
    #[error("device set DEVICE_NEEDS_RESET, its status reads {status}")]
    NeedsReset {
        /// The device status.
        status: Status,
    },
    /// The device is not live any more: somebody else reset it, or it is gone.
    #[error("device is not live any more, its status reads {status}")]
    NotLive {
        /// The device status.
        status: Status,
    },
    /// The device does not take the queue for enabled.
    #[error("device has no queue {queue}: the {interface} register for it reads 0")]
    QueueDisabled {
        /// Index of the queue.
        queue: crate::queue::QueueIndex,
        /// The interface in use.
        interface: Interface,
    },
    /// The device takes the queue for enabled, and the transport does not let it serve the queue.
    #[error("device is cut off from queue {queue}: {cut_off}")]
    CutOff {
        /// Index of the queue.
        queue: crate::queue::QueueIndex,
        /// What is in the way.
        cut_off: CutOff,
    },
    /// The device wrote an answer but no entry where the driver expects the used ring.
    #[error(
        "device wrote an answer and no used ring entry: it has the used ring of queue {queue} in another place \
         (on version 1, QueueAlign and the layout must agree)"
    )]
    UsedRingElsewhere {
        /// Index of the queue.
        queue: crate::queue::QueueIndex,
    },
    /// The device wrote an answer, and by VIRTIO_F_IN_ORDER it may say so only once it is done with what it got before (§2.7.9,
    /// §2.8.8).
    #[error(
        "device wrote an answer and holds it back: with VIRTIO_F_IN_ORDER it has to be done with earlier requests first"
    )]
    HeldBack {
        /// Index of the queue.
        queue: crate::queue::QueueIndex,
    },
    /// Nothing says that the device fetched the request: it still asks to be notified of it.
    #[error(
        "no sign that the device fetched the request: the notification is lost, or it has queue {queue} in another place \
         (on version 1, GuestPageSize must be written before QueuePFN)"
    )]
    NotFetched {
        /// Index of the queue.
        queue: crate::queue::QueueIndex,
    },
    /// As [`NotFetched`](Self::NotFetched), and what the device reaches of memory is up to the platform.
    #[error(
        "no sign that the device fetched the request: the platform may keep it from the memory of queue {queue} \
         (by VIRTIO_F_ACCESS_PLATFORM an IOMMU must be off or translate its addresses), or the notification is lost"
    )]
    OutOfReach {
        /// Index of the queue.
        queue: crate::queue::QueueIndex,
    },
    /// The device fetched the request and has not answered it.
    #[error("device fetched the request and has not completed it")]
    NotCompleted,
    /// The device answered just now, after the deadline.
    #[error("device answered after the deadline")]
    Late,
    /// Nothing is visibly wrong; without VIRTIO_F_EVENT_IDX it cannot be told whether the device fetched the request.
    #[error("nothing is visibly wrong: the device has not answered")]
    Unknown,
}

impl<T: Transport, R: Format> Device<T, stage::Live<R>> {
    /// Looks for the reason why `token`, submitted to `queue` with the footer `initial`, was not answered.
    pub fn diagnose<B, C, D, F>(
        &mut self,
        queue: &mut Queue<'_, B, C, D, T::Notifier, R>,
        token: Token,
        initial: &F,
    ) -> TimeoutCause
    where
        B: Segments,
        D: Dma,
        F: FromBytes + IntoBytes + Immutable,
    {
        let status = self.transport().read_status();
        if queue.identity() != self.identity() {
            return TimeoutCause::NotLive { status };
        }
        let index = queue.index();
        // Where nothing answers, all bits are set.
        if !status.contains(Status::DRIVER_OK) || status.bits() == u8::MAX {
            return match self.transport_mut().read_queue_state(index) {
                // QEMU takes DRIVER_OK back along with bus mastering.
                QueueState::CutOff(cut_off @ (CutOff::Gone | CutOff::NoBusMastering)) => {
                    TimeoutCause::CutOff {
                        queue: index,
                        cut_off,
                    }
                }
                _ => TimeoutCause::NotLive { status },
            };
        }
        if status.contains(Status::DEVICE_NEEDS_RESET) {
            return TimeoutCause::NeedsReset { status };
        }
        match self.transport_mut().read_queue_state(index) {
            QueueState::Enabled => {}
            QueueState::Disabled => {
                let interface = self.transport().interface();
                return TimeoutCause::QueueDisabled {
                    queue: index,
                    interface,
                };
            }
            QueueState::CutOff(cut_off) => {
                return TimeoutCause::CutOff {
                    queue: index,
                    cut_off,
                };
            }
        }
        // A device that breaks the rules now says so with the next call.
        let _ = queue.process();
        if queue.is_done(token) {
            return TimeoutCause::Late;
        }
        if queue.is_footer_written(token, initial) {
            return match queue.is_behind_another(token) {
                true => TimeoutCause::HeldBack { queue: index },
                false => TimeoutCause::UsedRingElsewhere { queue: index },
            };
        }
        match queue.is_fetched(token) {
            Some(true) => TimeoutCause::NotCompleted,
            Some(false) if self.stage().features.contains(Features::ACCESS_PLATFORM) => {
                TimeoutCause::OutOfReach { queue: index }
            }
            Some(false) => TimeoutCause::NotFetched { queue: index },
            None => TimeoutCause::Unknown,
        }
    }
}
